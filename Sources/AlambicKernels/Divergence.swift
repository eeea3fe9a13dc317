import CKernels

/// How far a student's distribution Q is from a teacher's P.
public enum Divergence: Sendable, Hashable {
    /// KL(P ‖ Q), which asks the student to cover all that the teacher finds likely (Hinton, Vinyals and Dean 2015).
    case forwardKL
    /// KL(Q ‖ P), which asks it to keep to what the teacher finds likely (Gu et al. 2024, MiniLLM).
    case reverseKL
    /// β KL(P ‖ M) + (1 - β) KL(Q ‖ M) with M = β P + (1 - β) Q and 0 < β < 1 (Agarwal et al. 2024, GKD, section 2).
    /// Divided by β it tends to KL(P ‖ Q) for β → 0, and divided by 1 - β to KL(Q ‖ P) for β → 1.
    case jensenShannon(beta: Float)
    /// ½ |z - v|² / N of the logits, each with its mean taken off: the limit of T² KL(P ‖ Q) at high temperatures, whatever
    /// the temperature is (Hinton, Vinyals and Dean 2015, section 2.1).
    case matchedLogits

    var code: (kind: ck_divergence, beta: Float) {
        switch self {
        case .forwardKL: (CK_FORWARD_KL, 0)
        case .reverseKL: (CK_REVERSE_KL, 0)
        case .jensenShannon(let beta): (CK_JENSEN_SHANNON, beta)
        case .matchedLogits: (CK_MATCHED_LOGITS, 0)
        }
    }
}

/// As ``distillationCrossEntropy(_:teacher:targets:rows:vocabulary:temperature:mixing:gradientScale:soft:hard:on:)``, with
/// any divergence D for the soft loss: `soft[i] = T² D`, and the gradient of
/// `gradientScale (mixing soft[i] + (1 - mixing) hard[i])` in place of the student's logits. With
/// `r = log(Q / P)`, or `(1 - β) log(Q / M)`, that of the soft loss is `T Q (r - Σ Q r)`.
///
/// - Throws: `.badArgument` for β outside of (0, 1) besides what the forward divergence does not take.
public func divergenceCrossEntropy(
    _ divergence: Divergence, _ student: consuming MutableSpan<Float>, teacher: Span<Float>, targets: Span<Int32>?,
    rows: Int, vocabulary: Int, temperature: Float, mixing: Float, gradientScale: Float,
    soft: consuming MutableSpan<Float>, hard: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    checkDivergence(
        rows, vocabulary, student: student.count, teacher: teacher.count, targets: targets?.count, soft: soft.count,
        hard: hard.count)
    let x = student.base
    let (kind, beta) = divergence.code
    try check(
        ck_divergence_f32(
            context.handle, kind, beta, rows, vocabulary, x, teacher.base, base(targets), temperature, mixing,
            gradientScale, x, soft.base, hard.base), "divergenceCrossEntropy")
}

/// The same with the gradient in memory of its own, as large: the student's logits stay as they are.
public func divergenceCrossEntropy(
    _ divergence: Divergence, _ student: Span<Float>, teacher: Span<Float>, targets: Span<Int32>?, rows: Int,
    vocabulary: Int, temperature: Float, mixing: Float, gradientScale: Float,
    into gradient: consuming MutableSpan<Float>, soft: consuming MutableSpan<Float>,
    hard: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    checkDivergence(
        rows, vocabulary, student: student.count, teacher: teacher.count, targets: targets?.count, soft: soft.count,
        hard: hard.count)
    requireElements(gradient.count, student.count, "divergenceCrossEntropy: gradient")
    let (kind, beta) = divergence.code
    try check(
        ck_divergence_f32(
            context.handle, kind, beta, rows, vocabulary, student.base, teacher.base, base(targets), temperature,
            mixing, gradientScale, gradient.base, soft.base, hard.base), "divergenceCrossEntropy")
}

private func checkDivergence(
    _ rows: Int, _ vocabulary: Int, student: Int, teacher: Int, targets: Int?, soft: Int, hard: Int
) {
    precondition(
        rows >= 0 && vocabulary > 0 && student == rows * vocabulary && teacher == rows * vocabulary
            && (targets ?? rows) == rows && soft == rows && hard == rows,
        "divergenceCrossEntropy: student of \(student), teacher of \(teacher), \(soft) soft and \(hard) hard losses "
            + "for [\(rows), \(vocabulary)]")
}

/// A teacher's logits from what is known of its softmax at temperature T, for each row:
///
///     teacher[j] = T log p[j]                                                     for the classes that are known
///     teacher[j] = student[j] + T (log tail - log Σ_unknown exp(student / T))     for all others
///
/// The mass of the others is spread in the student's proportions, so that the divergence KL(P ‖ Q) and its gradient are
/// those of the known classes with one bucket for the rest.
///
/// - Parameters:
///   - classes: `[rows, count]`, 0 ..< vocabulary, or ``ignoredTarget`` where fewer are known.
///   - logProbabilities: theirs, `[rows, count]`.
///   - tails: the probability of all others, one for each row; 0 for none.
///   - student: logits `[rows, vocabulary]`.
///   - teacher: `[rows, vocabulary]`, other memory than the student's.
public func completeTeacher(
    classes: Span<Int32>, logProbabilities: Span<Float>, tails: Span<Float>, student: Span<Float>, rows: Int,
    vocabulary: Int, temperature: Float, into teacher: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    precondition(
        rows >= 0 && vocabulary > 0 && student.count == rows * vocabulary && teacher.count == student.count
            && tails.count == rows && classes.count == logProbabilities.count
            && (rows == 0 || classes.count.isMultiple(of: rows)),
        "completeTeacher: \(classes.count) classes, \(logProbabilities.count) log-probabilities and \(tails.count) tails "
            + "for a student of \(student.count) and a teacher of \(teacher.count), [\(rows), \(vocabulary)]")
    try check(
        ck_complete_teacher_f32(
            context.handle, rows, vocabulary, rows == 0 ? 0 : classes.count / rows, classes.base, logProbabilities.base,
            tails.base, student.base, temperature, teacher.base), "completeTeacher")
}

extension Kernels {
    /// Variants of the divergences and of truncated teachers.
    public static var divergence: [Variant] { Variant.list(ck_divergence_variants) }
}
