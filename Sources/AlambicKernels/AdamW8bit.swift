import CKernels

extension Kernels {
    /// Variants of the AdamW step with moments in 8 bits, best first. All change the same codes and scales.
    public static let adamW8bit: [Variant] = Variant.list(ck_adamw8_variants)
}

/// Neighbours of a row that share a scale in the moments of ``adamW8bitStep(weights:gradient:rows:columns:firstMoment:firstScales:secondMoment:secondScales:rate:beta1:beta2:epsilon:weightDecay:correction1:correction2:gradientScale:clip:panels:on:)``.
public let adamW8bitBlock = Int(CK_ADAMW8_BLOCK)

/// One step of AdamW whose moments are kept in 8 bits (Dettmers et al. 2022): those of each block of 256 neighbours of a row
/// are a scale, the largest magnitude, times the values of 256 codes. A dynamic tree maps codes to values: seven decades
/// for the first moment (and a sign), eight for the second, each twice as fine as the one below it; see `ck_adamw8.h`.
///
/// Per element as `adamWStep`, on the moments that the codes stand for. A second moment that is not zero never becomes zero
/// by rounding.
///
/// - Parameters:
///   - w: the weights, `[rows, columns]`.
///   - g: the gradient of the loss, as many elements.
///   - rows: rows of the weights; 1 for a vector.
///   - columns: elements of a row.
///   - m: codes of the first moment, zeros before the first step.
///   - firstScales: `[rows, ⌈columns / adamW8bitBlock⌉]`, zeros before the first step.
///   - v: codes of the second moment, zeros before the first step.
///   - secondScales: as many as `firstScales`.
///   - rate: the learning rate of this step.
///   - beta1: decay of the first moment, 0 ..< 1.
///   - beta2: decay of the second moment, 0 ..< 1.
///   - epsilon: at least 0.
///   - weightDecay: decoupled decay, which the moments never see.
///   - correction1: 1 / (1 - beta1^t) for step t = 1, 2, …, computed in double; 1 for no correction.
///   - correction2: 1 / (1 - beta2^t).
///   - gradientScale: multiplies the gradient first: clipping, averaging.
///   - clip: clipping by a norm that is read when the step runs.
///   - panels: packed forms to rebuild from the new weights.
///
/// Throws `.badArgument` for values outside these ranges, among them corrections below 1.
public func adamW8bitStep(
    weights w: consuming MutableSpan<Float>, gradient g: Span<Float>, rows: Int, columns: Int,
    firstMoment m: consuming MutableSpan<UInt8>, firstScales: consuming MutableSpan<Float>,
    secondMoment v: consuming MutableSpan<UInt8>, secondScales: consuming MutableSpan<Float>, rate: Double,
    beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0, correction1: Double,
    correction2: Double, gradientScale: Double = 1, clip: NormClip? = nil, panels: WeightPanels? = nil,
    on context: Context
) throws(KernelError) {
    let count = w.count, scales = rows * ((columns + adamW8bitBlock - 1) / adamW8bitBlock)
    precondition(
        count == rows * columns && m.count == count && v.count == count && firstScales.count == scales
            && secondScales.count == scales,
        """
        8-bit AdamW over \(rows)x\(columns) weights: \(count) weights, \(m.count) and \(v.count) codes, \
        \(firstScales.count) and \(secondScales.count) scales
        """)
    var matrix = stepMatrix(w.base, g, rows: rows, columns: columns, panels: panels, on: context)
    precondition(matrix.rows == rows, "8-bit AdamW over \(rows)x\(columns) weights with packed forms of other rows")
    let options = ck_adamw_options(
        rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, weight_decay: weightDecay, l2: 0,
        correction1: correction1, correction2: correction2,
        gradient: stepGradient(gradientScale, clip, on: context))
    let moments = ck_adamw8_moments(
        m: m.base, v: v.base, m_scales: firstScales.base, v_scales: secondScales.base)
    try check(
        ck_adamw8_step(context.handle, &matrix, moments, options),
        "8-bit AdamW with beta1 \(beta1), beta2 \(beta2), epsilon \(epsilon)")
}
