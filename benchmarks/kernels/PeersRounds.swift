import Foundation

/// Our runs and the competitors' in turn, A B C A B C …, while all others sleep, so that all see the same weather.
struct PeerRounds {
    var rounds = 5
    /// A turn lasts about this long, between one run and `mostRuns`.
    var secondsPerTurn = 0.03
    var mostRuns = 20
    /// The workers of who had the last turn spin for a while before they sleep.
    var pause = 0.02
    /// A competitor that takes so many times as long as we do (and a minute) hangs.
    var patience = 200.0

    /// One competitor's outcome.
    struct Outcome {
        var name: String
        var detail = ""
        /// Nanoseconds of each run; empty when there is none.
        var samples: [Int] = []
        var failure: String?
    }

    /// `ours` takes so many repetitions and gives a measurement of them; `peers` are ready for the same work.
    func measure(
        _ peers: [(peer: Peer, detail: String)], ours: (_ repetitions: Int) throws -> Measurement
    ) rethrows -> (ours: Measurement, peers: [Outcome]) {
        var outcomes = peers.map { Outcome(name: $0.peer.version, detail: $0.detail) }
        var parts: [Measurement] = []
        var runs = 3
        for _ in 0..<max(1, rounds) {
            settle()
            let part = try ours(runs)
            parts.append(part)
            let limit = 60 + patience * Double(runs * part.maxNs) / 1e9
            for (index, entry) in peers.enumerated() where outcomes[index].failure == nil {
                settle()
                do throws(PeerFailure) {
                    outcomes[index].samples += try entry.peer.run(runs, within: limit)
                } catch {
                    outcomes[index].failure = error.description
                }
            }
            let seconds = Double(parts.map(\.minNs).min() ?? 1) / 1e9
            runs = max(1, min(mostRuns, Int(secondsPerTurn / seconds)))
        }
        return (Self.joined(parts), outcomes)
    }

    private func settle() {
        if pause > 0 { usleep(UInt32(pause * 1e6)) }
    }

    /// One measurement of all rounds. The bound is the least that any round's probes allow.
    static func joined(_ parts: [Measurement]) -> Measurement {
        precondition(!parts.isEmpty, "no round was measured")
        let bound = parts.map { $0.limitFraction * Double($0.minNs) }.min() ?? 0
        return parts[0].replacing(samples: parts.flatMap(\.samplesNs), bound: bound)
    }
}

extension Measurement {
    /// The least nanoseconds that the machine's limits allow.
    var boundNs: Double { limitFraction * Double(minNs) }

    /// The same work with other samples, against the given bound in nanoseconds.
    func replacing(samples: [Int], bound: Double) -> Measurement {
        precondition(!samples.isEmpty, "a measurement has samples")
        var row = self
        let sorted = samples.sorted()
        let least = Double(sorted[0])
        let kept = min(64, samples.count)
        row.samplesNs = (0..<kept).map { samples[$0 * samples.count / kept] }
        row.minNs = sorted[0]
        row.medianNs = sorted[sorted.count / 2]
        row.maxNs = sorted[sorted.count - 1]
        row.opsPerS = ops / least * 1e9
        row.bytesPerS = bytes / least * 1e9
        row.limitFraction = bound / least
        return row
    }

    /// A competitor's row for the same work.
    func peer(_ outcome: PeerRounds.Outcome) -> Measurement {
        var row = replacing(samples: outcome.samples, bound: boundNs)
        row.variant = outcome.name
        row.isa = Self.peerISA
        row.detail = outcome.detail
        row.peer = true
        row.noisy = nil
        return row
    }

    /// Stands in the `isa` field of competitors' rows.
    static let peerISA = "peer"
    var isPeer: Bool { isa == Self.peerISA }
}
