/// How Sandblaster's coordinator deals the pieces of a batch to workers.
public enum PieceDealing: String, Sendable, Hashable, Codable, CaseIterable {
    /// An equal share for each worker from the start: the slowest one decides.
    case shares
    /// The next piece to whoever is idle, so that fast workers do more.
    case onDemand = "on-demand"
    /// The same, and at the end copies of the slowest pieces to whoever is idle: the first result wins (Dean et al. 2012,
    /// section 4.2, after the backup tasks of MapReduce). A piece is slow when it has taken 1.5 times as long as those that
    /// are done on average: copies of others would keep workers from the next batch.
    case backups
}

/// Who computes which piece of one batch: the coordinator's book. Times are the caller's, in seconds.
struct PieceBoard {
    /// How many times the mean a piece may take before somebody else gets a copy.
    static let patience = 1.5

    let pieces: Int
    let dealing: PieceDealing
    private let workers: Int
    private var waiting: [Int]
    /// For each piece, who is computing it since when, in the order of their starts.
    private var holders: [[(worker: Int, since: Double)]]
    private var isDone: [Bool]
    /// For each piece, whose results were refused.
    private var barred: [Set<Int>]
    private var started: [Int] = []
    private var seconds = 0.0
    private(set) var remaining: Int
    /// Copies given out beside a first one.
    private(set) var copies = 0

    init(pieces: Int, workers: Int, dealing: PieceDealing) {
        precondition(pieces > 0 && workers > 0, "\(pieces) pieces for \(workers) workers")
        self.pieces = pieces
        self.workers = workers
        self.dealing = dealing
        waiting = Array((0..<pieces).reversed())
        holders = [[(worker: Int, since: Double)]](repeating: [], count: pieces)
        isDone = [Bool](repeating: false, count: pieces)
        barred = [Set<Int>](repeating: [], count: pieces)
        remaining = pieces
    }

    var isFinished: Bool { remaining == 0 }

    /// The piece that an idle worker is to compute, nil when there is none for it now.
    ///
    /// - Parameter alive: who has not died: the shares of the dead go to the others.
    mutating func next(for worker: Int, alive: Set<Int>, at time: Double) -> Int? {
        if let place = waiting.lastIndex(where: { mayStart($0, worker, alive) }) {
            let piece = waiting.remove(at: place)
            holders[piece] = [(worker, time)]
            started.append(piece)
            return piece
        }
        guard let (piece, due) = nextCopy(for: worker), due <= time else { return nil }
        holders[piece].append((worker, time))
        copies += 1
        return piece
    }

    /// When there will be a copy for an idle worker, if nothing else happens; nil for never.
    func copyTime(for worker: Int) -> Double? { nextCopy(for: worker)?.due }

    /// The piece that is slow first, counted from when it was last given out.
    private func nextCopy(for worker: Int) -> (piece: Int, due: Double)? {
        let done = pieces - remaining
        guard dealing == .backups, waiting.isEmpty, done > 0 else { return nil }
        let limit = Self.patience * seconds / Double(done)
        var first: (piece: Int, due: Double)?
        for piece in started where !isDone[piece] && !barred[piece].contains(worker) {
            guard let last = holders[piece].last, !holders[piece].contains(where: { $0.worker == worker }) else {
                continue
            }
            if first.map({ last.since + limit < $0.due }) ?? true { first = (piece, last.since + limit) }
        }
        return first
    }

    /// Takes a result. Returns whether it is the piece's first.
    mutating func finish(_ piece: Int, by worker: Int, at time: Double) -> Bool {
        let since = holders[piece].first { $0.worker == worker }?.since
        holders[piece].removeAll { $0.worker == worker }
        guard !isDone[piece] else { return false }
        isDone[piece] = true
        remaining -= 1
        seconds += time - (since ?? time)
        waiting.removeAll { $0 == piece }
        return true
    }

    /// Takes back a piece that a worker could not do.
    mutating func release(_ piece: Int, by worker: Int) {
        holders[piece].removeAll { $0.worker == worker }
        if !isDone[piece], holders[piece].isEmpty {
            started.removeAll { $0 == piece }
            waiting.append(piece)
        }
    }

    /// Takes back a piece whose result is not finite: it goes to somebody else.
    mutating func refuse(_ piece: Int, by worker: Int) {
        guard !isDone[piece] else { return }
        barred[piece].insert(worker)
        release(piece, by: worker)
    }

    /// Whether a piece has been refused of two workers, or of all who are left: then it is the weights that are bad.
    func isHopeless(alive: Set<Int>) -> Bool {
        barred.indices.contains { piece in
            !isDone[piece] && !barred[piece].isEmpty
                && (barred[piece].count > 1 || alive.isSubset(of: barred[piece]))
        }
    }

    private func mayStart(_ piece: Int, _ worker: Int, _ alive: Set<Int>) -> Bool {
        guard !barred[piece].contains(worker) else { return false }
        guard dealing == .shares else { return true }
        let owner = piece * workers / pieces
        return owner == worker || !alive.contains(owner) || barred[piece].contains(owner)
    }
}
