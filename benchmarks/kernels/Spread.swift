/// How far the samples of one measurement lie apart, and what follows from it.
///
/// Disturbances (other tenants, interrupts, clock changes) only ever make a run slower, so that the minimum is what estimates
/// the undisturbed time. It can be trusted once it is not a lone value: when a quarter of all samples lie within 1 % of it, a
/// further sample is unlikely to move it by more. A quarter, because on a shared machine most samples may be disturbed; of
/// twelve samples at least, because a quarter of fewer is one or two.
enum Spread {
    static let leastSamples = 12
    static let mostSamples = 64
    static let settled = 0.01
    /// Above this, a measurement carries a note.
    static let noisy = 0.05

    /// The lower quartile over the minimum, minus 1.
    static func lowerQuartile(_ samples: [Double]) -> Double { excess(samples, at: samples.count / 4) }

    /// The median over the minimum, minus 1.
    static func median(_ samples: [Double]) -> Double { excess(samples, at: samples.count / 2) }

    private static func excess(_ samples: [Double], at rank: Int) -> Double {
        let sorted = samples.sorted()
        guard let least = sorted.first, least > 0 else { return 0 }
        return sorted[min(rank, sorted.count - 1)] / least - 1
    }

    /// Whether to stop.
    ///
    /// - Parameters:
    ///   - runs: seconds of the repetitions so far.
    ///   - probes: for each limit, the seconds per unit of work of its samples so far.
    ///   - elapsed: seconds since the measurement began. The slower a run, the fewer it gets: 5 within 3 seconds, 3 within 8,
    ///     1 after 30.
    static func isEnough(runs: [Double], probes: [[Double]], elapsed: Double) -> Bool {
        if runs.count >= mostSamples { return true }
        if elapsed > 3 && runs.count >= 5 || elapsed > 8 && runs.count >= 3 || elapsed > 30 && !runs.isEmpty {
            return true
        }
        return runs.count >= leastSamples && ([runs] + probes).allSatisfy { lowerQuartile($0) <= settled }
    }

    /// The larger of the medians' excess when it is worth a note, nil when the machine was calm.
    static func note(runs: [Double], probes: [[Double]]) -> Double? {
        let worst = ([runs] + probes).map(median).max() ?? 0
        return worst > noisy ? (worst * 1000).rounded() / 1000 : nil
    }
}
