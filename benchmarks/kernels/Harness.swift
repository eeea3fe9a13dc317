import AlambicKernels
import Foundation

/// Repeats workloads, with the machine's limits measured in between so that both see the same weather.
struct Harness {
    /// Exactly this many samples; nil for as many as the spread asks for.
    var repetitions: Int?
    /// Whether to stop before the next repetition: the user asked for it.
    var isInterrupted: () -> Bool = { false }

    /// A limit fraction above this cannot be.
    static let mostPossible = 1.02

    /// What repeating a workload gave: nanoseconds of each repetition, and the limits met in between.
    private struct Samples {
        var runs: [Double] = []
        /// Operations per second.
        var peaks: [Double] = []
        /// Bytes per second.
        var bandwidths: [Double] = []

        /// Seconds per operation and per byte, for the limits that were measured.
        var probes: [[Double]] { [peaks, bandwidths].filter { !$0.isEmpty }.map { $0.map { 1 / $0 } } }
    }

    /// Times `workload`. The names of variant and instruction sets are given by the caller.
    ///
    /// A row above its limit is measured once more, with the probes of both attempts. If it stays there its repetitions met
    /// better moments than its probes did, and the best limits of the whole run so far stand for them: only a row above those
    /// is reported as impossible.
    func measure(
        _ workload: Workload, case benchCase: BenchCase, shape: BenchShape, variant: String, isa: String, threads: Int,
        limits: Limits
    ) throws -> Measurement {
        func measurement(_ samples: Samples) -> Measurement {
            let sorted = samples.runs.sorted().map { max(1, Int($0)) }
            let least = Double(sorted[0])
            // A warm working set need not come from memory: there, arithmetic alone bounds it.
            let arithmetic = samples.peaks.max().map { workload.ops / $0 } ?? 0
            let traffic = samples.bandwidths.max().map { workload.bytes / $0 } ?? 0
            let fraction = max(arithmetic, traffic) * 1e9 / least
            return Measurement(
                case: benchCase.name, shape: shape.description, dtype: benchCase.dtype, variant: variant, isa: isa,
                threads: threads, pattern: workload.pattern.rawValue, cold: benchCase.isCold, ops: workload.ops,
                bytes: workload.bytes, samplesNs: Self.kept(samples.runs).map { max(1, Int($0)) }, minNs: sorted[0],
                medianNs: sorted[sorted.count / 2], maxNs: sorted[sorted.count - 1],
                opsPerS: workload.ops / least * 1e9, bytesPerS: workload.bytes / least * 1e9, limitFraction: fraction,
                bound: fraction == 0 ? nil : arithmetic > traffic ? .arithmetic : .memory,
                noisy: Spread.note(runs: samples.runs, probes: samples.probes))
        }
        let first = try collect(workload, isCold: benchCase.isCold, limits: limits)
        let result = measurement(first)
        if result.limitFraction <= Self.mostPossible || isInterrupted() { return result }
        var second = try collect(workload, isCold: benchCase.isCold, limits: limits)
        second.peaks += first.peaks
        second.bandwidths += first.bandwidths
        let again = measurement(second)
        guard again.limitFraction > Self.mostPossible else { return again }
        if !second.peaks.isEmpty { second.peaks.append(limits.bestPeak(workload.peak)) }
        if !second.bandwidths.isEmpty { second.bandwidths.append(limits.bestBandwidth(workload.pattern)) }
        return measurement(second)
    }

    private func collect(_ workload: Workload, isCold: Bool, limits: Limits) throws -> Samples {
        var samples = Samples()
        var turn = 0
        // Page faults, first packing, frequency; and how long a run takes. Every copy is run once: where the last-level
        // cache is large there are dozens, and one that nobody has written to yet would be timed with the system's
        // clearing of its pages. Only runs that take seconds may do without.
        var seconds = 0.0, warming = 0.0
        for run in 0..<max(2, workload.copies) where run < 2 ? seconds < 0.5 : warming < 4 {
            let before = ContinuousClock.now
            try workload.run(turn % workload.copies)
            turn += 1
            seconds = max(1e-9, (ContinuousClock.now - before) / .seconds(1))
            warming += seconds
        }
        // Runs shorter than the clock is good for are timed in batches, which last at least 20 microseconds. Cold runs are not:
        // each is timed alone.
        let inner = isCold ? 1 : max(1, Int((20e-6 / seconds).rounded(.up)))
        let expected = seconds * Double(inner)
        let measuresPeak = try workload.ops > 0 && limits.peak(workload.peak) > 0
        let measuresBandwidth = isCold && workload.bytes > 0
        let started = ContinuousClock.now
        func isEnough() -> Bool {
            if samples.runs.isEmpty { return false }
            if isInterrupted() { return true }
            if let repetitions { return samples.runs.count >= repetitions }
            let elapsed = (ContinuousClock.now - started) / .seconds(1)
            return Spread.isEnough(runs: samples.runs, probes: samples.probes, elapsed: elapsed)
        }
        while !isEnough() {
            // As many probes as repetitions: the best of few against the best of many would favour the kernel.
            if measuresPeak { samples.peaks.append(try limits.peak(workload.peak, seconds: expected)) }
            if measuresBandwidth {
                samples.bandwidths.append(try limits.bandwidth(workload.pattern, bytes: workload.bytes))
            }
            let before = ContinuousClock.now
            for _ in 0..<inner {
                try workload.run(turn % workload.copies)
                turn += 1
            }
            samples.runs.append((ContinuousClock.now - before) / .nanoseconds(1) / Double(inner))
        }
        return samples
    }

    /// At most 64 samples, spread evenly over the measurement.
    static func kept(_ samples: [Double]) -> [Double] {
        let most = Spread.mostSamples
        return samples.count <= most ? samples : (0..<most).map { samples[$0 * samples.count / most] }
    }
}
