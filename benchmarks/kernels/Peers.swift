import AlambicKernels
import Foundation

/// The competitors of `bench --peers`: starts them as they are needed, one process for each and for each thread count.
///
/// `rows` is the entry point: our measurement of a workload and the competitors', taken in turn.
final class PeerSet {
    private let programs: [PeerProgram]
    private let tell: (String) -> Void
    var rounds = PeerRounds()

    private struct Slot: Hashable {
        let program: Int
        let threads: Int
    }
    private var running: [Slot: Peer] = [:]
    /// Failures of a peer; at the third it is given up.
    private var failures: [Int: Int] = [:]
    private var told: Set<String> = []

    /// `tell` gets one line for every peer that is missing, refuses or fails.
    init(_ programs: [PeerProgram], tell: @escaping (String) -> Void) {
        self.programs = programs
        self.tell = tell
    }

    /// The peers that `make peers` has set up. Throws where there is none at all.
    convenience init(tell: @escaping (String) -> Void) throws(BenchError) {
        guard let root = InstalledPeers.root() else {
            throw BenchError.failed("--peers runs in a checkout of Alambic: benchmarks/peers is not around here")
        }
        let installed = InstalledPeers(root: root)
        guard !installed.programs.isEmpty else {
            throw BenchError.failed("no peer is set up; `make peers` does it")
        }
        installed.missing.forEach(tell)
        self.init(installed.programs, tell: tell)
    }

    /// Our row first, measured in turn with the competitors, then a row for each of them. Nil when no peer does this work.
    func rows(
        case name: String, dtype: String, shape: BenchShape, context: Context, isCold: Bool,
        ours: (_ repetitions: Int) throws -> Measurement
    ) throws -> [Measurement]? {
        guard shape.extents.count == 3, let work = PeerWork(case: name, dtype: dtype) else { return nil }
        let machine = context.machine
        let bytes = 8 * max(machine.l3Bytes, machine.l2Bytes, 8 << 20)
        let request = PeerRequest(
            work: work, shape: shape, threads: context.threads, coldBytes: isCold ? bytes : nil)
        return try rows(request, units: Self.units(context.pinning), ours: ours)
    }

    func rows(
        _ request: PeerRequest, units: [Int] = [], ours: (_ repetitions: Int) throws -> Measurement
    ) throws -> [Measurement] {
        var ready: [(index: Int, peer: Peer, detail: String)] = []
        for index in programs.indices {
            guard let (peer, detail) = prepared(index, request, units) else { continue }
            ready.append((index, peer, detail))
        }
        let result = try rounds.measure(ready.map { ($0.peer, $0.detail) }, ours: ours)
        var rows = [result.ours]
        for (outcome, entry) in zip(result.peers, ready) {
            if let failure = outcome.failure {
                failed(entry.index, request.threads, failure)
            } else if !outcome.samples.isEmpty {
                rows.append(result.ours.peer(outcome))
            }
        }
        return rows
    }

    /// The peer, ready for the request; nil when it cannot be, which is told.
    private func prepared(_ index: Int, _ request: PeerRequest, _ units: [Int]) -> (Peer, String)? {
        guard failures[index, default: 0] < 3 else { return nil }
        do throws(PeerFailure) {
            let slot = Slot(program: index, threads: request.threads)
            let peer: Peer
            if let known = running[slot], known.isRunning {
                peer = known
            } else {
                peer = try Peer(programs[index], threads: request.threads, units: units)
                running[slot] = peer
            }
            switch try peer.prepare(request) {
            case .ready(let detail): return (peer, detail)
            case .unsupported(let why): tellOnce("\(peer.version) has no \(request.work.rawValue): \(why)")
            case .refused(let why): tell("\(peer.version), \(request.line): \(why); it is left out of this row")
            }
        } catch {
            failed(index, request.threads, error.description)
        }
        return nil
    }

    private func failed(_ index: Int, _ threads: Int, _ text: String) {
        running[Slot(program: index, threads: threads)]?.stop()
        running[Slot(program: index, threads: threads)] = nil
        failures[index, default: 0] += 1
        tell(text + (failures[index] == 3 ? "; given up after three failures" : ""))
    }

    private func tellOnce(_ text: String) {
        if told.insert(text).inserted { tell(text) }
    }

    /// The hardware threads that our workers are bound to: the peers get the same ones. Empty when one is not bound.
    static func units(_ pinning: [Pinning]) -> [Int] {
        let units = pinning.compactMap { outcome -> Int? in
            guard case .pinned(let text) = outcome else { return nil }
            return text.split(separator: " ").last.flatMap { Int($0) }
        }
        return units.count == pinning.count ? units : []
    }

    /// Ends every process.
    func stop() {
        running.values.forEach { $0.stop() }
        running = [:]
    }

    deinit { stop() }
}
