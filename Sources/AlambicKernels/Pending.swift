public func layerNorm(
    _ x: Span<Float>, gain: Span<Float>, bias: Span<Float>, epsilon: Float, rows: Int, columns: Int,
    into y: consuming MutableSpan<UInt16>, mean: consuming MutableSpan<Float>,
    inverseDeviation: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) { preconditionFailure() }
public func gelu(_ x: Span<UInt16>, form: GELUForm = .tanh, into y: consuming MutableSpan<UInt16>, on context: Context) throws(KernelError) { preconditionFailure() }
public func geluBackward(_ dy: Span<UInt16>, _ x: Span<UInt16>, form: GELUForm = .tanh, into y: consuming MutableSpan<UInt16>, on context: Context) throws(KernelError) { preconditionFailure() }
public func dropout(
    _ x: Span<Float>, rate: Float, seed: UInt64, stream: UInt64, firstElement: UInt64 = 0,
    into y: consuming MutableSpan<UInt16>, on context: Context
) throws(KernelError) { preconditionFailure() }
public func columnSum(
    _ x: Span<Float>, rows: Int, columns: Int, into y: consuming MutableSpan<Float>, store: Store, on context: Context
) throws(KernelError) {
    if store == .replace { for i in 0..<y.count { y[i] = 0 } }
    try columnSum(x, rows: rows, columns: columns, into: y, on: context)
}
public func columnSum(
    _ x: Span<UInt16>, rows: Int, columns: Int, into y: consuming MutableSpan<Float>, store: Store, on context: Context
) throws(KernelError) { preconditionFailure() }
public func causalAttention(
    qkv: Span<UInt16>, batch: Int, length: Int, heads: Int, headWidth: Int, into output: consuming MutableSpan<UInt16>,
    logSumExp: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) { preconditionFailure() }
public func causalAttentionBackward(
    dOutput: Span<UInt16>, qkv: Span<UInt16>, output: Span<UInt16>, logSumExp: Span<Float>, batch: Int, length: Int,
    heads: Int, headWidth: Int, into dQKV: consuming MutableSpan<UInt16>, on context: Context
) throws(KernelError) { preconditionFailure() }
public func crossEntropy(
    _ logits: consuming MutableSpan<UInt16>, targets: Span<Int32>, rows: Int, vocabulary: Int, gradientScale: Float,
    losses: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) { preconditionFailure() }
extension PackedMatrix {
    public convenience init(empty product: Product, N: Int, K: Int, on context: Context) throws(KernelError) { preconditionFailure() }
}
public func updatePanels(forward: PackedMatrix, backward: PackedMatrix, from: Span<Float>, on context: Context) throws(KernelError) { preconditionFailure() }
