import AlambicKernels

/// Measures the physical limits of one thread count, on demand.
final class Limits {
    let threads: Int
    private let context: Context
    private let probe: TrafficProbe
    private var turn = 0
    /// Operations that one iteration of a probe does on all workers, 0 for arithmetic that this machine lacks.
    private var operationsPerIteration: [PeakType: Double] = [:]
    /// The best of each limit seen so far in this run.
    private var bestPeaks: [PeakType: Double] = [:]
    private var bestBandwidths: [TrafficPattern: Double] = [:]

    /// A probe lasts as long as a repetition of what it is compared with, so that both average over the same stretch of
    /// weather, but not so short that starting the team counts, nor so long that the run drags.
    static let shortest = 0.002
    static let longest = 0.05

    init(threads: Int, machine: Machine) throws {
        self.threads = threads
        context = try machine.context(threads: threads)
        probe = try TrafficProbe(count: Self.bytes(on: machine) / 16 / 64 * 64, on: context)
    }

    /// Four buffers that together exceed the last-level cache eight times over; probes rotate over them.
    static func bytes(on machine: Machine) -> Int { max(8 * max(machine.l3Bytes, machine.l2Bytes, 8 << 20), 64 << 20) }

    /// Operations per second during about `seconds`; 0 where this machine has no such arithmetic.
    func peak(_ type: PeakType, seconds: Double = shortest) throws -> Double {
        let trial = 20_000
        if operationsPerIteration[type] == nil {
            let before = ContinuousClock.now
            let operations = try arithmeticProbe(type, iterations: trial, on: context) ?? 0
            operationsPerIteration[type] = operations / Double(trial)
            bestPeaks[type] = operations / ((ContinuousClock.now - before) / .seconds(1))
        }
        guard let each = operationsPerIteration[type], let expected = bestPeaks[type], each > 0, expected > 0 else {
            return 0
        }
        let duration = min(max(seconds, Self.shortest), Self.longest)
        let iterations = max(trial / 4, Int(duration * expected / each))
        let before = ContinuousClock.now
        let operations = try arithmeticProbe(type, iterations: iterations, on: context) ?? 0
        let rate = operations / ((ContinuousClock.now - before) / .seconds(1))
        bestPeaks[type] = max(expected, rate)
        return rate
    }

    /// Bytes per second of as many passes over a buffer as come close to `bytes`, four at most.
    func bandwidth(_ pattern: TrafficPattern, bytes: Double = 0) throws -> Double {
        var (moved, passes) = (0, 0)
        let before = ContinuousClock.now
        repeat {
            moved += try probe.run(pattern, turn: turn, on: context)
            turn += 1
            passes += 1
        } while passes < 4 && Double(moved) * (1 + 0.5 / Double(passes)) < bytes
        let rate = Double(moved) / ((ContinuousClock.now - before) / .seconds(1))
        bestBandwidths[pattern] = max(bestBandwidths[pattern] ?? 0, rate)
        return rate
    }

    /// The best of a peak in this run, 0 before it was measured.
    func bestPeak(_ type: PeakType) -> Double { bestPeaks[type] ?? 0 }

    /// The best of a bandwidth in this run, 0 before it was measured.
    func bestBandwidth(_ pattern: TrafficPattern) -> Double { bestBandwidths[pattern] ?? 0 }

    /// Measures everything a few times, for the machine line.
    func measureAll() throws {
        for _ in 0..<3 {
            for type in PeakType.allCases { _ = try peak(type) }
            for pattern in TrafficPattern.allCases { _ = try bandwidth(pattern) }
        }
    }

    /// The best that was seen until now.
    var record: MachineRecord.Limits {
        .init(
            threads: threads,
            peaks: .init(uniqueKeysWithValues: bestPeaks.filter { $0.value > 0 }.map { ($0.key.rawValue, $0.value) }),
            bandwidths: .init(uniqueKeysWithValues: bestBandwidths.map { ($0.key.rawValue, $0.value) }))
    }
}
