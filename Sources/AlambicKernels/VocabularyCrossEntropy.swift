import CKernels

// The product with the vocabulary's weights and its loss, in chunks of rows: logits = hidden weightsᵀ never exist whole.
// A chunk is three products and one row operation, so the number of rows in a chunk leaves no trace in the bits.

/// Floats of workspace that the fused losses need for `rows` rows.
public func vocabularyWorkspaceCount(rows: Int, vocabulary: Int, teacher: Bool = false) -> Int {
    precondition(rows >= 0 && vocabulary > 0, "vocabularyWorkspaceCount: [\(rows), \(vocabulary)]")
    return ck_vocabulary_workspace(rows, vocabulary, teacher)
}

/// Cross-entropy of `logits = hidden weightsᵀ` with the gradients of both.
///
/// - Parameters:
///   - hidden: `[rows, columns]`.
///   - weights: `[vocabulary, columns]`.
///   - targets: as in ``crossEntropy(_:targets:rows:vocabulary:gradientScale:losses:on:)``.
///   - losses: one for each row, in nats.
///   - dHidden: `[rows, columns]`, replaced.
///   - dWeights: `[vocabulary, columns]`, accumulates row after row.
///   - workspace: at least ``vocabularyWorkspaceCount(rows:vocabulary:teacher:)`` floats.
public func vocabularyCrossEntropy(
    hidden: Span<Float>, weights: Span<Float>, targets: Span<Int32>, rows: Int, vocabulary: Int, columns: Int,
    gradientScale: Float, losses: consuming MutableSpan<Float>, dHidden: consuming MutableSpan<Float>,
    dWeights: consuming MutableSpan<Float>, workspace: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    checkHead("vocabularyCrossEntropy", rows, vocabulary, columns, hidden.count, weights.count, workspace.count)
    checkHead("gradient of vocabularyCrossEntropy", rows, vocabulary, columns, dHidden.count, dWeights.count, nil)
    checkVectors("vocabularyCrossEntropy", rows, targets: targets.count, losses: losses.count)
    try check(
        ck_vocabulary_crossentropy_f32(
            context.handle, rows, vocabulary, columns, hidden.base, weights.base, targets.base, gradientScale,
            losses.base, dHidden.base, dWeights.base, workspace.base), "vocabularyCrossEntropy")
}

/// Cross-entropy of `logits = hidden weightsᵀ` alone, for evaluation.
public func vocabularyLosses(
    hidden: Span<Float>, weights: Span<Float>, targets: Span<Int32>, rows: Int, vocabulary: Int, columns: Int,
    into losses: consuming MutableSpan<Float>, workspace: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    checkHead("vocabularyLosses", rows, vocabulary, columns, hidden.count, weights.count, workspace.count)
    checkVectors("vocabularyLosses", rows, targets: targets.count, losses: losses.count)
    try check(
        ck_vocabulary_crossentropy_f32(
            context.handle, rows, vocabulary, columns, hidden.base, weights.base, targets.base, 0, losses.base, nil,
            nil, workspace.base), "vocabularyLosses")
}

