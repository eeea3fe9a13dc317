import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// Memory that steps share out by plan.
@Suite struct ArenaTests {
    @Test func placesNeverMeetWhileTheyLive() {
        for seed in 1...40 as ClosedRange<UInt64> {
            var random = SplitMix(seed: seed)
            let count = random.integer(in: 1...60)
            let requests = (0..<count).map { i -> (bytes: Int, end: Int) in
                (random.integer(in: 0...3000), random.integer(in: 0...9) == 0 ? Int.max : i + random.integer(in: 1...12))
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
            let most = (0..<count).map { t in
                requests.indices.filter { $0 <= t && t < requests[$0].end }.reduce(0) { $0 + requests[$1].bytes }
            }.max() ?? 0
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
            let value = try step(arena, size: 1000, marking: Float(i)).span
            #expect(value[0] == Float(i) && value[999] == Float(i))
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
            let span = memory.span
            for j in 0..<100 { #expect(span[j] == Float(i + 1), "step \(i)") }
        }
    }

    @Test func shapesMayTakeTurns() throws {
        let arena = ActivationArena()
        var made = 0
        for i in 0..<12 {
            let size = 100 + 50 * (i % 3)
            let value = try step(arena, size: size, marking: Float(i)).span
            #expect(value[size - 1] == Float(i))
            if i == 5 { made = arena.made }
        }
        #expect(arena.made == made)
    }
}
