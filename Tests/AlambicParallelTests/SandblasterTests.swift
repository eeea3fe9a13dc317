import AlambicKernels
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Testing

@testable import AlambicParallel

/// For calls that change their value, which the macro cannot make.
private func expect<T: Equatable>(_ value: T, _ expected: T, at location: SourceLocation = #_sourceLocation) {
    #expect(value == expected, sourceLocation: location)
}

@Suite struct PieceTests {
    /// Whatever order terms come in: the tree over their places.
    @Test func theTreeDoesNotDependOnTheOrder() {
        var random = SplitMix(seed: 1)
        for count in [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 24, 31] {
            func tree(_ range: Range<Int>, _ width: Int) -> String {
                if width == 1 { return "\(range.lowerBound)" }
                let middle = range.lowerBound + width / 2
                if middle >= range.upperBound { return tree(range, width / 2) }
                return "(\(tree(range.lowerBound..<middle, width / 2))+\(tree(middle..<range.upperBound, width / 2)))"
            }
            var width = 1
            while width < count { width *= 2 }
            for _ in 0..<5 {
                var sum = TreeSum<String>(count: count)
                for index in (0..<count).shuffled(using: &random) {
                    #expect(sum.total == nil)
                    sum.add("\(index)", at: index) { "(\($0)+\($1))" }
                }
                #expect(sum.total == tree(0..<count, width), "\(count) terms")
            }
        }
    }

    @Test func backupsGoToWhatIsSlow() {
        let alive: Set = [0, 1, 2]
        var board = PieceBoard(pieces: 4, workers: 3, dealing: .backups)
        expect(board.next(for: 0, alive: alive, at: 0), 0)
        expect(board.next(for: 1, alive: alive, at: 0), 1)
        expect(board.next(for: 2, alive: alive, at: 0), 2)
        expect(board.finish(2, by: 2, at: 2), true)
        expect(board.next(for: 2, alive: alive, at: 2), 3)
        expect(board.finish(3, by: 2, at: 4), true)
        // Pieces take 2; what has taken 3 is slow, what was started first before the rest.
        expect(board.next(for: 2, alive: alive, at: 4), 0)
        expect(board.finish(1, by: 1, at: 5), true)
        // Now 3 on average: the copy, which was started at 4, is slow at 8.5.
        #expect(board.copyTime(for: 1) == 8.5)
        expect(board.next(for: 1, alive: alive, at: 8), nil)
        expect(board.next(for: 1, alive: alive, at: 8.5), 0)
        #expect(board.copies == 2)
        expect(board.finish(0, by: 1, at: 9), true)
        expect(board.finish(0, by: 0, at: 10), false)
        #expect(board.isFinished)
        expect(board.next(for: 1, alive: alive, at: 11), nil)
        #expect(board.copyTime(for: 1) == nil)
    }

    @Test func withoutBackupsTheIdleWait() {
        var board = PieceBoard(pieces: 2, workers: 2, dealing: .onDemand)
        expect(board.next(for: 1, alive: [0, 1], at: 1), 0)
        expect(board.next(for: 0, alive: [0, 1], at: 1), 1)
        expect(board.finish(1, by: 0, at: 1), true)
        expect(board.next(for: 0, alive: [0, 1], at: 1), nil)
        board.release(0, by: 1)
        expect(board.next(for: 0, alive: [0], at: 1), 0)
    }

    @Test func sharesOfTheDeadGoToTheOthers() {
        var board = PieceBoard(pieces: 4, workers: 2, dealing: .shares)
        expect(board.next(for: 1, alive: [0, 1], at: 1), 2)
        expect(board.next(for: 0, alive: [0, 1], at: 1), 0)
        expect(board.next(for: 1, alive: [0, 1], at: 1), 3)
        expect(board.next(for: 1, alive: [0, 1], at: 1), nil)
        expect(board.next(for: 1, alive: [1], at: 1), 1)
    }

    @Test func refusedPiecesGoToSomebodyElse() {
        var board = PieceBoard(pieces: 1, workers: 3, dealing: .backups)
        expect(board.next(for: 0, alive: [0, 1, 2], at: 1), 0)
        board.refuse(0, by: 0)
        expect(board.next(for: 0, alive: [0, 1, 2], at: 1), nil)
        #expect(!board.isHopeless(alive: [0, 1, 2]))
        #expect(board.isHopeless(alive: [0]))
        expect(board.next(for: 1, alive: [0, 1, 2], at: 1), 0)
        board.refuse(0, by: 1)
        #expect(board.isHopeless(alive: [0, 1, 2]))
    }
}

@Suite struct PieceScheduleTests {
    /// A network that takes no time.
    private func schedule(
        _ workers: Int, pieces: Int, _ dealing: PieceDealing, faults: [Int: Fault] = [:], bandwidth: Double = 1e30,
        latency: Double = 0
    ) -> PieceSchedule {
        let cluster = Cluster(
            name: "test", bandwidthGigabitsPerSecond: bandwidth * 8 / 1e9, latencyMicroseconds: latency * 1e6,
            parameterServers: 1, workers: (0..<workers).map { .init(name: "\($0)", speed: 1) })
        return PieceSchedule(
            on: cluster, pieces: pieces, pieceSeconds: 1, bytes: 16, dealing: dealing, faults: faults)
    }

