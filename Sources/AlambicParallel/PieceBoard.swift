/// How Sandblaster's coordinator deals the pieces of a batch to workers.
public enum PieceDealing: String, Sendable, Hashable, Codable, CaseIterable {
    /// An equal share for each worker from the start: the slowest one decides.
    case shares
    /// The next piece to whoever is idle, so that fast workers do more.
    case onDemand = "on-demand"
    /// The same, and at the end copies of the slowest pieces to whoever is idle: the first result wins (Dean et al. 2012,
    /// section 4.2, after the backup tasks of MapReduce).
    case backups
}

/// Who computes which piece of one batch: the coordinator's book, without any clock or thread.
struct PieceBoard {
    let pieces: Int
    let dealing: PieceDealing
    private let workers: Int
    private var waiting: [Int]
    /// For each piece, who is computing it, in the order of their starts.
    private var holders: [[Int]]
    private var isDone: [Bool]
    /// For each piece, whose results were refused.
    private var barred: [Set<Int>]
    private var started: [Int] = []
    private(set) var remaining: Int
    /// Copies given out beside a first one.
    private(set) var copies = 0

    init(pieces: Int, workers: Int, dealing: PieceDealing) {
        precondition(pieces > 0 && workers > 0, "\(pieces) pieces for \(workers) workers")
        self.pieces = pieces
        self.workers = workers
        self.dealing = dealing
        waiting = Array((0..<pieces).reversed())
        holders = [[Int]](repeating: [], count: pieces)
        isDone = [Bool](repeating: false, count: pieces)
        barred = [Set<Int>](repeating: [], count: pieces)
        remaining = pieces
    }

    var isFinished: Bool { remaining == 0 }

    /// The piece that an idle worker is to compute, nil when there is none for it now.
    ///
    /// - Parameter alive: who has not died: the shares of the dead go to the others.
    mutating func next(for worker: Int, alive: Set<Int>) -> Int? {
        if let place = waiting.lastIndex(where: { mayStart($0, worker, alive) }) {
            let piece = waiting.remove(at: place)
            holders[piece] = [worker]
            started.append(piece)
            return piece
        }
        guard dealing == .backups, waiting.isEmpty else { return nil }
        // Of those with the fewest copies, the one that was started first.
        var slowest: Int?
        for piece in started where !isDone[piece] && !holders[piece].contains(worker) {
            if barred[piece].contains(worker) { continue }
            if slowest.map({ holders[piece].count < holders[$0].count }) ?? true { slowest = piece }
        }
        guard let slowest else { return nil }
        holders[slowest].append(worker)
        copies += 1
        return slowest
    }

    /// Takes a result. Returns whether it is the piece's first.
    mutating func finish(_ piece: Int, by worker: Int) -> Bool {
        holders[piece].removeAll { $0 == worker }
        guard !isDone[piece] else { return false }
        isDone[piece] = true
        remaining -= 1
        waiting.removeAll { $0 == piece }
        return true
    }

    /// Takes back a piece that a worker could not do.
    mutating func release(_ piece: Int, by worker: Int) {
        holders[piece].removeAll { $0 == worker }
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
