import AlambicKernels
import Foundation

/// Repeats workloads, with the machine's limits measured in between so that both see the same weather.
struct Harness {
    var repetitions: Int
    /// No repetition is started after this many seconds in one measurement, once there are three.
    var secondsPerMeasurement = 2.0

    /// Times `workload`; nil variant text names are given by the caller.
    func measure(
        _ workload: Workload, case benchCase: BenchCase, shape: BenchShape, variant: String, isa: String, threads: Int,
        limits: Limits
    ) throws -> Measurement {
        var samples: [Int] = []
        var peak = 0.0
        var bandwidth = 0.0
        var turn = 0
        // Warm up: page faults, first packing, frequency.
        for _ in 0..<(benchCase.isCold ? 1 : 2) {
            try workload.run(turn % workload.copies)
            turn += 1
        }
        // Runs shorter than the clock is good for are timed in batches.
        let inner = benchCase.isCold ? 1 : try batchSize(workload)
        let started = ContinuousClock.now
        while samples.count < repetitions {
            let elapsed = (ContinuousClock.now - started) / .seconds(1)
            if samples.count >= 3 && elapsed > secondsPerMeasurement { break }
            if samples.count % 4 == 0 {
                if workload.ops > 0 { peak = max(peak, try limits.peak(workload.peak)) }
                if workload.bytes > 0 { bandwidth = max(bandwidth, try limits.bandwidth(workload.pattern)) }
            }
            let before = ContinuousClock.now
            for _ in 0..<inner {
                try workload.run(turn % workload.copies)
                turn += 1
            }
            let nanoseconds = (ContinuousClock.now - before) / .nanoseconds(1)
            samples.append(max(1, Int(nanoseconds / Double(inner))))
        }
        let sorted = samples.sorted()
        let least = Double(sorted[0])
        // A warm working set need not come from memory: there, arithmetic alone bounds it.
        let arithmetic = workload.ops > 0 && peak > 0 ? workload.ops / peak : 0
        let traffic = benchCase.isCold && bandwidth > 0 ? workload.bytes / bandwidth : 0
        return Measurement(
            case: benchCase.name, shape: shape.description, dtype: benchCase.dtype, variant: variant, isa: isa,
            threads: threads, pattern: workload.pattern.rawValue, cold: benchCase.isCold, ops: workload.ops,
            bytes: workload.bytes, samplesNs: Array(samples.prefix(64)), minNs: sorted[0],
            medianNs: sorted[sorted.count / 2], maxNs: sorted[sorted.count - 1],
            opsPerS: workload.ops / least * 1e9, bytesPerS: workload.bytes / least * 1e9,
            limitFraction: max(arithmetic, traffic) * 1e9 / least)
    }

    /// Runs per sample so that one sample lasts at least 20 microseconds.
    private func batchSize(_ workload: Workload) throws -> Int {
        let before = ContinuousClock.now
        try workload.run(0)
        let nanoseconds = max(1, (ContinuousClock.now - before) / .nanoseconds(1))
        return max(1, Int((20_000 / nanoseconds).rounded(.up)))
    }
}

/// Measures the physical limits of one thread count, on demand.
final class Limits {
    private let context: Context
    private let probe: TrafficProbe
    /// The best of each limit seen so far in this run.
    private(set) var bestPeaks: [String: Double] = [:]
    private(set) var bestBandwidths: [String: Double] = [:]

    init(threads: Int, machine: Machine) throws {
        context = try machine.context(threads: threads)
        // Four buffers that together exceed the last-level cache eight times over.
        let bytes = max(8 * max(machine.l3Bytes, 8 << 20), 64 << 20)
        probe = try TrafficProbe(count: bytes / 4 / 4 / 64 * 64, on: context)
    }

    /// Operations per second for about two milliseconds; 0 where this machine has no such arithmetic.
    func peak(_ type: PeakType) throws -> Double {
        var best = 0.0
        for _ in 0..<3 {
            let before = ContinuousClock.now
            guard let operations = try arithmeticProbe(type, iterations: 20_000, on: context) else { return 0 }
            best = max(best, operations / ((ContinuousClock.now - before) / .seconds(1)))
        }
        bestPeaks[type.rawValue] = max(bestPeaks[type.rawValue] ?? 0, best)
        return best
    }

    /// Bytes per second of one pass.
    func bandwidth(_ pattern: TrafficPattern) throws -> Double {
        let before = ContinuousClock.now
        let bytes = try probe.run(pattern, on: context)
        let rate = Double(bytes) / ((ContinuousClock.now - before) / .seconds(1))
        bestBandwidths[pattern.rawValue] = max(bestBandwidths[pattern.rawValue] ?? 0, rate)
        return rate
    }

    /// Measures everything once, for the machine line.
    func measureAll(threads: Int) throws -> MachineRecord.Limits {
        for _ in 0..<2 {
            for type in PeakType.allCases { _ = try peak(type) }
            for pattern in TrafficPattern.allCases { _ = try bandwidth(pattern) }
        }
        return .init(threads: threads, peaks: bestPeaks.filter { $0.value > 0 }, bandwidths: bestBandwidths)
    }
}
