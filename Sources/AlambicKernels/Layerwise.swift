import CKernels

// What optimizers are made of whose steps depend on norms of whole matrices; see `ck_layerwise.h`. All of it can be noted in
// an ``OperationList``, and writes nothing where a ``NormClip``'s norm is infinite or NaN.

extension Kernels {
    /// Variants of what layerwise optimizers are made of, best first.
    public static let layerwise: [Variant] = Variant.list(ck_layerwise_variants)
}

/// Adam's direction, without taking it: moments as `adamWStep`, and
///
///     u = correction1 · m / (√(correction2 · v) + epsilon) + weightDecay · w
///
/// - Parameters:
///   - w: the weights, which stay. The other spans have as many elements.
///   - u: receives the direction.
///
/// The others are those of `adamWStep`.
public func adamDirection(
    weights w: Span<Float>, gradient g: Span<Float>, firstMoment m: consuming MutableSpan<Float>,
    secondMoment v: consuming MutableSpan<Float>, into u: consuming MutableSpan<Float>, beta1: Double = 0.9,
    beta2: Double = 0.999, epsilon: Double = 1e-6, weightDecay: Double = 0, correction1: Double, correction2: Double,
    gradientScale: Double = 1, clip: NormClip? = nil, on context: Context
) throws(KernelError) {
    let count = w.count
    precondition(
        m.count == count && v.count == count && u.count == count,
        "Adam's direction over \(count) weights with \(m.count) and \(v.count) moments into \(u.count)")
    var matrix = stepMatrix(
        UnsafeMutablePointer(mutating: w.base), g, columns: count, panels: nil, on: context)
    let options = ck_adamw_options(
        rate: 0, beta1: beta1, beta2: beta2, epsilon: epsilon, weight_decay: weightDecay, l2: 0,
        correction1: correction1, correction2: correction2,
        gradient: stepGradient(gradientScale, clip, on: context))
    try check(
        ck_adam_direction(context.handle, &matrix, m.base, v.base, u.base, options),
        "Adam's direction with betas \(beta1), \(beta2), epsilon \(epsilon)")
}

/// LAMB's trust ratio (You et al. 2020, Algorithm 2), `‖w‖ / ‖u‖`, of squared norms of one element each, into one element; 1
/// where either is zero.
public func trustRatio(
    weightSquares w: Span<Double>, directionSquares u: Span<Double>, into factor: consuming MutableSpan<Double>,
    on context: Context
) throws(KernelError) {
    precondition(
        w.count == 1 && u.count == 1 && factor.count == 1,
        "a trust ratio of \(w.count) and \(u.count) norms into \(factor.count)")
    try check(ck_trust_ratio(context.handle, w.base, u.base, factor.base), "trust ratio")
}

/// Nesterov's momentum as a direction: `g' = gradientScale · g`, `m = momentum · m + g'`, `u = g' + momentum · m`.
///
/// - Parameters:
///   - w: the weights, which stay and are not looked at. The other spans have as many elements.
///   - momentum: 0 ..< 1.
public func momentumDirection(
    weights w: Span<Float>, gradient g: Span<Float>, momentum m: consuming MutableSpan<Float>,
    into u: consuming MutableSpan<Float>, _ momentum: Double, gradientScale: Double = 1, clip: NormClip? = nil,
    on context: Context
) throws(KernelError) {
    let count = w.count
    precondition(
        m.count == count && u.count == count,
        "momentum over \(count) weights with \(m.count) velocities into \(u.count)")
    var matrix = stepMatrix(
        UnsafeMutablePointer(mutating: w.base), g, columns: count, panels: nil, on: context)
    try check(
        ck_momentum_direction(
            context.handle, &matrix, m.base, u.base, momentum, stepGradient(gradientScale, clip, on: context)),
        "momentum \(momentum)")
}

/// `y[i] = x[i] / (√squares + epsilon)`, with `squares` of one element read when it runs.
public func normalize(
    _ x: Span<Float>, squares: Span<Double>, epsilon: Double, into y: consuming MutableSpan<Float>,
    on context: Context
) throws(KernelError) {
    requireElements(x.count, y.count, "normalize: x")
    precondition(squares.count == 1, "normalize by \(squares.count) norms")
    try check(
        ck_normalize_f32(context.handle, y.count, squares.base, epsilon, x.base, y.base),
        "normalize, epsilon \(epsilon)")
}

/// `u[i] = 0` where `w[i]` and `m[i]` are both zero: a direction that mixes elements leaves weights alone that a mask holds at zero.
public func holdZeros(
    weights w: Span<Float>, momentum m: Span<Float>, in u: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(w.count, u.count, "holdZeros: weights")
    requireElements(m.count, u.count, "holdZeros: momentum")
    try check(ck_hold_zeros_f32(context.handle, u.count, w.base, m.base, u.base), "holdZeros")
}

