import AlambicKernels
import AlambicOptimizers
import AlambicTensor

extension MaxNorm: AfterClassifierStep {
    /// Projects the weights of every matrix.
    public func afterStep(of trainer: ClassifierTrainer) throws(TrainingError) {
        for parameter in trainer.parameters where parameter.kind == .matrix {
            try kernels { () throws(KernelError) in try maxNorm(parameter, limit: limit, on: trainer.context) }
        }
    }
}

extension ProximalL1: AfterClassifierStep {
    /// Shrinks the weights of every matrix by the step of the update before.
    public func afterStep(of trainer: ClassifierTrainer) throws(TrainingError) {
        let rate = trainer.optimizer.rate.rate(at: max(0, trainer.state.step - 1))
        for parameter in trainer.parameters where parameter.kind == .matrix {
            try kernels { () throws(KernelError) in
                try softThreshold(parameter, rate: rate, coefficient: coefficient, on: trainer.context)
            }
        }
    }
}
