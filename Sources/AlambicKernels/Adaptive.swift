import CKernels

extension Kernels {
    /// Variants of the steps of Adagrad, RMSProp and AdaMax, best first.
    public static let adaptive: [Variant] = Variant.list(ck_adaptive_variants)
}

/// One step of Adagrad (Duchi, Hazan and Singer 2011, Figure 1, with the diagonal matrix) in one pass and in place:
///
///     g' = gradientScale · g + l2 · w
///     a  = a + g'²
///     w  = w - rate · g' / (√(a + initial) + epsilon)
///
/// - Parameters:
///   - w: the weights. The other spans have as many elements.
///   - g: the gradient of the loss.
///   - a: the sum of squared gradients, zeros before the first step whatever `initial` is.
///   - rate: the learning rate of this step.
///   - initial: what the accumulator starts from, at least 0; not both this and `epsilon` may be 0.
///   - epsilon: at least 0.
///   - l2: the coefficient of an L2 penalty, which goes into the gradient.
///   - gradientScale: multiplies the gradient first: clipping, averaging.
///   - clip: clipping by a norm that is read when the step runs.
///   - panels: packed forms to rebuild from the new weights.
///
/// Throws `.badArgument` for values outside these ranges.
public func adagradStep(
    weights w: consuming MutableSpan<Float>, gradient g: Span<Float>, accumulator a: consuming MutableSpan<Float>,
    rate: Double, initial: Double = 0, epsilon: Double = 1e-10, l2: Double = 0, gradientScale: Double = 1,
    clip: NormClip? = nil, panels: WeightPanels? = nil, on context: Context
) throws(KernelError) {
    let count = w.count
    precondition(a.count == count, "Adagrad over \(count) weights with \(a.count) accumulated squares")
    var matrix = stepMatrix(w.base, g, columns: count, panels: panels, on: context)
    let options = ck_adagrad_options(
        rate: rate, initial: initial, epsilon: epsilon, l2: l2,
        gradient: stepGradient(gradientScale, clip, on: context))
    try check(
        ck_adagrad_step(context.handle, &matrix, a.base, options),
        "Adagrad of \(count) weights, initial accumulator \(initial), epsilon \(epsilon)")
}

/// One step of RMSProp (Tieleman and Hinton 2012) in one pass and in place, epsilon outside of the root:
///
///     g' = gradientScale · g + l2 · w
///     v  = decay · v + (1 - decay) · g'²
///     w  = w - rate · g' / (√v + epsilon)
///
/// - Parameters:
///   - w: the weights. The other spans have as many elements.
///   - g: the gradient of the loss.
///   - v: the mean of squared gradients, zeros before the first step.
///   - rate: the learning rate of this step.
///   - decay: how much of the mean survives, 0 ..< 1.
///   - epsilon: over 0 in single precision.
///   - l2: the coefficient of an L2 penalty, which goes into the gradient.
///   - gradientScale: multiplies the gradient first: clipping, averaging.
///   - clip: clipping by a norm that is read when the step runs.
///   - panels: packed forms to rebuild from the new weights.
///
/// Throws `.badArgument` for values outside these ranges.
public func rmsPropStep(
    weights w: consuming MutableSpan<Float>, gradient g: Span<Float>, meanSquare v: consuming MutableSpan<Float>,
    rate: Double, decay: Double = 0.9, epsilon: Double = 1e-8, l2: Double = 0, gradientScale: Double = 1,
    clip: NormClip? = nil, panels: WeightPanels? = nil, on context: Context
) throws(KernelError) {
    let count = w.count
    precondition(v.count == count, "RMSProp over \(count) weights with \(v.count) mean squares")
    var matrix = stepMatrix(w.base, g, columns: count, panels: panels, on: context)
    let options = ck_rmsprop_options(
        rate: rate, decay: decay, epsilon: epsilon, l2: l2, gradient: stepGradient(gradientScale, clip, on: context))
    try check(
        ck_rmsprop_step(context.handle, &matrix, v.base, options),
        "RMSProp of \(count) weights, decay \(decay), epsilon \(epsilon)")
}

/// One step of AdaMax (Kingma and Ba 2015, Algorithm 2) in one pass and in place:
///
///     g' = gradientScale · g + l2 · w
///     m  = beta1 · m + (1 - beta1) · g'
///     u  = max(beta2 · u, |g'|)
///     w  = w - rate · correction · m / u                      nothing where u = 0
///
/// - Parameters:
///   - w: the weights. The other spans have as many elements.
///   - g: the gradient of the loss.
///   - m: the first moment, zeros before the first step.
///   - u: the weighted infinity norm of the gradients, zeros before the first step.
///   - rate: the learning rate of this step.
///   - beta1: decay of the first moment, 0 ..< 1.
///   - beta2: decay of the norm, 0 ..< 1.
///   - correction: 1 / (1 - beta1^t) for step t = 1, 2, …, computed in double.
///   - l2: the coefficient of an L2 penalty, which goes into the gradient.
///   - gradientScale: multiplies the gradient first: clipping, averaging.
///   - clip: clipping by a norm that is read when the step runs.
///   - panels: packed forms to rebuild from the new weights.
///
/// Throws `.badArgument` for values outside these ranges, among them a correction below 1.
public func adaMaxStep(
    weights w: consuming MutableSpan<Float>, gradient g: Span<Float>, firstMoment m: consuming MutableSpan<Float>,
    infinityNorm u: consuming MutableSpan<Float>, rate: Double, beta1: Double = 0.9, beta2: Double = 0.999,
    correction: Double, l2: Double = 0, gradientScale: Double = 1, clip: NormClip? = nil, panels: WeightPanels? = nil,
    on context: Context
) throws(KernelError) {
    let count = w.count
    precondition(
        m.count == count && u.count == count,
        "AdaMax over \(count) weights with \(m.count) moments and \(u.count) norms")
    var matrix = stepMatrix(w.base, g, columns: count, panels: panels, on: context)
    let options = ck_adamax_options(
        rate: rate, beta1: beta1, beta2: beta2, correction: correction, l2: l2,
        gradient: stepGradient(gradientScale, clip, on: context))
    try check(
        ck_adamax_step(context.handle, &matrix, m.base, u.base, options),
        "AdaMax of \(count) weights, betas \(beta1), \(beta2), correction \(correction)")
}
