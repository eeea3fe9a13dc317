import CKernels

extension Kernels {
    /// Implementations of the layer norm, the RMS norm and their backward passes.
    public static let norm = Variant.list(ck_norm_variants)
}

/// Layer normalization of each row (Ba, Kiros and Hinton 2016, equation 4):
/// y[i,j] = gain[j] (x[i,j] - mean[i]) inverseDeviation[i] + bias[j].
///
/// `x` and `y` are `rows` x `columns`; `gain` and `bias` have `columns` elements. mean[i] is that of row i and
/// inverseDeviation[i] = 1 / sqrt(variance of row i + epsilon): `rows` elements each, which the backward pass needs.
public func layerNorm<E: FloatElement>(
    _ x: Span<Float>, gain: Span<Float>, bias: Span<Float>, epsilon: Float, rows: Int, columns: Int,
    into y: consuming MutableSpan<E>, mean: consuming MutableSpan<Float>,
    inverseDeviation: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(mean.count, rows, "layerNorm: mean")
    requireElements(inverseDeviation.count, rows, "layerNorm: inverseDeviation")
    try layerNorm(x, gain, bias, epsilon, rows, columns, y, mean.base, inverseDeviation.base, on: context)
}

/// Layer normalization of each row, as above, where no backward pass follows.
public func layerNorm<E: FloatElement>(
    _ x: Span<Float>, gain: Span<Float>, bias: Span<Float>, epsilon: Float, rows: Int, columns: Int,
    into y: consuming MutableSpan<E>, on context: Context
) throws(KernelError) {
    try layerNorm(x, gain, bias, epsilon, rows, columns, y, nil, nil, on: context)
}

private func layerNorm<E: FloatElement>(
    _ x: Span<Float>, _ gain: Span<Float>, _ bias: Span<Float>, _ epsilon: Float, _ rows: Int, _ columns: Int,
    _ y: consuming MutableSpan<E>, _ mean: UnsafeMutablePointer<Float>?,
    _ inverseDeviation: UnsafeMutablePointer<Float>?, on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: rows, columns: columns, "layerNorm: x")
    requireElements(y.count, rows: rows, columns: columns, "layerNorm: y")
    requireElements(gain.count, columns, "layerNorm: gain")
    requireElements(bias.count, columns, "layerNorm: bias")
    try check(
        ck_layernorm(
            context.handle, rows, columns, epsilon, x.base, gain.base, bias.base, y.base, E.code, mean,
            inverseDeviation),
        "layerNorm of \(rows) rows x \(columns) columns, epsilon \(epsilon)")
}

/// The gradients of a layer norm, in one pass over memory. `mean` and `inverseDeviation` are those of the forward pass on
/// `x`.
///
/// With n = (x - mean) inverseDeviation, g[i,j] = dy[i,j] gain[j] and averages over a row:
/// dx[i,j] = inverseDeviation[i] (g[i,j] - avg(g[i]) - n[i,j] avg(g[i] n[i])) + residual[i,j], replaced;
/// dGain[j] = Σᵢ dy[i,j] n[i,j] and dBias[j] = Σᵢ dy[i,j], in fixed chunks of rows and a tree over them.
///
/// - Parameters:
///   - residual: the gradient that goes around the norm, `rows` x `columns`, which is added to dx; nil for none. It may be
///     the same memory as `dx`.
///   - copy: receives dx rounded to bf16 (nearest, ties to even), as its bits; nil for no copy. It may be the same memory as a `dy` in
///     bf16.
///   - store: whether dGain and dBias replace what is there, or are added to it.
public func layerNormBackward<E: FloatElement>(
    _ dy: Span<E>, _ x: Span<Float>, gain: Span<Float>, mean: Span<Float>, inverseDeviation: Span<Float>,
    residual: Span<Float>? = nil, rows: Int, columns: Int, into dx: consuming MutableSpan<Float>,
    copy: consuming MutableSpan<UInt16>? = nil, dGain: consuming MutableSpan<Float>,
    dBias: consuming MutableSpan<Float>, store: Store = .accumulate, on context: Context
) throws(KernelError) {
    requireElements(dy.count, rows: rows, columns: columns, "layerNormBackward: dy")
    requireElements(x.count, rows: rows, columns: columns, "layerNormBackward: x")
    requireElements(dx.count, rows: rows, columns: columns, "layerNormBackward: dx")
    requireElements(residual?.count ?? dx.count, dx.count, "layerNormBackward: residual")
    requireElements(gain.count, columns, "layerNormBackward: gain")
    requireElements(dGain.count, columns, "layerNormBackward: dGain")
    requireElements(dBias.count, columns, "layerNormBackward: dBias")
    requireElements(mean.count, rows, "layerNormBackward: mean")
    requireElements(inverseDeviation.count, rows, "layerNormBackward: inverseDeviation")
    var halves: UnsafeMutablePointer<UInt16>?
    if var copy {
        requireElements(copy.count, dx.count, "layerNormBackward: copy")
        halves = copy.base
    }
    try check(
        ck_layernorm_backward(
            context.handle, rows, columns, dy.base, E.code, x.base, gain.base, mean.base, inverseDeviation.base,
            base(residual), dx.base, halves, dGain.base, dBias.base, store.value),
        "layerNormBackward of \(rows) rows x \(columns) columns")
}