    @Test func allAreWell() throws {
        for dealing in PieceDealing.allCases {
            var run = schedule(4, pieces: 12, dealing)
            let batch = try run.run()
            #expect(abs(batch.seconds - 3) < 1e-9)
            #expect(batch.computed == [3, 3, 3, 3] && batch.copies == 0)
        }
    }

    /// 24 pieces on 8 workers, one ten times as slow: its share alone takes 30, one piece 10; the other seven have done the
    /// rest after 4 and a copy of the slow one's piece with it (21 in three rounds, two more and five copies in the fourth).
    @Test func aSlowWorkerAndWhatHelps() throws {
        let faults = [3: Fault.slow(10)]
        var (shares, demand, backups) = (
            schedule(8, pieces: 24, .shares, faults: faults), schedule(8, pieces: 24, .onDemand, faults: faults),
            schedule(8, pieces: 24, .backups, faults: faults)
        )
        let sharesSeconds = try shares.run().seconds
        #expect(abs(sharesSeconds - 30) < 1e-9)
        let demandSeconds = try demand.run().seconds
        #expect(abs(demandSeconds - 10) < 1e-9)
        let first = try backups.run()
        #expect(abs(first.seconds - 4) < 1e-9)
        #expect(first.copies == 1 && first.computed[3] == 0)
        // The slow one is at its old piece until 10. In the third batch it takes another, of which there is a copy at 11.5.
        let rest = try (0..<2).map { _ in try backups.run() }
        #expect(rest.map(\.computed[3]) == [0, 0])
        #expect(abs(backups.seconds - 12.5) < 1e-9)
    }

    /// Weights: 16 bytes at 64 a second take 0.25, the servers' link sends them to one after another; gradients come back.
    @Test func communication() throws {
        var run = schedule(2, pieces: 2, .onDemand, bandwidth: 64, latency: 0.125)
        // 0.125 + 0.25 + (0.25 for the second) + 1 + 0.125 + 0.25
        let runSeconds = try run.run().seconds
        #expect(abs(runSeconds - 2) < 1e-9)
    }

    @Test(arguments: PieceDealing.allCases)
    func deathAndNaN(dealing: PieceDealing) throws {
        var run = schedule(4, pieces: 12, dealing, faults: [1: .dies(atStep: 1), 2: .sendsNaN(atStep: 0)])
        let batch = try run.run()
        #expect(
            run.events == [.died(worker: 1, step: 1), .refused(worker: 2, step: 0)]
                || run.events == [.refused(worker: 2, step: 0), .died(worker: 1, step: 1)])
        #expect(batch.seconds >= 4 && batch.seconds <= 6 + 1e-9, "\(dealing): \(batch)")
        #expect(batch.computed.reduce(0, +) >= 12)
        let next = try run.run()
        #expect(next.computed[1] == 0 && next.seconds >= 4 - 1e-9)
        var nobody = schedule(2, pieces: 4, dealing, faults: [0: .dies(atStep: 1), 1: .dies(atStep: 0)])
        #expect(throws: ParallelError.self) { _ = try nobody.run() }
    }
}

@Suite struct SandblasterTests {
    private func pieces(_ count: Int, workers: Int, from start: [Parameter], _ data: LabelledImages) throws
        -> [ClassifierPieces]
    {
        try (0..<workers).map { worker in
            try ClassifierPieces(
                spotNetwork, parameters: start, examples: data, pieces: count,
                on: try Machine.local.context(threads: 1, firstCore: worker))
        }
    }

