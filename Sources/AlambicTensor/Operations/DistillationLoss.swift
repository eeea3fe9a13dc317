import AlambicKernels

/// What a student is to learn from a teacher at the vocabulary.
public struct DistillationTerms: Sendable {
    /// Temperature T > 0 that softens both distributions.
    public var temperature: Float
    /// Weight in 0...1 of the soft term; the hard targets have 1 minus it.
    public var mixing: Float
    /// What the soft term measures.
    public var divergence: Divergence

    /// Terms with a temperature above 0 and a mixing in 0...1.
    public init(temperature: Float, mixing: Float, divergence: Divergence = .forwardKL) {
        precondition(temperature > 0, "a temperature of \(temperature) is not positive")
        precondition(mixing >= 0 && mixing <= 1, "a mixing of \(mixing) is not in 0...1")
        if case .jensenShannon(let beta) = divergence {
            precondition(beta > 0 && beta < 1, "a beta of \(beta) is not between 0 and 1")
        }
        self.temperature = temperature
        self.mixing = mixing
        self.divergence = divergence
    }
}

/// Mean losses of a distillation step in nats per counted row.
public struct DistillationLosses: Sendable, Equatable {
    /// T² D(p, q) of the teacher's and the student's softened distributions, D being KL(p || q) if nothing else is said.
    public var soft: Double
    /// Cross-entropy with the hard targets.
    public var hard: Double
    /// mixing * soft + (1 - mixing) * hard.
    public var total: Double
}

/// The greatest probabilities of each row of a distribution, and what is left.
public struct KnownProbabilities: Sendable {
    /// [rows, count] classes; -1 where fewer are known.
    public var classes: [Int32]
    /// [rows, count], theirs.
    public var logProbabilities: [Float]
    /// The mass of all other classes in each row.
    public var tails: [Float]

    /// Classes with their log-probabilities, row by row, and one tail for each row.
    public init(classes: [Int32], logProbabilities: [Float], tails: [Float]) {
        (self.classes, self.logProbabilities, self.tails) = (classes, logProbabilities, tails)
    }
}

// L = mean over rows of a T² KL(p || q) + (1 - a) (-log q1_t), with p = softmax(z_teacher / T), q = softmax(z / T),
// q1 = softmax(z), a = mixing (Hinton, Vinyals and Dean, 2015, section 2: T² keeps the gradients' size).
//
// Backward: dL/dz = (a T (q - p) + (1 - a) (q1 - onehot(t))) / n, dx = dz W, dW = dzᵀ x.
// Rows are taken in chunks in increasing order, and dW is one chain of multiply-adds over all rows, so the result
// does not depend on the size of the chunks.
extension Tape {
    /// Hinton's distillation loss from hidden states of student and teacher, chunk of rows by chunk of rows.
    ///
    /// - Parameters:
    ///   - hidden: the student's, [batch, length, width].
    ///   - head: the student's weights of [vocabulary, width].
    ///   - targets: one for each row; rows with -1 do not count at all.
    ///   - teacherLogits: fills the given tensor [rows.count, vocabulary] with the teacher's logits of these rows.
    ///   - scale: what to multiply the gradient with. Not the returned losses.
    public func distillationLoss(
        hidden: Variable, head: ParameterID, targets: [Int32], terms: DistillationTerms, scale: Float = 1,
        teacherLogits: (_ rows: Range<Int>, _ into: Tensor) throws(KernelError) -> Void
    ) throws(KernelError) -> DistillationLosses {
        let execution = execution
        func taught(_ rows: Range<Int>, _ student: Tensor, _ teacher: Tensor) throws(KernelError) {
            if !execution.plans { try teacherLogits(rows, teacher) }
        }
        switch hidden.elements {
        case .f32(let tensor): return try distillationLoss(hidden, tensor, head, targets, terms, scale, taught)
        case .bf16(let tensor): return try distillationLoss(hidden, tensor, head, targets, terms, scale, taught)
        }
    }

