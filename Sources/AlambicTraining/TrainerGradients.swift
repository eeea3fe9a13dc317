import AlambicKernels
import AlambicTensor

extension Trainer {
    /// The loss of a batch and its gradients, without a step: for methods that look at gradients and do not follow them.
    /// The set stays valid until the next call, and the next step.
    public func gradients(of batch: Batch) throws(TrainingError) -> (loss: Double, gradients: GradientSet) {
        for parameter in parameters {
            try kernels { () throws(KernelError) in try parameter.refresh(on: context) }
        }
        let (loss, gradients) = try reducer.sum(of: cut(batch))
        return (loss.total, gradients)
    }

    /// How many gradients are computed at the same time.
    public var concurrency: Int { reducer.concurrency }
}