    /// The same bits whoever computes what, and up to rounding those of the whole batch at once.
    @Test(arguments: [
        [:], [0: Fault.slow(5)], [1: .dies(atStep: 2)], [2: .sendsNaN(atStep: 1)],
        [0: .slow(3), 1: .dies(atStep: 0), 2: .sendsNaN(atStep: 0)],
    ])
    func sameBitsWhateverHappens(faults: [Int: Fault]) throws {
        let data = try spots(203)
        let start = try spotNetwork.initialized(seed: 4)
        let replica = try pieces(13, workers: 1, from: start, data)[0]
        let cluster = Cluster(
            name: "one", bandwidthGigabitsPerSecond: 10, latencyMicroseconds: 10, parameterServers: 1,
            workers: [.init(name: "w", speed: 1)])
        let simulated = SimulatedSandblaster(
            replica: replica, pieces: 13,
            schedule: PieceSchedule(on: cluster, pieces: 13, pieceSeconds: 1, bytes: 100, dealing: .onDemand))
        for dealing in PieceDealing.allCases {
            let threaded = try ThreadedSandblaster(
                replicas: try pieces(13, workers: 4, from: start, data), pieces: 13, dealing: dealing, faults: faults)
            for seed: UInt64 in [4, 5, 6] {
                let point = try spotNetwork.initialized(seed: seed)
                let (loss, gradients) = try threaded.evaluate(at: point)
                let (expected, reference) = try simulated.evaluate(at: point)
                #expect(loss == expected && bits(gradients) == bits(reference), "\(dealing) \(faults)")
            }
            // On demand, others may have been faster in what a worker would have failed in.
            let expected = faults.values.count { $0.slowness == 1 }
            #expect(dealing == .shares ? threaded.events.count == expected : threaded.events.count <= expected)
        }
        let whole = try ClassifierWorker(spotNetwork, parameters: start, on: try Context(threads: 1))
        let (loss, gradients) = try whole.gradient(images: data.images, labels: data.labels)
        let (sum, parts) = try simulated.evaluate(at: start)
        // Sums of 203 terms, here in 13 parts: each way within (203 + 36 + 20) ε of the sum of magnitudes.
        #expect(abs(loss - sum) < 1e-5)
        for (a, b) in zip(gradients.flat.elements, parts.flat.elements) {
            #expect(abs(a - b) < 2 * 259 * 0x1p-24 * 2)
        }
    }

    @Test func badWeightsGiveNaNAndGoodOnesAfterThem() throws {
        let data = try spots(64)
        let start = try spotNetwork.initialized(seed: 4)
        let threaded = try ThreadedSandblaster(replicas: try pieces(8, workers: 2, from: start, data), pieces: 8)
        let bad = try copies(of: start)
        var values = bad[0].value.mutableSpan
        values[3] = .nan
        #expect(try threaded.evaluate(at: bad).loss.isNaN)
        #expect(threaded.events.count >= 2)
        #expect(try threaded.evaluate(at: start).loss.isFinite)
    }

    @Test func nobodyLeftIsAnError() throws {
        let data = try spots(64)
        let start = try spotNetwork.initialized(seed: 4)
        let threaded = try ThreadedSandblaster(
            replicas: try pieces(8, workers: 2, from: start, data), pieces: 8,
            faults: [0: .dies(atStep: 1), 1: .dies(atStep: 2)])
        #expect { try threaded.evaluate(at: start) } throws: { "\($0)".hasPrefix("none of 2 workers is left") }
    }
}

@Suite struct SandblasterLBFGSTests {
    /// Against vectors in one part, which share nothing with shards but the kernels.
    @Test func vectorsInShards() throws {
        var random = SplitMix(seed: 12)
        let context = try Context(threads: 1)
        let (a, b) = (random.floats(45), random.floats(45))
        for shards in [1, 2, 5, 48] {
            func vector(_ values: [Float]) throws -> ShardedVector {
                let set = try GradientSet(shapes: [[5, 7], [10]])
                set.tensors[0].copy(from: try Tensor([5, 7], Array(values[..<35])))
                set.tensors[1].copy(from: try Tensor([10], Array(values[35...])))
                return ShardedVector(set, shards: shards, on: context)
            }
            func elements(_ vector: ShardedVector) -> [Float] { vector.values.tensors.flatMap(\.elements) }
            let (x, y) = (try vector(a), try vector(b))
            let expected = zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            #expect(abs(try x.dot(y) - expected) < 1e-14 * 45)
            let copy = try x.copied()
            try copy.accumulate(y, times: -0.5)
            #expect(elements(copy) == zip(a, b).map { ($1 * -0.5) + $0 })
            try copy.scale(by: 2)
            #expect(elements(copy) == zip(a, b).map { 2 * (($1 * -0.5) + $0) })
            try copy.copy(from: y)
            #expect(elements(copy) == b && elements(x) == a)
        }
    }

    /// The whole run has the same bits, whoever works: and it minimises.
    @Test func runsAreEqualWhateverHappens() throws {
        let data = try spots(200)
        let start = try spotNetwork.initialized(seed: 4)
        var results: [[UInt32]] = []
        for (workers, faults) in [
            (1, [:]), (3, [:]), (4, [0: Fault.slow(3), 1: .dies(atStep: 7), 2: .sendsNaN(atStep: 9)]),
        ] {
            let replicas = try (0..<workers).map { worker in
                try ClassifierPieces(
                    spotNetwork, parameters: start, examples: data, pieces: 8,
                    on: try Machine.local.context(threads: 1, firstCore: worker))
            }
            let coordinator = try ThreadedSandblaster(replicas: replicas, pieces: 8, faults: faults)
            let run = try SandblasterLBFGS(
                from: start, gradient: coordinator, shards: 3, on: try Context(threads: 1))
            for _ in 0..<15 { try run.step() }
            #expect(run.optimizer.value < 0.05)
            #expect(abs(try loss(of: run.parameters, on: data) - run.optimizer.value) < 1e-5)
            results.append(bits(run.parameters))
        }
        #expect(results[0] == results[1] && results[0] == results[2])
    }
}
