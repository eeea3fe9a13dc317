import CKernels

extension Kernels {
    /// Variants of the AdamW step, best first.
    public static let adamW: [Variant] = Variant.list(ck_adamw_variants)
}

/// One step of Adam (Kingma and Ba 2015, Algorithm 1) with decoupled weight decay (Loshchilov and Hutter 2019, Algorithm 2,
/// the decay multiplied by the rate), in one pass and in place:
///
///     g' = gradientScale · g + l2 · w
///     m  = beta1 · m + (1 - beta1) · g'
///     v  = beta2 · v + (1 - beta2) · g'²
///     w  = w - rate · (correction1 · m / (√(correction2 · v) + epsilon) + weightDecay · w)
///
/// - Parameters:
///   - w: the weights. The other spans have as many elements.
///   - g: the gradient of the loss.
///   - m: the first moment, zeros before the first step.
///   - v: the second moment, zeros before the first step.
///   - rate: the learning rate of this step.
///   - beta1: decay of the first moment, 0 ..< 1.
///   - beta2: decay of the second moment, 0 ..< 1.
///   - epsilon: at least 0.
///   - weightDecay: decoupled decay, which the moments never see.
///   - l2: the coefficient of an L2 penalty, which goes into the gradient.
///   - correction1: 1 / (1 - beta1^t) for step t = 1, 2, …, computed in double; 1 for no correction.
///   - correction2: 1 / (1 - beta2^t).
///   - gradientScale: multiplies the gradient first: clipping, averaging.
///   - clip: clipping by a norm that is read when the step runs.
///   - panels: packed forms to rebuild from the new weights.
///
/// Settings are rounded to single precision once, 1 - beta only after the subtraction.
/// Throws `.badArgument` for values outside these ranges, among them corrections below 1.
public func adamWStep(
    weights w: consuming MutableSpan<Float>, gradient g: Span<Float>, firstMoment m: consuming MutableSpan<Float>,
    secondMoment v: consuming MutableSpan<Float>, rate: Double, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8, weightDecay: Double = 0, l2: Double = 0, correction1: Double, correction2: Double,
    gradientScale: Double = 1, clip: NormClip? = nil, panels: WeightPanels? = nil, on context: Context
) throws(KernelError) {
    let count = w.count
    precondition(
        m.count == count && v.count == count,
        "AdamW over \(count) weights with \(m.count) and \(v.count) moments")
    var matrix = stepMatrix(w.base, g, columns: count, panels: panels, on: context)
    let options = ck_adamw_options(
        rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon,
        weight_decay: weightDecay, l2: l2, correction1: correction1,
        correction2: correction2, gradient: stepGradient(gradientScale, clip, on: context))
    try check(
        ck_adamw_step(context.handle, &matrix, m.base, v.base, options),
        "AdamW with beta1 \(beta1), beta2 \(beta2), epsilon \(epsilon), corrections \(correction1) and \(correction2)")
}
