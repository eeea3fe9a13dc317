import CKernels

extension Kernels {
    /// Variants of the Lion step, best first.
    public static let lion: [Variant] = Variant.list(ck_lion_variants)
}

/// One step of Lion (Chen et al. 2023, Algorithm 2) in one pass and in place:
///
///     g' = gradientScale · g
///     c  = beta1 · m + (1 - beta1) · g'
///     w  = w - rate · (sign(c) + weightDecay · w)             sign(0) = 0
///     m  = beta2 · m + (1 - beta2) · g'
///
/// - Parameters:
///   - w: the weights. The other spans have as many elements.
///   - g: the gradient of the loss.
///   - m: the momentum, zeros before the first step.
///   - rate: the learning rate of this step.
///   - beta1: how much of the direction is momentum, 0 ..< 1.
///   - beta2: decay of the momentum, 0 ..< 1.
///   - weightDecay: decoupled decay.
///   - gradientScale: multiplies the gradient first: clipping, averaging.
///   - clip: clipping by a norm that is read when the step runs.
///   - panels: packed forms to rebuild from the new weights.
///
/// Throws `.badArgument` for values outside these ranges.
public func lionStep(
    weights w: consuming MutableSpan<Float>, gradient g: Span<Float>, momentum m: consuming MutableSpan<Float>,
    rate: Double, beta1: Double = 0.9, beta2: Double = 0.99, weightDecay: Double = 0, gradientScale: Double = 1,
    clip: NormClip? = nil, panels: WeightPanels? = nil, on context: Context
) throws(KernelError) {
    let count = w.count
    precondition(m.count == count, "Lion over \(count) weights with momenta of \(m.count)")
    var matrix = stepMatrix(w.base, g, columns: count, panels: panels, on: context)
    let options = ck_lion_options(
        rate: rate, beta1: beta1, beta2: beta2, weight_decay: weightDecay,
        gradient: stepGradient(gradientScale, clip, on: context))
    try check(
        ck_lion_step(context.handle, &matrix, m.base, options), "Lion of \(count) weights, betas \(beta1), \(beta2)")
}
