import CKernels

/// RMS normalization of each row (Zhang and Sennrich 2019, equation 4): y[i,j] = gain[j] x[i,j] inverseRMS[i].
///
/// `x` and `y` are `rows` x `columns`; `gain` has `columns` elements. inverseRMS[i] = 1 / sqrt(mean square of row i +
/// epsilon): `rows` elements, which the backward pass needs.
public func rmsNorm<E: FloatElement>(
    _ x: Span<Float>, gain: Span<Float>, epsilon: Float, rows: Int, columns: Int, into y: consuming MutableSpan<E>,
    inverseRMS: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(inverseRMS.count, rows, "rmsNorm: inverseRMS")
    try rmsNorm(x, gain, epsilon, rows, columns, y, inverseRMS.base, on: context)
}

/// RMS normalization of each row, as above, where no backward pass follows.
public func rmsNorm<E: FloatElement>(
    _ x: Span<Float>, gain: Span<Float>, epsilon: Float, rows: Int, columns: Int, into y: consuming MutableSpan<E>,
    on context: Context
) throws(KernelError) {
    try rmsNorm(x, gain, epsilon, rows, columns, y, nil, on: context)
}

private func rmsNorm<E: FloatElement>(
    _ x: Span<Float>, _ gain: Span<Float>, _ epsilon: Float, _ rows: Int, _ columns: Int, _ y: consuming MutableSpan<E>,
    _ inverseRMS: UnsafeMutablePointer<Float>?, on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: rows, columns: columns, "rmsNorm: x")
    requireElements(y.count, rows: rows, columns: columns, "rmsNorm: y")
    requireElements(gain.count, columns, "rmsNorm: gain")
    try check(
        ck_rmsnorm(context.handle, rows, columns, epsilon, x.base, gain.base, y.base, E.code, inverseRMS),
        "rmsNorm of \(rows) rows x \(columns) columns, epsilon \(epsilon)")
}

/// The gradients of an RMS norm, in one pass over memory. `inverseRMS` is that of the forward pass on `x`.
///
/// With n = x inverseRMS, g[i,j] = dy[i,j] gain[j] and the average over a row:
/// dx[i,j] = inverseRMS[i] (g[i,j] - n[i,j] avg(g[i] n[i])) + residual[i,j], replaced;
/// dGain[j] = Σᵢ dy[i,j] n[i,j], in fixed chunks of rows and a tree over them.
///
/// - Parameters:
///   - residual: the gradient that goes around the norm, `rows` x `columns`, which is added to dx; nil for none. It may be
///     the same memory as `dx`.
///   - copy: receives dx rounded to bf16 (nearest, ties to even), as its bits; nil for no copy. It may be the same memory as a `dy` in
///     bf16.
///   - store: whether dGain replaces what is there, or is added to it.
public func rmsNormBackward<E: FloatElement>(
    _ dy: Span<E>, _ x: Span<Float>, gain: Span<Float>, inverseRMS: Span<Float>, residual: Span<Float>? = nil,
    rows: Int, columns: Int, into dx: consuming MutableSpan<Float>, copy: consuming MutableSpan<UInt16>? = nil,
    dGain: consuming MutableSpan<Float>, store: Store = .accumulate, on context: Context
) throws(KernelError) {
    requireElements(dy.count, rows: rows, columns: columns, "rmsNormBackward: dy")
    requireElements(x.count, rows: rows, columns: columns, "rmsNormBackward: x")
    requireElements(dx.count, rows: rows, columns: columns, "rmsNormBackward: dx")
    requireElements(residual?.count ?? dx.count, dx.count, "rmsNormBackward: residual")
    requireElements(gain.count, columns, "rmsNormBackward: gain")
    requireElements(dGain.count, columns, "rmsNormBackward: dGain")
    requireElements(inverseRMS.count, rows, "rmsNormBackward: inverseRMS")
    var halves: UnsafeMutablePointer<UInt16>?
    if var copy {
        requireElements(copy.count, dx.count, "rmsNormBackward: copy")
        halves = copy.base
    }
    try check(
        ck_rmsnorm_backward(
            context.handle, rows, columns, dy.base, E.code, x.base, gain.base, inverseRMS.base, base(residual), dx.base,
            halves, dGain.base, store.value),
        "rmsNormBackward of \(rows) rows x \(columns) columns")
}
