import AlambicKernels
import AlambicTensor

/// What a classifier is to make small: a description of the loss of one batch.
public protocol ClassificationLoss {
    /// Leaves the gradient of the batch's mean loss, times `scale`, on the tape.
    ///
    /// - Parameters:
    ///   - logits: [rows, classes]; may be overwritten.
    ///   - labels: a class for each row, or -1 for rows that do not count. They stay in place.
    func losses(of logits: Variable, labels: [Int32], scale: Float, on tape: Tape) throws(KernelError) -> RowLosses
}

/// The losses of a batch's rows, which are there once the tape has run.
public struct RowLosses {
    /// A loss for each row.
    let terms: [(rows: Tensor, weight: Double)]
    /// How many rows count.
    let count: Int

    /// The sum of some terms, each with a weight, of which `count` rows count.
    public init(_ terms: [(rows: Tensor, weight: Double)], count: Int) {
        self.terms = terms
        self.count = count
    }

    /// The mean over the rows that count.
    public var mean: Double {
        guard count > 0 else { return 0 }
        return terms.reduce(0) { $0 + $1.weight * $1.rows.elements.reduce(0) { $0 + Double($1) } } / Double(count)
    }
}

/// The mean cross-entropy of the right class, in nats.
public struct HardTargets: ClassificationLoss {
    /// Nothing to set.
    public init() {}

    /// Leaves the gradient on the tape.
    public func losses(
        of logits: Variable, labels: [Int32], scale: Float, on tape: Tape
    ) throws(KernelError) -> RowLosses {
        let rows = try tape.classificationLoss(logits: logits, targets: labels, scale: scale)
        return RowLosses([(rows, 1)], count: labels.count { $0 >= 0 })
    }
}

/// Hinton's mix of soft and hard targets (Hinton, Vinyals and Dean 2015, section 2; see `DistillationTerms`), with a
/// teacher's logits for this batch.
public struct SoftTargets: ClassificationLoss {
    /// The teacher's, [rows, classes].
    public let teacher: Tensor
    /// Temperature and mixing.
    public let terms: DistillationTerms

    /// The teacher's logits for the batch.
    public init(teacher: Tensor, terms: DistillationTerms) {
        self.teacher = teacher
        self.terms = terms
    }

    /// Leaves the gradient on the tape.
    public func losses(
        of logits: Variable, labels: [Int32], scale: Float, on tape: Tape
    ) throws(KernelError) -> RowLosses {
        let (soft, hard) = try tape.classificationDistillation(
            logits: logits, teacher: teacher, targets: labels, terms: terms, scale: scale)
        let mixing = Double(terms.mixing)
        return RowLosses([(soft, mixing), (hard, 1 - mixing)], count: labels.count { $0 >= 0 })
    }
}
