import AlambicKernels

/// What is learned beside a frozen matrix W of [outputs, inputs] (Hu et al., LoRA: Low-Rank Adaptation of Large Language
/// Models, 2021): the layer multiplies with W + s B A, A of [rank, inputs] and B of [outputs, rank].
public struct Adapter: Sendable {
    /// A: from the inputs down to the rank.
    public let down: ParameterID
    /// B: from the rank up to the outputs.
    public let up: ParameterID
    /// Columns of B, rows of A.
    public let rank: Int
    /// s, which multiplies B A.
    public let scale: Float
    /// Dropout rate of what A reads, while training.
    public let dropout: Float
    /// s once for each column of the product with A, as epilogues want it.
    let scales: Tensor

    /// An adapter of two parameters of the same walk.
    public init(
        down: ParameterID, up: ParameterID, rank: Int, scale: Float, dropout: Float = 0
    ) throws(KernelError) {
        precondition(rank > 0 && dropout >= 0 && dropout < 1, "an adapter of rank \(rank) with dropout \(dropout)")
        self.down = down
        self.up = up
        self.rank = rank
        self.scale = scale
        self.dropout = dropout
        scales = try Tensor([rank], [Float](repeating: scale, count: rank))
    }
}

extension Adapter {
    /// W + s B A as floats, in new memory.
    ///
    /// - Parameter parameters: the walk that the adapter's parameters are in.
    public func merged(
        into weight: FrozenWeight, of parameters: [Parameter], on context: Context
    ) throws(KernelError) -> Tensor {
        let a = parameters[down.index].value
        let b = try parameters[up.index].value.copied()
        let merged = try Tensor(weight.shape)
        if case .f32(let tensor) = weight {
            merged.copy(from: tensor)
        } else {
            try weight.widen(into: merged, on: context)
        }
        try AlambicKernels.scale(by: scale, into: b.mutableSpan, on: context)
        try matmul(
            M: merged.rows, N: merged.columns, K: rank, b.span, .asIs, a.span, .asIs, into: merged.mutableSpan,
            store: .accumulate, on: context)
        return merged
    }
}
