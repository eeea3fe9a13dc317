import AlambicKernels

// Losses of classifiers, whose logits are few: their gradient has memory of its own, since what made the logits may
// have kept them for its own gradient. Losses are written when the tape's operations run, at the latest at the end of
// `backward`.
extension Tape {
    /// The cross-entropy of classes, and the gradient of its mean.
    ///
    /// - Parameters:
    ///   - logits: [rows, classes].
    ///   - targets: a class for each row, or -1 for rows that do not count. They must stay in place until the losses are
    ///     there.
    ///   - scale: what to multiply the gradient with. Not the losses.
    ///   - smoothing: what of a target all classes share (Szegedy et al. 2016, section 7), 0...1.
    /// - Returns: a loss in nats for each row.
    public func classificationLoss(
        logits: Variable, targets: [Int32], scale: Float = 1, smoothing: Float = 0
    ) throws(KernelError) -> Tensor {
        let values = logits.value
        let (rows, classes) = (values.rows, values.columns)
        precondition(targets.count == rows, "\(targets.count) targets for logits of shape \(values.shape)")
        let (losses, gradient) = (try floats([rows]), try floats(values.shape))
        let counted = max(1, targets.count { $0 >= 0 })
        execution.keep(targets)
        execution.stage("cross-entropy", bytes: 8 * Double(values.count))
        try smoothedCrossEntropy(
            values.span, targets: targets.span, rows: rows, vocabulary: classes, smoothing: smoothing,
            gradientScale: scale / Float(counted), into: gradient.mutableSpan, losses: losses.mutableSpan, on: context)
        try addGradient(to: logits.slot, sharing: gradient)
        return losses
    }

    /// Hinton's mix of a teacher's soft and of hard targets (Hinton, Vinyals and Dean, 2015, section 2), and the gradient
    /// of its mean; see ``DistillationTerms``.
    ///
    /// - Parameters:
    ///   - logits: [rows, classes].
    ///   - teacher: the teacher's logits, of the same shape.
    ///   - targets: a class for each row, or -1 for rows that do not count.
    /// - Returns: soft and hard losses in nats for each row, the soft one with its factor T².
    public func classificationDistillation(
        logits: Variable, teacher: Tensor, targets: [Int32], terms: DistillationTerms, scale: Float = 1
    ) throws(KernelError) -> (soft: Tensor, hard: Tensor) {
        let values = logits.value
        let (rows, classes) = (values.rows, values.columns)
        precondition(
            targets.count == rows && teacher.shape.count == values.count,
            "\(targets.count) targets and a teacher of \(teacher.shape) for logits of shape \(values.shape)")
        let (soft, hard, gradient) = (try floats([rows]), try floats([rows]), try floats(values.shape))
        let counted = max(1, targets.count { $0 >= 0 })
        execution.keep(targets)
        execution.keep(teacher)
        execution.stage("distillation", bytes: 12 * Double(values.count))
        try divergenceCrossEntropy(
            terms.divergence, values.span, teacher: teacher.span, targets: targets.span, rows: rows,
            vocabulary: classes, temperature: terms.temperature, mixing: terms.mixing,
            gradientScale: scale / Float(counted), into: gradient.mutableSpan, soft: soft.mutableSpan,
            hard: hard.mutableSpan, on: context)
        try addGradient(to: logits.slot, sharing: gradient)
        return (soft, hard)
    }
}