/// Adafactor's factored second moment (Shazeer and Stern 2018, Algorithm 4): means of the rows and of the columns of `g'² + epsilon`,
/// each an exponential average with `decay`, and the mean of the first.
///
/// - Parameters:
///   - g: the gradient, `rows` x `columns`.
///   - row: `rows` elements, zeros before the first step.
///   - column: `columns` elements, zeros before the first step.
///   - mean: receives the mean of `row`.
///   - decay: 0 ..< 1.
///   - epsilon: over 0.
public func factoredMoments(
    _ g: Span<Float>, rows: Int, columns: Int, row: consuming MutableSpan<Float>,
    column: consuming MutableSpan<Float>, mean: consuming MutableSpan<Double>, decay: Double, epsilon: Double,
    gradientScale: Double = 1, clip: NormClip? = nil, on context: Context
) throws(KernelError) {
    requireElements(g.count, rows: rows, columns: columns, "factoredMoments: g")
    precondition(
        row.count == rows && column.count == columns && mean.count == 1,
        "factoredMoments of \(rows)x\(columns) into \(row.count) rows, \(column.count) columns, \(mean.count) means")
    try check(
        ck_factored_moments(
            context.handle, rows, columns, g.base, row.base, column.base, mean.base, decay, epsilon,
            stepGradient(gradientScale, clip, on: context)), "factored moments, decay \(decay), epsilon \(epsilon)")
}

/// `u[i, j] = g'[i, j] / √(row[i] · column[j] / mean)`.
public func factoredDirection(
    _ g: Span<Float>, rows: Int, columns: Int, row: Span<Float>, column: Span<Float>, mean: Span<Double>,
    into u: consuming MutableSpan<Float>, gradientScale: Double = 1, clip: NormClip? = nil, on context: Context
) throws(KernelError) {
    requireElements(g.count, rows: rows, columns: columns, "factoredDirection: g")
    requireElements(u.count, g.count, "factoredDirection: u")
    precondition(
        row.count == rows && column.count == columns && mean.count == 1,
        "factoredDirection of \(rows)x\(columns) with \(row.count) rows, \(column.count) columns, \(mean.count) means")
    try check(
        ck_factored_direction(
            context.handle, rows, columns, g.base, row.base, column.base, mean.base, u.base,
            stepGradient(gradientScale, clip, on: context)), "factored direction")
}

/// The same of a vector: `v = decay · v + (1 - decay) · (g'² + epsilon)`, `u = g' / √v`.
public func unfactoredDirection(
    weights w: Span<Float>, gradient g: Span<Float>, secondMoment v: consuming MutableSpan<Float>,
    into u: consuming MutableSpan<Float>, decay: Double, epsilon: Double, gradientScale: Double = 1,
    clip: NormClip? = nil, on context: Context
) throws(KernelError) {
    let count = w.count
    precondition(
        v.count == count && u.count == count,
        "a direction over \(count) weights with \(v.count) second moments into \(u.count)")
    var matrix = stepMatrix(
        UnsafeMutablePointer(mutating: w.base), g, columns: count, panels: nil, on: context)
    try check(
        ck_unfactored_direction(
            context.handle, &matrix, v.base, u.base, decay, epsilon, stepGradient(gradientScale, clip, on: context)),
        "direction with decay \(decay), epsilon \(epsilon)")
}

/// Adafactor's update clipping (Shazeer and Stern 2018, section 6): `factor = 1 / max(1, RMS(u) / limit)`, of a squared norm of
/// `count` elements.
public func clippingFactor(
    directionSquares u: Span<Double>, count: Int, limit: Double, into factor: consuming MutableSpan<Double>,
    on context: Context
) throws(KernelError) {
    precondition(u.count == 1 && factor.count == 1, "a factor of \(u.count) norms into \(factor.count)")
    try check(
        ck_rms_factor(context.handle, count, u.base, limit, nil, 0, factor.base), "clipping to an RMS of \(limit)")
}

/// The same times `max(floor, RMS(w))`: a step relative to the weights (section 8).
public func relativeClippingFactor(
    directionSquares u: Span<Double>, weightSquares w: Span<Double>, count: Int, limit: Double, floor: Double,
    into factor: consuming MutableSpan<Double>, on context: Context
) throws(KernelError) {
    precondition(
        u.count == 1 && w.count == 1 && factor.count == 1,
        "a factor of \(u.count) and \(w.count) norms into \(factor.count)")
    try check(
        ck_rms_factor(context.handle, count, u.base, limit, w.base, floor, factor.base),
        "clipping to an RMS of \(limit), floor \(floor)")
}
