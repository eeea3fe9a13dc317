import AlambicKernels
import Foundation
import Synchronization

/// Set by Ctrl-C: what was measured until then is still written.
let interrupted = Atomic<Bool>(false)

/// Everything that the arguments ask for, as a list of measurements, and their execution.
struct BenchRun {
    /// One row to come: a variant of ours, or a peer that runs in this process.
    struct Item {
        let benchCase: BenchCase
        let shape: BenchShape
        let threads: Int
        /// Nil: the case's peer.
        let variant: Variant?
        /// Whether it is the first of its case, the one that kernels choose, which meets the peers.
        let isFirst: Bool
    }

    let arguments: BenchArguments
    let machine: Machine
    let items: [Item]
    /// What does not fit in memory, of the shapes that the user did not name.
    let leftOut: [String]

    /// - Parameter available: bytes that may be allocated; nil: what the machine says.
    init(
        _ arguments: BenchArguments, cases: [BenchCase], on machine: Machine, available: Int? = nil
    ) throws(BenchError) {
        try arguments.checkISA(cases)
        var items: [Item] = []
        var leftOut: [String] = []
        let counts = try arguments.workerCounts(on: machine)
        // The probes' buffers stay all the time.
        let probes = Self.limitCounts(counts, on: machine).count * Limits.bytes(on: machine)
        let room = max(0, (available ?? machine.availableMemory ?? .max) - probes)
        for benchCase in cases {
            let variants = arguments.variants(of: benchCase)
            for shape in arguments.shapes.shapes(of: benchCase) where benchCase.accepts?(shape) ?? true {
                if variants.isEmpty { continue }
                if let problem = Self.memoryProblem(benchCase, shape, room: room, on: machine) {
                    if case .list = arguments.shapes { throw BenchError.failed("\(problem); take smaller --shapes") }
                    leftOut.append(problem)
                    continue
                }
                for threads in counts {
                    for (index, variant) in variants.enumerated() {
                        items.append(
                            Item(
                                benchCase: benchCase, shape: shape, threads: threads, variant: variant,
                                isFirst: index == 0))
                    }
                    if benchCase.peer != nil && !variants.isEmpty && !arguments.peers {
                        items.append(
                            Item(benchCase: benchCase, shape: shape, threads: threads, variant: nil, isFirst: false))
                    }
                }
            }
        }
        guard !items.isEmpty else {
            if let problem = leftOut.first { throw BenchError.failed("nothing to run: \(problem)") }
            throw BenchError.usage("nothing to run: no selected case has such a variant or shape; see `bench --list`")
        }
        (self.arguments, self.machine, self.items, self.leftOut) = (arguments, machine, items, leftOut)
    }

    /// Why a shape cannot be measured, found before anything is allocated for it; nil when it fits.
    private static func memoryProblem(
        _ benchCase: BenchCase, _ shape: BenchShape, room: Int, on machine: Machine
    ) -> String? {
        let needed = benchCase.memoryNeeded(shape, on: machine)
        if let needed, needed <= room { return nil }
        return "\(benchCase.name) \(benchCase.dtype) \(shape) needs about "
            + "\(needed.map(Report.bytes) ?? "more than 2^63 bytes"), \(Report.bytes(room)) are free"
    }

    /// The worker counts whose limits are measured: those asked for, and one and all, which the machine line always holds.
    static func limitCounts(_ asked: [Int], on machine: Machine) -> [Int] {
        (asked + [1, machine.defaultWorkers]).withoutRepeats
    }

    /// The machine line and the rows.
    func measure(peers: PeerSet?) throws -> (MachineRecord, [Measurement]) {
        let progress = Progress(total: items.count)
        var limits: [Int: Limits] = [:]
        for threads in Self.limitCounts(items.map(\.threads), on: machine) {
            progress.note("measuring the limits of \(threads) thread\(threads == 1 ? "" : "s")")
            let limit = try Limits(threads: threads, machine: machine)
            try limit.measureAll()
            limits[threads] = limit
        }
        let harness = Harness(
            repetitions: arguments.repetitions, isInterrupted: { interrupted.load(ordering: .relaxed) })
        var rows: [Measurement] = []
        for item in items where !interrupted.load(ordering: .relaxed) {
            guard let limit = limits[item.threads] else { continue }
            let name = item.variant?.name ?? item.benchCase.peer?.name ?? ""
            progress.begin(
                "\(item.benchCase.name) \(item.benchCase.dtype) \(item.shape) \(name), \(item.threads) thr")
            rows += try measure(item, harness, limit, peers)
            progress.end()
        }
        progress.clear()
        let record = MachineRecord(
            machine, limits: limits.values.sorted { $0.threads < $1.threads }.map(\.record),
            threads: items.map(\.threads).max() ?? 1)
        return (record, rows)
    }

    private func measure(_ item: Item, _ harness: Harness, _ limit: Limits, _ peers: PeerSet?) throws -> [Measurement] {
        let benchCase = item.benchCase
        guard let variant = item.variant else {
            guard let peer = benchCase.peer else { return [] }
            var row = try harness.measure(
                peer.prepare(item.shape, item.threads), case: benchCase, shape: item.shape, variant: peer.name,
                isa: Measurement.peerISA, threads: item.threads, limits: limit)
            row.peer = true
            return [row]
        }
        let context = try machine.context(threads: item.threads, allowing: variant.needs)
        let workload = try benchCase.prepare(item.shape, context)
        func measure(_ harness: Harness) throws -> Measurement {
            try harness.measure(
                workload, case: benchCase, shape: item.shape, variant: variant.name, isa: "\(variant.needs)",
                threads: item.threads, limits: limit)
        }
        if let peers, item.isFirst,
            let turns = try peers.rows(
                case: benchCase.name, dtype: benchCase.dtype, shape: item.shape, context: context,
                isCold: benchCase.isCold, ours: { try measure(Harness(repetitions: $0)) })
        {
            return turns
        }
        return [try measure(harness)]
    }
}
