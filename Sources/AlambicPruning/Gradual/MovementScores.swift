import AlambicKernels
import AlambicTensor
import Synchronization

/// One matrix on its way to a movement-pruned one: what the forward pass sees are the weights of the highest scores, and the
/// gradients of the scores are gathered on the way back. See ``MovementPruning``.
public final class MovementScores: WeightTransform, @unchecked Sendable {
    /// S, [outputs, inputs].
    public let scores: Tensor
    /// The share of weights that the mask hides, 0 to 1.
    public internal(set) var sparsity = 0.0
    /// Who moves the scores.
    weak var pruning: MovementPruning?
    /// W ⊙ M.
    private let masked: Tensor
    /// Σ ∂L/∂W' ⊙ W of the step at hand, where W' = W ⊙ M.
    private let moved: Tensor
    private var mask: Mask
    /// Taken by replicas that come back at the same time.
    private let lock = Mutex(())

    /// Scores of zero for a matrix of this shape, of which everything is seen.
    init(_ shape: Shape) throws(KernelError) {
        (scores, masked, moved) = (try Tensor(shape), try Tensor(shape), try Tensor(shape))
        mask = try Mask(rows: shape.rows, columns: shape.columns, keeps: [Bool](repeating: true, count: shape.count))
    }

    /// `movement` while a ``MovementPruning`` takes part in the training: then a checkpoint has the scores, and a resumed run
    /// gets them from there. Else a fingerprint of the scores and of how many weights they hide (FNV-1a).
    public var digest: String {
        if let pruning, pruning.isAttached { return "movement" }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ word: UInt64) { hash = (hash ^ word) &* 0x100_0000_01b3 }
        add(sparsity.bitPattern)
        let scores = scores
        let elements = scores.span
        for i in 0..<elements.count { add(UInt64(elements[i].bitPattern)) }
        return String(hash, radix: 16)
    }

    /// The weights of the highest scores; others are zero. A step that failed leaves nothing behind.
    public func effective(of parameter: Parameter, on context: Context) throws(KernelError) -> Tensor {
        moved.zero()
        mask = try currentMask()
        masked.copy(from: parameter.value)
        try mask.apply(to: masked, on: context)
        return masked
    }

    /// Gathers ∂L/∂S = ∂L/∂W' ⊙ W for all scores, as if the choice of the mask were the identity (straight-through), and
    /// makes the gradient that of W: ∂L/∂W' ⊙ M.
    public func pullBack(gradient: Tensor, of parameter: Parameter, on context: Context) throws(KernelError) {
        let (weights, moved) = (parameter.value, moved)
        lock.withLock { _ in
            let (w, g) = (weights.span, gradient.span)
            var sum = moved.mutableSpan
            for i in 0..<g.count { sum[i] += g[i] * w[i] }
        }
        try mask.apply(to: gradient, on: context)
    }

    /// S -= η ∂L/∂S, with the gradients gathered since the last step began.
    func step(rate: Float) {
        let (source, scores) = (moved, scores)
        let gradient = source.span
        var target = scores.mutableSpan
        for i in 0..<gradient.count { target[i] -= rate * gradient[i] }
        source.zero()
    }

    /// The mask of the highest scores: round(sparsity · weights) of them go; of equal scores those that come first.
    public func currentMask() throws(KernelError) -> Mask {
        let scores = scores
        let elements = scores.span
        let keys = (0..<elements.count).map { Self.key(elements[$0]) }
        let count = Int((sparsity * Double(keys.count)).rounded())
        return try Mask(
            rows: scores.rows, columns: scores.columns, keeps: Selection.smallest(count, of: keys).map { !$0 })
    }

    /// Integers in the order of floats of either sign.
    private static func key(_ value: Float) -> UInt32 {
        // The two zeros are one score.
        let bits = (value + 0).bitPattern
        return bits & 0x8000_0000 == 0 ? bits | 0x8000_0000 : ~bits
    }
}
