import AlambicKernels

/// A matrix of weights in bf16, packed for both products of training: x Wᵀ forward and g W backward.
///
/// Made of the f32 weights, and made anew when these change: by an optimizer in the same pass, or by `update`.
public final class WeightPanels: @unchecked Sendable {
    /// For x Wᵀ: [columns, rows].
    public let forward: PackedMatrix
    /// For g W: [rows, columns].
    public let backward: PackedMatrix
    /// Whether they are those of the parameter's value. An optimizer that packs as it goes leaves them so.
    public internal(set) var isCurrent = false

    /// Panels of zeros for a matrix of [rows, columns].
    public init(rows: Int, columns: Int, on context: Context) throws(KernelError) {
        forward = try PackedMatrix(empty: .bf16, N: rows, K: columns, on: context)
        backward = try PackedMatrix(empty: .bf16, N: columns, K: rows, on: context)
    }

    /// Bytes of both.
    public var bytes: Int { forward.bytes + backward.bytes }

    /// Packs weights of [rows, columns], rounded to bf16.
    public func update(from weights: Tensor, on context: Context) throws(KernelError) {
        try updatePacked(forward: forward, backward: backward, from: weights.span, on: context)
        isCurrent = true
    }
}
