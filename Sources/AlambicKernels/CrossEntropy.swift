import CKernels

/// The target of a row that counts for nothing: no loss, no gradient.
public let ignoredTarget: Int32 = -1

/// Softmax cross-entropy with its gradient in place of the logits:
/// `losses[i] = log Σ_j exp(x[i, j]) - x[i, targets[i]]`, `x[i, j] ← gradientScale (softmax(x[i])[j] - [j = targets[i]])`.
/// Arithmetic is in f32; a gradient in bf16 is rounded once, to nearest, ties to even.
///
/// - Parameters:
///   - logits: `[rows, vocabulary]`, of any finite size; receives the gradient.
///   - targets: one class for each row, or ``ignoredTarget``. Any other number throws `.badArgument` before anything is
///     written.
///   - losses: one for each row, in nats. A row with NaN or positive infinity has the loss NaN.
public func crossEntropy<E: FloatElement>(
    _ logits: consuming MutableSpan<E>, targets: Span<Int32>, rows: Int, vocabulary: Int, gradientScale: Float,
    losses: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    checkRows("crossEntropy", rows, vocabulary, logits: logits.count, targets: targets.count, losses: losses.count)
    let x = logits.base
    try check(
        ck_crossentropy(
            context.handle, E.code, rows, vocabulary, x, targets.base, gradientScale, x, losses.base), "crossEntropy")
}

/// ``crossEntropy(_:targets:rows:vocabulary:gradientScale:losses:on:)`` against a smoothed target (Szegedy et al. 2016, section 7):
/// `q[j] = (1 - smoothing) [j = targets[i]] + smoothing / vocabulary`,
/// `losses[i] = -Σ_j q[j] log softmax(x[i])[j]`, `x[i, j] ← gradientScale (softmax(x[i])[j] - q[j])`.
///
/// - Parameters:
///   - smoothing: what all classes share, 0...1, else `.badArgument` is thrown; the paper's is 0.1. At 0 the same bits as without.
///
/// The others are as there. A logit of minus infinity makes the loss infinite.
public func smoothedCrossEntropy<E: FloatElement>(
    _ logits: consuming MutableSpan<E>, targets: Span<Int32>, rows: Int, vocabulary: Int, smoothing: Float,
    gradientScale: Float, losses: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    checkRows(
        "smoothedCrossEntropy", rows, vocabulary, logits: logits.count, targets: targets.count, losses: losses.count)
    let x = logits.base
    try check(
        ck_crossentropy_smoothed(
            context.handle, E.code, rows, vocabulary, x, targets.base, smoothing, gradientScale, x, losses.base),
        "cross-entropy with smoothing \(smoothing)")
}

/// The same with the gradient in memory of its own, as large: the logits stay as they are.
public func smoothedCrossEntropy<E: FloatElement>(
    _ logits: Span<E>, targets: Span<Int32>, rows: Int, vocabulary: Int, smoothing: Float, gradientScale: Float,
    into gradient: consuming MutableSpan<E>, losses: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    checkRows(
        "smoothedCrossEntropy", rows, vocabulary, logits: logits.count, targets: targets.count, losses: losses.count)
    requireElements(gradient.count, logits.count, "smoothedCrossEntropy: gradient")
    try check(
        ck_crossentropy_smoothed(
            context.handle, E.code, rows, vocabulary, logits.base, targets.base, smoothing, gradientScale,
            gradient.base, losses.base),
        "cross-entropy with smoothing \(smoothing)")
}

/// Softmax cross-entropy alone, for evaluation: the logits stay as they are.
public func crossEntropyLosses<E: FloatElement>(
    _ logits: Span<E>, targets: Span<Int32>, rows: Int, vocabulary: Int, into losses: consuming MutableSpan<Float>,
    on context: Context
) throws(KernelError) {
    checkRows(
        "crossEntropyLosses", rows, vocabulary, logits: logits.count, targets: targets.count, losses: losses.count)
    try check(
        ck_crossentropy(
            context.handle, E.code, rows, vocabulary, logits.base, targets.base, 0, nil, losses.base),
        "crossEntropyLosses")
}

/// Distillation (Hinton, Vinyals and Dean 2015, section 2) with its gradient in place of the student's logits. With
/// `p = softmax(teacher[i] / T)` and `q = softmax(student[i] / T)`:
///
///     soft[i] = T² Σ_j p[j] (log p[j] - log q[j]),   hard[i] = cross-entropy of the student at temperature 1
///     student[i] ← gradientScale (mixing T (q - p) + (1 - mixing) (softmax(student[i]) - [j = targets[i]]))
///
/// which is the gradient of `gradientScale (mixing soft[i] + (1 - mixing) hard[i])`.
///
/// - Parameters:
///   - student: `[rows, vocabulary]`; receives the gradient.
///   - teacher: `[rows, vocabulary]`.
///   - targets: one class for each row, or ``ignoredTarget`` for rows without either loss. Nil: unlabelled rows, whose hard
///     loss is 0; then `mixing` must be 1.
///   - temperature: positive and finite, its inverse too, else `.badArgument`.
///   - mixing: the weight of the soft loss, 0...1, else `.badArgument`.
///   - soft: one loss for each row in nats, with its factor T².
///   - hard: one loss for each row in nats.
public func distillationCrossEntropy(
    _ student: consuming MutableSpan<Float>, teacher: Span<Float>, targets: Span<Int32>?, rows: Int, vocabulary: Int,
    temperature: Float, mixing: Float, gradientScale: Float, soft: consuming MutableSpan<Float>,
    hard: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    checkRows(
        "distillationCrossEntropy", rows, vocabulary, logits: student.count, targets: targets?.count ?? rows,
        losses: soft.count)
    precondition(
        teacher.count == student.count && hard.count == rows,
        "distillationCrossEntropy: teacher of \(teacher.count) and hard losses of \(hard.count) for a student of "
            + "[\(rows), \(vocabulary)]")
    let x = student.base
    try check(
        ck_distillation_f32(
            context.handle, rows, vocabulary, x, teacher.base, base(targets), temperature, mixing, gradientScale, x,
            soft.base, hard.base), "distillationCrossEntropy")
}

/// The losses of distillation alone, for evaluation: the logits stay as they are.
public func distillationLosses(
    student: Span<Float>, teacher: Span<Float>, targets: Span<Int32>?, rows: Int, vocabulary: Int, temperature: Float,
    soft: consuming MutableSpan<Float>, hard: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    checkRows(
        "distillationLosses", rows, vocabulary, logits: student.count, targets: targets?.count ?? rows,
        losses: soft.count)
    precondition(
        teacher.count == student.count && hard.count == rows,
        "distillationLosses: teacher of \(teacher.count) and hard losses of \(hard.count) for a student of "
            + "[\(rows), \(vocabulary)]")
    try check(
        ck_distillation_f32(
            context.handle, rows, vocabulary, student.base, teacher.base, base(targets), temperature, 1, 0, nil,
            soft.base, hard.base), "distillationLosses")
}

private func checkRows(_ what: String, _ rows: Int, _ vocabulary: Int, logits: Int, targets: Int, losses: Int) {
    precondition(
        rows >= 0 && vocabulary > 0 && logits == rows * vocabulary && targets == rows && losses == rows,
        "\(what): logits of \(logits), \(targets) targets and \(losses) losses for [\(rows), \(vocabulary)]")
}

extension Kernels {
    /// Variants of softmax cross-entropy and of distillation.
    public static var crossEntropy: [Variant] { Variant.list(ck_crossentropy_variants) }
}
