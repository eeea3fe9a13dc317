import AlambicKernels
import AlambicOptimizers
import AlambicTensor

/// Holds the weights that come into each unit of every trained matrix within a ball, after each step (Srivastava et al. 2014,
/// section 5.1): see `maxNorm`. Embeddings, positions, gains and biases are left alone.
public final class MaxNorm: AfterStep {
    /// The largest norm of a row of weights.
    public var limit: Double

    /// A bound on every row's norm; the paper's are 2 to 4.
    public init(limit: Double) { self.limit = limit }

    /// What a resumed run must agree with.
    public var settings: [String: String] { ["max_norm": "\(limit)"] }

    /// Projects the weights.
    public func afterStep(_ report: StepReport, of trainer: Trainer) throws(TrainingError) {
        guard limit >= 0 else { throw .badSetting("weights cannot have a norm of \(limit): use a number over 0") }
        for parameter in trainer.parameters where parameter.trains && parameter.kind == .matrix {
            try kernels { () throws(KernelError) in try maxNorm(parameter, limit: limit, on: trainer.context) }
        }
    }
}
