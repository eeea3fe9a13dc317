import AlambicKernels
import AlambicTensor
import AlambicTraining

/// Wanda (Sun, Liu, Bair and Kolter 2024, "A simple and effective pruning approach for large language models", equation 1):
/// pruning by weights *and* activations. A weight is worth
///
///     S_ij = |W_ij| · ||X_j||₂,
///
/// X_j being what input j of the layer was over all tokens read; of every output (row) the share asked for goes, those worth
/// least, or with N:M all but N of every M. Weights that stay do not change. Of equal ones those that come first go.
///
/// Limits: no blocks; the share is that of every row, rounded to whole weights. Only the diagonal of Σ xᵀ x is needed; the
/// whole is computed, since the pass is that of methods which need it.
public struct Wanda: CalibratedPruningMethod {
    /// The name by which the registry knows it.
    public static let name = "wanda"

    /// The method, which has no settings.
    public init() {}

    /// Refuses blocks.
    public func check(_ sparsity: Sparsity) throws(TrainingError) { try sparsity.checkHasNoBlocks(for: Self.name) }

    /// Zeroes what is worth least in each row.
    public func prune(
        _ weights: Tensor, inputs: Hessian, to sparsity: Sparsity, on context: Context
    ) throws(KernelError) -> CalibratedWeights {
        let (rows, columns) = (weights.rows, weights.columns)
        precondition(inputs.inputs == columns, "inputs of \(inputs.inputs) for weights \(weights.shape)")
        let norms = inputs.norms.map { Float($0) }
        guard norms.allSatisfy(\.isFinite) else {
            throw KernelError(.badArgument, "the inputs of a layer with \(columns) of them are not finite")
        }
        let result = try weights.copied()
        var elements = result.mutableSpan
        var keys = [UInt32](repeating: 0, count: columns)
        for row in 0..<rows {
            for j in 0..<columns { keys[j] = (elements[row * columns + j] * norms[j]).magnitude.bitPattern }
            let marks =
                switch sparsity {
                case .pattern(let kept, let group): Selection.smallest(group - kept, ofEach: group, in: keys)
                default: Selection.smallestOfFew(Int((sparsity.fraction * Double(columns)).rounded()), of: keys)
                }
            for j in 0..<columns where marks[j] { elements[row * columns + j] = 0 }
        }
        return CalibratedWeights(result)
    }
}

extension CalibratedPruningMethod where Self == Wanda {
    /// By weight times the norm of its input, row by row.
    public static var wanda: Wanda { Wanda() }
}

extension Sparsity {
    /// Throws for blocks, which not every method has.
    func checkHasNoBlocks(for method: String) throws(TrainingError) {
        try validate()
        guard case .blocks = self else { return }
        throw .badSetting(
            "\(method) removes a share such as 0.5 or a pattern such as 2:4, and no blocks: use magnitude")
    }
}

extension Selection {
    /// Marks the `count` smallest keys, by sorting: for rows, which are far shorter than the 65,536 counters of
    /// ``smallest(_:of:)``.
    static func smallestOfFew(_ count: Int, of keys: [UInt32]) -> [Bool] {
        precondition(count >= 0 && count <= keys.count, "removing \(count) of \(keys.count) weights")
        var marks = [Bool](repeating: false, count: keys.count)
        // The place is in the lower half: of equal keys the first is the smaller.
        let order = keys.indices.map { UInt64(keys[$0]) << 32 | UInt64($0) }.sorted()
        for entry in order.prefix(count) { marks[Int(entry & 0xFFFF_FFFF)] = true }
        return marks
    }
}
