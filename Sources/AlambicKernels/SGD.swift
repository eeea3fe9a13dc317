import CKernels

extension Kernels {
    /// Variants of the gradient descent step, best first.
    public static let sgd: [Variant] = Variant.list(ck_sgd_variants)
}

/// One step of stochastic gradient descent in one pass and in place:
///
///     g' = gradientScale · g + l2 · w
///     u  = momentum · u + g'                        with a velocity u
///     d  = g'                                       without a velocity
///          u                                        with one (Polyak 1964)
///          g' + momentum · u                        with Nesterov's (Sutskever et al. 2013)
///     w  = w - rate · (d + weightDecay · w)
///
/// - Parameters:
///   - w: the weights. The other spans have as many elements.
///   - g: the gradient of the loss.
///   - u: the velocity, zeros before the first step; nil for plain descent.
///   - rate: the learning rate of this step.
///   - momentum: the share of the velocity that survives, 0 ..< 1.
///   - nesterov: whether the gradient is taken to be that of the point ahead.
///   - weightDecay: decoupled decay, which the velocity never sees.
///   - l2: the coefficient of an L2 penalty, which goes into the gradient.
///   - gradientScale: multiplies the gradient first: clipping, averaging.
///   - clip: clipping by a norm that is read when the step runs.
///   - factor: one number that multiplies the gradient too, read when the step runs: what layerwise optimizers make of norms.
///   - panels: packed forms to rebuild from the new weights.
///
/// Throws `.badArgument` for a momentum outside its range, or momentum without a velocity.
public func sgdStep(
    weights w: consuming MutableSpan<Float>, gradient g: Span<Float>, velocity u: consuming MutableSpan<Float>?,
    rate: Double, momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0, l2: Double = 0,
    gradientScale: Double = 1, clip: NormClip? = nil, factor: Memory<Double>? = nil, panels: WeightPanels? = nil,
    on context: Context
) throws(KernelError) {
    let count = w.count
    var matrix = stepMatrix(w.base, g, columns: count, panels: panels, on: context)
    var velocity: UnsafeMutablePointer<Float>?
    if var u {
        precondition(u.count == count, "gradient descent over \(count) weights with \(u.count) velocities")
        velocity = u.base
    }
    let options = ck_sgd_options(
        rate: rate, momentum: momentum, weight_decay: weightDecay, l2: l2,
        gradient: stepGradient(gradientScale, clip, factor: factor, on: context), nesterov: nesterov)
    try check(
        ck_sgd_step(context.handle, &matrix, velocity, options),
        "gradient descent with momentum \(momentum)")
}
