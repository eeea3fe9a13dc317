import CKernels

extension Kernels {
    /// Variants of ``maxNorm(rows:columns:limit:in:on:)``, ``softThreshold(by:in:on:)`` and
    /// ``addL1Gradient(of:coefficient:to:on:)``, best first.
    public static let constraint: [Variant] = Variant.list(ck_constraint_variants)
}

/// The max-norm constraint (Srivastava et al. 2014, section 5.1): every row of `w`, the weights that come into one unit, is
/// multiplied by limit / norm where its Euclidean norm is over the limit. Norms are taken in double precision.
///
/// Can be noted in an ``OperationList``.
///
/// - Parameters:
///   - rows: units: the outputs of a layer.
///   - columns: weights that come into each.
///   - limit: the largest norm that stays, at least 0, else `.badArgument` is thrown.
///   - w: `[rows, columns]`. Rows whose norm is infinite or not a number stay as they are.
public func maxNorm(
    rows: Int, columns: Int, limit: Double, in w: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(w.count, rows: rows, columns: columns, "maxNorm: w")
    try check(
        ck_max_norm_f32(context.handle, rows, columns, limit, w.base), "maxNorm of \(rows)x\(columns) to \(limit)")
}

/// Soft thresholding, the proximal step of the penalty `threshold · ‖w‖₁`:
/// `w[i] = sign(w[i]) · max(|w[i]| - threshold, 0)`, which makes small weights exactly zero.
///
/// - Parameter threshold: the learning rate times the coefficient of the penalty, at least 0, else `.badArgument` is thrown.
public func softThreshold(
    by threshold: Double, in w: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    try check(
        ck_soft_threshold_f32(context.handle, w.count, threshold, w.base), "softThreshold by \(threshold)")
}

/// The subgradient of the penalty `coefficient · ‖w‖₁`: `g[i] += coefficient · sign(w[i])`, with sign(0) = 0. Weights come close
/// to zero, and dance around it; ``softThreshold(by:in:on:)`` makes them zero.
public func addL1Gradient(
    of w: Span<Float>, coefficient: Double, to g: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(w.count, g.count, "addL1Gradient: w")
    try check(
        ck_l1_gradient_f32(context.handle, g.count, coefficient, w.base, g.base),
        "addL1Gradient of \(coefficient)")
}