/// Distillation of `student = hidden weightsᵀ` from `teacher = teacherHidden teacherWeightsᵀ`, with the gradients of the
/// student's two factors. See
/// ``distillationCrossEntropy(_:teacher:targets:rows:vocabulary:temperature:mixing:gradientScale:soft:hard:on:)``.
///
/// - Parameters:
///   - hidden: `[rows, columns]`.
///   - weights: `[vocabulary, columns]`.
///   - teacherHidden: `[rows, teacherColumns]`.
///   - teacherWeights: `[vocabulary, teacherColumns]`.
///   - soft: one loss for each row in nats, with its factor T².
///   - hard: one loss for each row in nats.
///   - dHidden: `[rows, columns]`, replaced.
///   - dWeights: `[vocabulary, columns]`, accumulates row after row.
///   - workspace: at least ``vocabularyWorkspaceCount(rows:vocabulary:teacher:)`` floats, with a teacher.
public func vocabularyDistillation(
    hidden: Span<Float>, weights: Span<Float>, teacherHidden: Span<Float>, teacherWeights: Span<Float>,
    targets: Span<Int32>?, rows: Int, vocabulary: Int, columns: Int, teacherColumns: Int, temperature: Float,
    mixing: Float, gradientScale: Float, soft: consuming MutableSpan<Float>, hard: consuming MutableSpan<Float>,
    dHidden: consuming MutableSpan<Float>, dWeights: consuming MutableSpan<Float>,
    workspace: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    let what = "vocabularyDistillation"
    checkHead(what, rows, vocabulary, columns, hidden.count, weights.count, nil)
    checkHead("gradient of \(what)", rows, vocabulary, columns, dHidden.count, dWeights.count, nil)
    checkHead(
        "teacher of \(what)", rows, vocabulary, teacherColumns, teacherHidden.count, teacherWeights.count,
        workspace.count, teacher: true)
    checkVectors(what, rows, targets: targets?.count ?? rows, losses: soft.count)
    checkVectors(what, rows, targets: rows, losses: hard.count)
    let teacher = ck_teacher(hidden: teacherHidden.base, weights: teacherWeights.base, columns: teacherColumns)
    try check(
        ck_vocabulary_distillation_f32(
            context.handle, rows, vocabulary, columns, hidden.base, weights.base, teacher, base(targets), temperature,
            mixing, gradientScale, soft.base, hard.base, dHidden.base, dWeights.base, workspace.base), what)
}

/// The losses of ``vocabularyDistillation(hidden:weights:teacherHidden:teacherWeights:targets:rows:vocabulary:columns:teacherColumns:temperature:mixing:gradientScale:soft:hard:dHidden:dWeights:workspace:on:)``
/// alone, for evaluation.
public func vocabularyDistillationLosses(
    hidden: Span<Float>, weights: Span<Float>, teacherHidden: Span<Float>, teacherWeights: Span<Float>,
    targets: Span<Int32>?, rows: Int, vocabulary: Int, columns: Int, teacherColumns: Int, temperature: Float,
    soft: consuming MutableSpan<Float>, hard: consuming MutableSpan<Float>, workspace: consuming MutableSpan<Float>,
    on context: Context
) throws(KernelError) {
    let what = "vocabularyDistillationLosses"
    checkHead(what, rows, vocabulary, columns, hidden.count, weights.count, nil)
    checkHead(
        "teacher of \(what)", rows, vocabulary, teacherColumns, teacherHidden.count, teacherWeights.count,
        workspace.count, teacher: true)
    checkVectors(what, rows, targets: targets?.count ?? rows, losses: soft.count)
    checkVectors(what, rows, targets: rows, losses: hard.count)
    let teacher = ck_teacher(hidden: teacherHidden.base, weights: teacherWeights.base, columns: teacherColumns)
    try check(
        ck_vocabulary_distillation_f32(
            context.handle, rows, vocabulary, columns, hidden.base, weights.base, teacher, base(targets), temperature,
            1, 0, soft.base, hard.base, nil, nil, workspace.base), what)
}

private func checkHead(
    _ what: String, _ rows: Int, _ vocabulary: Int, _ columns: Int, _ hidden: Int, _ weights: Int, _ workspace: Int?,
    teacher: Bool = false
) {
    precondition(
        rows >= 0 && vocabulary > 0 && columns > 0 && hidden == rows * columns && weights == vocabulary * columns,
        "\(what): hidden of \(hidden) and weights of \(weights) for \(rows) rows, vocabulary \(vocabulary) and "
            + "\(columns) columns")
    guard let workspace else { return }
    let needed = vocabularyWorkspaceCount(rows: rows, vocabulary: vocabulary, teacher: teacher)
    precondition(workspace >= needed, "\(what): workspace of \(workspace), needed \(needed)")
}

private func checkVectors(_ what: String, _ rows: Int, targets: Int, losses: Int) {
    precondition(targets == rows && losses == rows, "\(what): \(targets) targets and \(losses) losses for \(rows) rows")
}
