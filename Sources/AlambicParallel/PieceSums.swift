import AlambicKernels
import AlambicTensor

/// Loss and gradient of a whole batch, from those of its pieces in any order. Memory is used again from batch to batch.
struct PieceSums {
    private var tree: TreeSum<(loss: Double, gradients: GradientSet)>
    private var idle: [GradientSet] = []
    private let shapes: [Shape]
    private let pieces: Int

    init(pieces: Int, of parameters: [Parameter]) {
        self.pieces = pieces
        shapes = parameters.map(\.gradientShape)
        tree = TreeSum(count: pieces)
    }

    /// Empty sums like others, with the memory that those are done with.
    init(continuing other: PieceSums) {
        (shapes, pieces, idle) = (other.shapes, other.pieces, other.idle)
        tree = TreeSum(count: pieces)
    }

    /// Memory for the gradient of one piece.
    mutating func space() throws(KernelError) -> GradientSet {
        if let space = idle.popLast() { return space }
        return try GradientSet(shapes: shapes)
    }

    /// Gives memory back.
    mutating func release(_ space: GradientSet) { idle.append(space) }

    /// Adds a piece's part, whose memory was got from ``space()`` and is the sums' now.
    mutating func add(
        _ loss: Double, _ gradients: GradientSet, of piece: Int, on context: Context
    ) throws(KernelError) {
        var free: [GradientSet] = []
        try tree.add((loss, gradients), at: piece) { left, right throws(KernelError) in
            try left.gradients.accumulate(right.gradients, on: context)
            free.append(right.gradients)
            return (left.loss + right.loss, left.gradients)
        }
        idle += free
    }

    /// The whole, once all pieces are there; the sums are empty then. Its memory is to be released.
    mutating func take() -> (loss: Double, gradients: GradientSet)? {
        guard let total = tree.total else { return nil }
        tree = TreeSum(count: pieces)
        return total
    }
}
