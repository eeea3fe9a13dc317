import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// Memory that steps share out by plan.
@Suite struct ArenaTests {
    @Test func placesNeverMeetWhileTheyLive() {
        for seed in 1...40 as ClosedRange<UInt64> {
            var random = SplitMix(seed: seed)
            func below(_ limit: Int) -> Int { Int(random.next() >> 33) % limit }
            let count = 1 + below(60)
            var requests: [(bytes: Int, end: Int)] = []
            for i in 0..<count {
                requests.append((below(3001), below(10) == 0 ? Int.max : i + 1 + below(12)))
            }
            let places = Places(requests)
            func range(_ i: Int) -> Range<Int> { places.offsets[i]..<places.offsets[i] + requests[i].bytes }
            for i in 0..<count {
                #expect(places.offsets[i].isMultiple(of: 64) && range(i).upperBound <= places.bytes, "seed \(seed)")
                for j in 0..<i {
                    let together = i < requests[j].end && j < requests[i].end
                    let meet = range(i).overlaps(range(j))
                    #expect(!(together && meet), "seed \(seed): requests \(j) and \(i)")
                    if meet { #expect(places.sharers[i].contains(j) && places.sharers[j].contains(i)) }
                }
            }
            // No less than what lives at the same time, and well under one place for each.
            var most = 0
            for t in 0..<count {
                var live = 0
                for i in 0...t where t < requests[i].end { live += requests[i].bytes }
                most = max(most, live)
            }
            #expect(places.bytes >= most, "seed \(seed)")
            #expect(places.bytes <= 2 * most + 64 * count + 64, "seed \(seed): \(places.bytes) for \(most)")
        }
    }

    /// Five requests, of which at most three live at a time; what is held keeps its contents.
    private func step(_ arena: ActivationArena, size: Int, marking mark: Float) throws -> Memory<Float> {
        try arena.begin()
        func fill(_ memory: Memory<Float>, _ value: Float) {
            var span = memory.mutableSpan
            for i in 0..<span.count { span[i] = value }
        }
        let a = try arena.floats(size)
        fill(a, mark)
        for i in 0..<3 {
            let b = try arena.floats(2 * size)
            let c = try arena.halves(size)
            fill(b, -mark)
            var halves = c.mutableSpan
            for j in 0..<halves.count { halves[j] = UInt16(i) }
        }
        return a
    }

    @Test func steadyStateHasAPlaceForEverything() throws {
        let arena = ActivationArena()
        var made: [Int] = []
        for i in 0..<6 {
            let memory = try step(arena, size: 1000, marking: Float(i))
            let (first, last) = (memory.span[0], memory.span[999])
            #expect(first == Float(i) && last == Float(i))
            made.append(arena.made)
        }
        #expect(made[1] == made[5], "\(made)")
        #expect(arena.plannedBytes >= 4000 + 8000 + 2000 && arena.plannedBytes < 4000 + 8000 + 2000 + 256)
    }

    @Test func whatIsHeldIsLeftAlone() throws {
        let arena = ActivationArena()
        var held: [Memory<Float>] = []
        for i in 0..<6 { held.append(try step(arena, size: 100, marking: Float(i + 1))) }
        for (i, memory) in held.enumerated() {
            for j in 0..<100 {
                let value = memory.span[j]
                #expect(value == Float(i + 1), "step \(i)")
            }
        }
    }

    @Test func shapesMayTakeTurns() throws {
        let arena = ActivationArena()
        var made = 0
        for i in 0..<12 {
            let size = 100 + 50 * (i % 3)
            let memory = try step(arena, size: size, marking: Float(i))
            let last = memory.span[size - 1]
            #expect(last == Float(i))
            if i == 5 { made = arena.made }
        }
        #expect(arena.made == made)
    }
}
