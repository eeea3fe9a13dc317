import AlambicKernels
import AlambicTensor

/// The mean cross-entropy against targets of which all classes share a part (Szegedy et al. 2016, section 7), in nats: see
/// ``LabelSmoothing``, which is the same for language models.
public struct SmoothedTargets: ClassificationLoss {
    /// What of a target all classes share, 0...1; the paper's is 0.1. `.badArgument` is thrown outside it.
    public let smoothing: Double

    /// A share of the target that all classes have alike.
    public init(_ smoothing: Double = 0.1) { self.smoothing = smoothing }

    /// Leaves the gradient on the tape.
    public func losses(
        of logits: Variable, labels: [Int32], scale: Float, on tape: Tape
    ) throws(KernelError) -> RowLosses {
        let rows = try tape.classificationLoss(
            logits: logits, targets: labels, scale: scale, smoothing: Float(smoothing))
        return RowLosses([(rows, 1)], count: labels.count { $0 >= 0 })
    }
}
