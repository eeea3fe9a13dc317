import AlambicKernels
import Foundation
import Testing

@testable import bench

/// The harness on workloads whose time is a sleep. Sleeping takes no less than asked, whatever else the machine does, so that
/// every bound below is one that a busy machine cannot break.
@Suite(.serialized) struct HarnessTests {
    /// What a fake workload was asked to do.
    private final class Calls {
        var copies: [Int] = []
    }

    private let limits: Limits

    init() throws { limits = try Limits(threads: 1, machine: .local) }

    /// A workload that sleeps for `seconds`, and claims `ops` and `bytes`.
    private func workload(
        _ calls: Calls, ops: Double = 0, bytes: Double = 0, copies: Int = 1, seconds: Double = 0.0005
    ) -> Workload {
        Workload(ops: ops, bytes: bytes, peak: .f32, pattern: .read, copies: copies) { copy in
            calls.copies.append(copy)
            Thread.sleep(forTimeInterval: seconds)
        }
    }

    private func measure(
        _ workload: Workload, isCold: Bool = false, repetitions: Int? = 3,
        isInterrupted: @escaping () -> Bool = { false }
    ) throws -> bench.Measurement {
        let benchCase = BenchCase(
            name: "fake", dtype: "f32", summary: "sleeps", variants: [], shapes: [BenchShape(1)], isCold: isCold,
            prepare: { _, _ in Workload(ops: 0, bytes: 0, peak: .f32, pattern: .read, copies: 1) { _ in } })
        return try Harness(repetitions: repetitions, isInterrupted: isInterrupted).measure(
            workload, case: benchCase, shape: BenchShape(1), variant: "v", isa: "i", threads: 1, limits: limits)
    }

    @Test("figures follow from the samples")
    func figures() throws {
        let calls = Calls()
        let row = try measure(workload(calls, ops: 1000, bytes: 500))
        let sorted = row.samplesNs.sorted()
        #expect(row.samplesNs.count == 3 && sorted.allSatisfy { $0 >= 500_000 })
        #expect(row.minNs == sorted[0] && row.medianNs == sorted[1] && row.maxNs == sorted[2])
        #expect(abs(row.opsPerS * Double(row.minNs) / 1e9 - 1000) < 1e-6)
        #expect(abs(row.bytesPerS * Double(row.minNs) / 1e9 - 500) < 1e-6)
        #expect(row.problem == nil)
        // Before the first sample: page faults and the length of a run; twice, unless half a second has passed.
        #expect(4...5 ~= calls.copies.count)
    }

    @Test("the fraction is that of the longer limit")
    func fraction() throws {
        // One operation in half a millisecond, against a peak of millions even where the probe waits for its processor.
        let slow = try measure(workload(Calls(), ops: 1))
        #expect(slow.limitFraction > 0 && slow.limitFraction < 0.01 && slow.bound == .arithmetic)
        // Against the best of all probes that the limits have seen, this measurement's own among them.
        let bytes = 64_000.0
        let cold = try measure(workload(Calls(), ops: 1, bytes: bytes), isCold: true)
        let best = try #require(limits.record.bandwidths["read"])
        #expect(cold.bound == .memory)
        #expect(cold.limitFraction >= bytes / best * 1e9 / Double(cold.minNs) * 0.999)
        // Warm, its traffic need not come from memory and bounds nothing.
        let warm = try measure(workload(Calls(), ops: 1, bytes: bytes))
        #expect(warm.bound == .arithmetic)
        let unbounded = try measure(workload(Calls(), bytes: bytes))
        #expect(unbounded.limitFraction == 0 && unbounded.bound == nil)
    }

    @Test("a row above its limit is measured twice before it is reported")
    func aboveTheLimit() throws {
        let calls = Calls()
        // 1e18 operations a run: 2e21 a second.
        let row = try measure(workload(calls, ops: 1e18))
        #expect(row.limitFraction > Harness.mostPossible && row.samplesNs.count == 3)
        #expect(8...10 ~= calls.copies.count)
        let possible = Calls()
        _ = try measure(workload(possible, ops: 1))
        #expect(4...5 ~= possible.copies.count)
    }

    @Test("cold runs go round all copies, each once before one run a sample")
    func rotation() throws {
        let calls = Calls()
        let row = try measure(workload(calls, bytes: 1000, copies: 3, seconds: 0), isCold: true, repetitions: 7)
        #expect(row.samplesNs.count == 7 && calls.copies.count == 3 + 7)
        #expect(calls.copies == calls.copies.indices.map { $0 % 3 })
    }

    @Test("short warm runs are timed in batches, and count each run")
    func batches() throws {
        let calls = Calls()
        let row = try measure(workload(calls, seconds: 0), repetitions: 4)
        #expect(row.samplesNs.count == 4 && row.samplesNs.allSatisfy { $0 >= 1 })
        #expect([1, 2].contains { (calls.copies.count - $0).isMultiple(of: 4) })
    }

    @Test("an interrupted measurement keeps what it has, and is not repeated")
    func interruption() throws {
        let calls = Calls()
        let row = try measure(workload(calls, ops: 1e18), repetitions: 50, isInterrupted: { calls.copies.count >= 4 })
        #expect(2...3 ~= row.samplesNs.count && calls.copies.count == 4)
    }

    @Test("what a workload throws ends its measurement")
    func failure() {
        struct Broken: Error {}
        let broken = Workload(ops: 1, bytes: 1, peak: .f32, pattern: .read, copies: 1) { _ in throw Broken() }
        #expect(throws: Broken.self) { try measure(broken) }
    }

    @Test("at most 64 samples are kept, evenly, from first to last")
    func kept() {
        #expect(Harness.kept([3, 1, 2]) == [3, 1, 2])
        let many = (0..<640).map(Double.init)
        #expect(Harness.kept(many) == stride(from: 0, to: 640, by: 10).map(Double.init))
        #expect(Harness.kept((0..<65).map(Double.init)).count == 64)
    }

    @Test("a spread is read at its ranks, in any order")
    func spread() {
        #expect(Spread.lowerQuartile([4, 1, 2, 3]) == 1 && Spread.median([4, 1, 2, 3]) == 2)
        #expect(Spread.lowerQuartile([]) == 0 && Spread.median([7]) == 0 && Spread.median([0, 5]) == 0)
        let flat = [Double](repeating: 1, count: 64)
        let rising = (0..<64).map { 1 + Double($0) }
        #expect(Spread.isEnough(runs: rising, probes: [], elapsed: 0))
        #expect(!Spread.isEnough(runs: Array(rising.prefix(63)), probes: [flat], elapsed: 3))
        // The slower a run, the fewer it gets.
        for (elapsed, least) in [(3.1, 5), (8.1, 3), (30.1, 1)] {
            #expect(Spread.isEnough(runs: Array(rising.prefix(least)), probes: [], elapsed: elapsed))
            #expect(!Spread.isEnough(runs: Array(rising.prefix(least - 1)), probes: [], elapsed: elapsed))
        }
        // The worst of runs and probes is what is noted.
        #expect(Spread.note(runs: flat, probes: [[1, 1.2, 1.2]]) == 0.2)
        #expect(Spread.note(runs: [1, 1.04, 1.04], probes: []) == nil)
    }
}
