import CKernels

extension Kernels {
    /// Implementations of the layer norm and its backward pass.
    public static let norm = Variant.list(ck_norm_variants)
}

/// Layer normalization of each row (Ba, Kiros and Hinton 2016, equation 4):
/// y[i,j] = gain[j] (x[i,j] - mean[i]) inverseDeviation[i] + bias[j].
///
/// `x` and `y` are `rows` x `columns`; `gain` and `bias` have `columns` elements. mean[i] is that of row i and
/// inverseDeviation[i] = 1 / sqrt(variance of row i + epsilon): `rows` elements each, which the backward pass needs.
public func layerNorm(
    _ x: Span<Float>, gain: Span<Float>, bias: Span<Float>, epsilon: Float, rows: Int, columns: Int,
    into y: consuming MutableSpan<Float>, mean: consuming MutableSpan<Float>,
    inverseDeviation: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(mean.count, rows, "layerNorm: mean")
    requireElements(inverseDeviation.count, rows, "layerNorm: inverseDeviation")
    try layerNorm(
        x, gain: gain, bias: bias, epsilon: epsilon, rows: rows, columns: columns, into: y, mean.base,
        inverseDeviation.base, on: context)
}

/// Layer normalization of each row, as above, where no backward pass follows.
public func layerNorm(
    _ x: Span<Float>, gain: Span<Float>, bias: Span<Float>, epsilon: Float, rows: Int, columns: Int,
    into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    try layerNorm(
        x, gain: gain, bias: bias, epsilon: epsilon, rows: rows, columns: columns, into: y, nil, nil, on: context)
}

private func layerNorm(
    _ x: Span<Float>, gain: Span<Float>, bias: Span<Float>, epsilon: Float, rows: Int, columns: Int,
    into y: consuming MutableSpan<Float>, _ mean: UnsafeMutablePointer<Float>?,
    _ inverseDeviation: UnsafeMutablePointer<Float>?, on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: rows, columns: columns, "layerNorm: x")
    requireElements(y.count, rows: rows, columns: columns, "layerNorm: y")
    requireElements(gain.count, columns, "layerNorm: gain")
    requireElements(bias.count, columns, "layerNorm: bias")
    try check(
        ck_layernorm_f32(
            context.handle, rows, columns, epsilon, x.base, gain.base, bias.base, y.base, mean, inverseDeviation),
        "layerNorm of \(rows) rows x \(columns) columns, epsilon \(epsilon)")
}

/// The gradients of a layer norm. `mean` and `inverseDeviation` are those of the forward pass on `x`.
///
/// With n = (x - mean) inverseDeviation, g[i,j] = dy[i,j] gain[j] and averages over a row:
/// dx[i,j] = inverseDeviation[i] (g[i,j] - avg(g[i]) - n[i,j] avg(g[i] n[i])), replaced;
/// dGain[j] += Σᵢ dy[i,j] n[i,j] and dBias[j] += Σᵢ dy[i,j], in fixed chunks of rows and a tree over them.
public func layerNormBackward(
    _ dy: Span<Float>, _ x: Span<Float>, gain: Span<Float>, mean: Span<Float>, inverseDeviation: Span<Float>,
    rows: Int, columns: Int, into dx: consuming MutableSpan<Float>, dGain: consuming MutableSpan<Float>,
    dBias: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(dy.count, rows: rows, columns: columns, "layerNormBackward: dy")
    requireElements(x.count, rows: rows, columns: columns, "layerNormBackward: x")
    requireElements(dx.count, rows: rows, columns: columns, "layerNormBackward: dx")
    requireElements(gain.count, columns, "layerNormBackward: gain")
    requireElements(dGain.count, columns, "layerNormBackward: dGain")
    requireElements(dBias.count, columns, "layerNormBackward: dBias")
    requireElements(mean.count, rows, "layerNormBackward: mean")
    requireElements(inverseDeviation.count, rows, "layerNormBackward: inverseDeviation")
    try check(
        ck_layernorm_backward_f32(
            context.handle, rows, columns, dy.base, x.base, gain.base, mean.base, inverseDeviation.base, dx.base,
            dGain.base, dBias.base),
        "layerNormBackward of \(rows) rows x \(columns) columns")
}
