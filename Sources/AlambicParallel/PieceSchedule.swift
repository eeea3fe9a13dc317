/// The time that a batch takes on a simulated cluster, dealt out piece by piece. Carries over from batch to batch: who
/// computes a piece that somebody else was faster with does so to the end, and joins the next batch late.
///
/// Of a batch the clock knows: weights come once to each worker (the shards' links send to one after another), a piece
/// takes ``pieceSeconds`` over the worker's speed, and a worker sends the sum of its pieces in the background, the last one
/// counts. Deaths are known at once.
public struct PieceSchedule: Sendable {
    /// What one batch took.
    public struct Batch: Sendable, Hashable, Codable {
        /// From weights to the sum of all gradients.
        public var seconds: Double
        /// Pieces that were computed by each worker, copies included.
        public var computed: [Int]
        /// Copies given out beside a first one.
        public var copies: Int
    }

    private enum Event {
        case ready(Int)
        case idle(Int)
        case done(Int, piece: Int, batch: Int)
    }

    private let cluster: Cluster
    let pieces: Int
    private let pieceSeconds: Double
    private let bytes: Int
    private let dealing: PieceDealing
    private let faults: [Int: Fault]
    private var queue = EventQueue<Event>()
    private var alive: Set<Int>
    private var isBusy: [Bool]
    /// Who has the weights of this batch.
    private var isReady: [Bool]
    private var steps: [Int]
    private var batch = 0
    /// What became of workers.
    public private(set) var events: [WorkerEvent] = []

    /// - Parameters:
    ///   - pieceSeconds: what one piece takes at speed 1.
    ///   - bytes: of all weights.
    public init(
        on cluster: Cluster, pieces: Int, pieceSeconds: Double, bytes: Int, dealing: PieceDealing,
        faults: [Int: Fault] = [:]
    ) {
        precondition(pieces > 0 && pieceSeconds > 0, "\(pieces) pieces of \(pieceSeconds) s")
        self.cluster = cluster
        self.pieces = pieces
        self.pieceSeconds = pieceSeconds
        self.bytes = bytes
        self.dealing = dealing
        self.faults = faults
        let workers = cluster.workers.count
        alive = Set(0..<workers)
        isBusy = [Bool](repeating: false, count: workers)
        isReady = isBusy
        steps = [Int](repeating: 0, count: workers)
    }

    /// Seconds since the start.
    public var seconds: Double { queue.now }

    /// The next batch.
    public mutating func run() throws(ParallelError) -> Batch {
        let start = queue.now
        batch += 1
        var board = PieceBoard(pieces: pieces, workers: steps.count, dealing: dealing)
        var computed = [Int](repeating: 0, count: steps.count)
        for worker in isReady.indices { isReady[worker] = false }
        for (place, worker) in alive.sorted().enumerated() where !isBusy[worker] {
            queue.plan(.ready(worker), at: start + cluster.latency + transfer + Double(place) * serverTransfer)
        }
        while !board.isFinished {
            guard !alive.isEmpty, let event = queue.next() else {
                throw .noWorkersLeft(of: steps.count, afterGradients: pieces - board.remaining, last: events.last)
            }
            switch event {
            case .ready(let worker):
                isReady[worker] = true
                deal(worker, &board)
            case .idle(let worker): deal(worker, &board)
            case .done(let worker, let piece, let from):
                isBusy[worker] = false
                if from == batch {
                    computed[worker] += 1
                    receive(piece, from: worker, &board)
                }
                // A late comer has the weights of an old batch.
                if from == batch { deal(worker, &board); continue }
                queue.plan(.ready(worker), at: queue.now + 2 * cluster.latency + transfer)
            }
        }
        drop(after: queue.now + cluster.latency + transfer)
        return Batch(seconds: queue.now - start, computed: computed, copies: board.copies)
    }

    private mutating func deal(_ worker: Int, _ board: inout PieceBoard) {
        guard alive.contains(worker), isReady[worker], !isBusy[worker] else { return }
        let fault = faults[worker] ?? .none
        if let step = fault.diesAtStep, steps[worker] >= step {
            alive.remove(worker)
            events.append(.died(worker: worker, step: steps[worker]))
            // What was its share may be somebody else's now.
            return ask()
        }
        guard let piece = board.next(for: worker, alive: alive, at: queue.now) else {
            if let due = board.copyTime(for: worker), due > queue.now { queue.plan(.idle(worker), at: due) }
            return
        }
        isBusy[worker] = true
        steps[worker] += 1
        let seconds = pieceSeconds * fault.slowness / cluster.workers[worker].speed
        queue.plan(.done(worker, piece: piece, batch: batch), at: queue.now + seconds)
    }

    private mutating func receive(_ piece: Int, from worker: Int, _ board: inout PieceBoard) {
        let step = steps[worker] - 1
        guard faults[worker]?.sendsNaNAtStep == step else {
            _ = board.finish(piece, by: worker, at: queue.now)
            return ask()
        }
        events.append(.refused(worker: worker, step: step))
        board.refuse(piece, by: worker)
        ask()
    }

    private mutating func ask() {
        for other in alive.sorted() where isReady[other] && !isBusy[other] { queue.plan(.idle(other), at: queue.now) }
    }

    /// The batch is over at `time`; who still computes goes on, who is idle is asked again in the next batch.
    private mutating func drop(after time: Double) {
        var rest: [(Event, Double)] = []
        while let event = queue.next() {
            if case .done = event { rest.append((event, queue.now)) }
        }
        var next = EventQueue<Event>(from: time)
        for (event, at) in rest { next.plan(event, at: max(at, time)) }
        queue = next
    }

    /// Seconds that all weights take over one link, and over those of all servers.
    private var transfer: Double { Double(bytes) / cluster.bandwidth }
    private var serverTransfer: Double { transfer / Double(cluster.parameterServers) }
}
