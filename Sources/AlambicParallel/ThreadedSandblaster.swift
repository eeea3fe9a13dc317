import AlambicKernels
import AlambicTensor
import Foundation

/// Sandblaster's batch gradient (Dean et al. 2012, section 4.2) with a thread for each worker: a coordinator, which holds
/// no data, hands pieces of the batch to whoever is idle.
///
/// The pieces are those of the replicas (see ``ClassifierPieces``), and are summed over a fixed tree: the result has the
/// same bits for any number of workers, whoever was slow or died, and whichever copy of a piece came first. A result that
/// is not finite is refused once and the piece given to somebody else; when that agrees, the batch's loss is NaN.
public final class ThreadedSandblaster: BatchGradient {
    private let coordinator: Coordinator
    private var result: GradientSet?

    /// Workers for these replicas, started at once, idle until there is work. `faults[i]` goes wrong with worker i, counted
    /// in pieces.
    public init(
        replicas: [any GradientReplica], pieces: Int, dealing: PieceDealing = .backups, faults: [Int: Fault] = [:]
    ) throws(ParallelError) {
        precondition(!replicas.isEmpty, "no replicas")
        coordinator = Coordinator(replicas, pieces: pieces, dealing: dealing)
        for (number, replica) in replicas.enumerated() {
            let own = coordinator
            let fault = faults[number] ?? .none
            let thread = Thread { PieceWorker(number, replica, fault: fault, of: own).run() }
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    deinit { coordinator.stop() }

    /// What became of workers so far.
    public var events: [WorkerEvent] { coordinator.locked { $0.events } }
    /// Pieces given out a second time so far, in the hope of a faster worker.
    public var copies: Int { coordinator.locked { $0.copies + ($0.board?.copies ?? 0) } }

    /// Loss and gradient of the whole batch.
    public func evaluate(at weights: [Parameter]) throws(ParallelError) -> (loss: Double, gradients: GradientSet) {
        if let result { coordinator.locked { $0.sums.release(result) } }
        result = nil
        let whole = try coordinator.evaluate(at: weights)
        result = whole.gradients
        return whole
    }
}

/// What the coordinator's thread and the workers share. Everything in `state` is read and written under the lock alone.
final class Coordinator: @unchecked Sendable {
    struct State {
        var board: PieceBoard?
        var sums: PieceSums
        /// The batch's number and weights, for workers to copy.
        var batch = 0
        var weights: [Parameter] = []
        var alive: Set<Int>
        var events: [WorkerEvent] = []
        var copies = 0
        var isStopped = false
    }

    private let condition = NSCondition()
    private var state: State
    private let pieces: Int
    private let dealing: PieceDealing
    private let workers: Int
    private let start = ContinuousClock.now

    init(_ replicas: [any GradientReplica], pieces: Int, dealing: PieceDealing) {
        self.pieces = pieces
        self.dealing = dealing
        workers = replicas.count
        state = State(
            sums: PieceSums(pieces: pieces, of: replicas[0].parameters), alive: Set(replicas.indices))
    }

    /// Seconds since the start.
    var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

    /// Reads or writes the state.
    func locked<Result>(_ body: (inout State) -> Result) -> Result {
        condition.lock()
        defer { condition.unlock() }
        return body(&state)
    }

    /// The same, and wakes whoever waits for a change.
    func changing<Result, Failure: Error>(_ body: (inout State) throws(Failure) -> Result) throws(Failure) -> Result {
        condition.lock()
        defer {
            condition.broadcast()
            condition.unlock()
        }
        return try body(&state)
    }

    func stop() { changing { $0.isStopped = true } }

    /// Waits for work for a worker; nil when there is to be no more. Copies weights if the worker's are of another batch.
    func next(for worker: Int, known batch: inout Int, into replica: any GradientReplica) -> Int? {
        condition.lock()
        defer { condition.unlock() }
        while !state.isStopped {
            let alive = state.alive
            if let piece = state.board?.next(for: worker, alive: alive, at: seconds) {
                if batch != state.batch { replica.copyWeights(from: state.weights) }
                batch = state.batch
                return piece
            }
            // Woken by whatever changes, or when somebody has become slow.
            if let due = state.board?.copyTime(for: worker) {
                _ = condition.wait(until: Date(timeIntervalSinceNow: max(due - seconds, 0)))
            } else {
                condition.wait()
            }
        }
        return nil
    }

    func evaluate(at weights: [Parameter]) throws(ParallelError) -> (loss: Double, gradients: GradientSet) {
        // Late workers may still be reading the weights of the batch before: those never change.
        let weights = try kernels { () throws(KernelError) in try copies(of: weights) }
        condition.lock()
        defer { condition.unlock() }
        state.batch += 1
        state.weights = weights
        state.sums = PieceSums(continuing: state.sums)
        state.board = PieceBoard(pieces: pieces, workers: workers, dealing: dealing)
        condition.broadcast()
        while let board = state.board, !board.isFinished {
            guard !state.alive.isEmpty else {
                throw .noWorkersLeft(
                    of: workers, afterGradients: pieces - board.remaining, last: state.events.last)
            }
            if board.isHopeless(alive: state.alive) { break }
            condition.wait()
        }
        state.copies += state.board?.copies ?? 0
        state.board = nil
        if let whole = state.sums.take() { return whole }
        return (.nan, try kernels { () throws(KernelError) in try state.sums.space() })
    }
}