    /// The same from a teacher of which only the greatest probabilities are known, at the temperature of `terms`: the
    /// divergence must be KL(p || q). With the classes K, their probabilities p and t = 1 - Σ_K p,
    ///
    ///     soft = T² (Σ_K p_j log(p_j / q_j) + t log(t / (1 - Σ_K q_j)))
    ///
    /// which is at most T² KL(p || q) of the whole distributions, since classes that share a bucket can only come closer (the
    /// log-sum inequality: Cover and Thomas, 2006, theorem 2.7.1). Its gradient is T (q - p̂), p̂ being p on K and t spread over
    /// the others as q is. See ``completeTeacher(classes:logProbabilities:tails:student:rows:vocabulary:temperature:into:on:)``.
    public func distillationLoss(
        hidden: Variable, head: ParameterID, targets: [Int32], terms: DistillationTerms, scale: Float = 1,
        known: KnownProbabilities
    ) throws(KernelError) -> DistillationLosses {
        precondition(terms.divergence == .forwardKL, "a truncated teacher with \(terms.divergence)")
        precondition(
            known.tails.count == targets.count && known.classes.count == known.logProbabilities.count
                && known.classes.count.isMultiple(of: targets.count),
            "\(known.classes.count) known classes with \(known.logProbabilities.count) log-probabilities and "
                + "\(known.tails.count) tails for \(targets.count) targets")
        let context = self.context
        let execution = execution
        execution.keep(known)
        let count = targets.isEmpty ? 0 : known.classes.count / targets.count
        func taught(_ rows: Range<Int>, _ student: Tensor, _ teacher: Tensor) throws(KernelError) {
            execution.keep(known)
            let part = rows.lowerBound * count..<rows.upperBound * count
            try completeTeacher(
                classes: known.classes.span.extracting(part),
                logProbabilities: known.logProbabilities.span.extracting(part),
                tails: known.tails.span.extracting(rows), student: student.span, rows: rows.count,
                vocabulary: student.columns, temperature: terms.temperature, into: teacher.mutableSpan, on: context)
        }
        switch hidden.elements {
        case .f32(let tensor): return try distillationLoss(hidden, tensor, head, targets, terms, scale, taught)
        case .bf16(let tensor): return try distillationLoss(hidden, tensor, head, targets, terms, scale, taught)
        }
    }

    private func distillationLoss<Element: Activation>(
        _ hidden: Variable, _ tensor: DenseTensor<Element>, _ head: ParameterID, _ targets: [Int32],
        _ terms: DistillationTerms, _ scale: Float,
        _ taught: (_ rows: Range<Int>, _ student: Tensor, _ into: Tensor) throws(KernelError) -> Void
    ) throws(KernelError) -> DistillationLosses {
        let weights = self.weights(head)
        let (rows, vocabulary, columns) = (tensor.rows, weights.rows, weights.columns)
        precondition(
            columns == tensor.columns && targets.count == rows,
            "\(targets.count) targets for hidden \(hidden.shape) and head \(weights.shape)")
        let counted = targets.count { $0 >= 0 }
        guard counted > 0 else { return DistillationLosses(soft: 0, hard: 0, total: 0) }
        // About 4 MB of logits at a time.
        let chunk = min(rows, max(16, (1 << 20) / vocabulary))
        try prepareHead(head)
        let (softLosses, hardLosses) = (try floats([rows, 1]), try floats([rows, 1]))
        execution.keep(targets)
        try addGradient(to: hidden.slot, Element.self) { target throws(KernelError) in
            for start in stride(from: 0, to: rows, by: chunk) {
                let range = start..<min(start + chunk, rows)
                let logits = try floats([range.count, vocabulary])
                let teacher = try floats([range.count, vocabulary])
                let student = tensor.rows(range)
                // The teacher runs at once, on a graph of its own: what may still be using this memory comes first.
                try execution.finish()
                try multiply(student, head, into: logits, epilogue: Epilogue())
                try taught(range, logits, teacher)
                try divergenceCrossEntropy(
                    terms.divergence, logits.mutableSpan, teacher: teacher.span,
                    targets: targets.span.extracting(range), rows: range.count, vocabulary: vocabulary,
                    temperature: terms.temperature, mixing: terms.mixing, gradientScale: scale / Float(counted),
                    soft: softLosses.rows(range).mutableSpan, hard: hardLosses.rows(range).mutableSpan, on: context)
                try multiplyBack(logits, head, into: target.rows(range), epilogue: Epilogue())
                guard parameters[head.index].trains else { continue }
                try matmul(
                    Element.product, M: vocabulary, N: columns, K: range.count, logits.span, .transposed, student.span,
                    .asIs, into: gradients[head].mutableSpan, store: store(head), epilogue: Epilogue(), on: context)
                execution.keep(targets)
            }
        }
        try execution.finish()
        let (soft, hard) = (softLosses.sum() / Double(counted), hardLosses.sum() / Double(counted))
        let mixing = Double(terms.mixing)
        return DistillationLosses(soft: soft, hard: hard, total: mixing * soft + (1 - mixing) * hard)
    }
}
