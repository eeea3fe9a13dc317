import AlambicKernels
import AlambicTensor

/// Removes the weights of smallest magnitude, matrix by matrix (Han, Pool, Tran and Dally 2015, "Learning both weights
/// and connections", section 3: "all connections with weights below a threshold are removed from the network").
///
/// The threshold of a matrix is the one that removes the share asked for, to the weight; of equal magnitudes those that
/// come first go first. With N:M the smallest of every M go. Blocks go by the mean of their squares: what removing a set of
/// weights adds to the squared error of the outputs, for inputs that are uncorrelated and of equal size, is the sum of its
/// squares, which the sum of magnitudes is not; and by the mean, so that the smaller blocks at an edge compete weight for
/// weight.
public struct Magnitude: PruningMethod {
    /// The name by which the registry knows it.
    public static let name = "magnitude"

    /// At its default settings.
    public init() {}

    /// Keeps the weights of largest magnitude.
    public func mask(of weights: Tensor, to sparsity: Sparsity, after earlier: Mask?) throws(KernelError) -> Mask {
        let (rows, columns) = (weights.rows, weights.columns)
        let keys = Self.keys(of: weights, after: earlier)
        let gone = rows * columns - (earlier?.kept ?? rows * columns)
        switch sparsity {
        case .unstructured(let share):
            let removed = max(Int((share * Double(keys.count)).rounded()), gone)
            return try Self.mask(rows, columns, keys, without: Selection.smallest(removed, of: keys))
        case .pattern(let kept, let group):
            precondition(columns.isMultiple(of: group), "\(kept):\(group) of [\(rows), \(columns)] weights")
            return try Self.mask(
                rows, columns, keys, without: Selection.smallest(group - kept, ofEach: group, in: keys))
        case .blocks(let share, let inputs):
            let blocks = WeightBlocks(rows: rows, columns: columns, inputs: inputs)
            let scores = blocks.keys(of: weights, where: keys)
            let removed = max(Int((share * Double(blocks.count)).rounded()), scores.count { $0 == 0 })
            let marks = Selection.smallest(removed, of: scores)
            return try Self.mask(rows, columns, keys, without: blocks.spread(marks))
        }
    }

    /// Keeps all but `removed` weights, those that were removed earlier included.
    public func mask(of weights: Tensor, removing removed: Int, after earlier: Mask?) throws(KernelError) -> Mask {
        let keys = Self.keys(of: weights, after: earlier)
        return try Self.mask(weights.rows, weights.columns, keys, without: Selection.smallest(removed, of: keys))
    }

    /// Integers in the order of the magnitudes: bits of floats without the sign are ordered so. What is gone already is 0,
    /// and comes before all that is there.
    static func keys(of weights: Tensor, after earlier: Mask?) -> [UInt32] {
        let values = weights.span
        var keys = [UInt32](repeating: 0, count: weights.count)
        guard let earlier else {
            for index in keys.indices { keys[index] = (values[index].bitPattern & 0x7FFF_FFFF) + 1 }
            return keys
        }
        precondition(
            earlier.rows == weights.rows && earlier.columns == weights.columns,
            "an earlier mask of [\(earlier.rows), \(earlier.columns)] for weights of \(weights.shape)")
        earlier.forEachKept { index in keys[index] = (values[index].bitPattern & 0x7FFF_FFFF) + 1 }
        return keys
    }

    /// What is neither marked nor gone already.
    private static func mask(
        _ rows: Int, _ columns: Int, _ keys: [UInt32], without marks: [Bool]
    ) throws(KernelError) -> Mask {
        var keeps = marks
        for index in keeps.indices { keeps[index] = !marks[index] && keys[index] != 0 }
        return try Mask(rows: rows, columns: columns, keeps: keeps)
    }
}

extension PruningMethod where Self == Magnitude {
    /// By magnitude within each matrix.
    public static var magnitude: Magnitude { Magnitude() }
}
