import AlambicKernels
import AlambicOptimizers
import AlambicTensor

/// An L1 penalty `coefficient · ‖w‖₁` on every trained matrix by its proximal step, after each update: see `softThreshold`.
/// Weights become exactly zero.
///
/// The step is that of plain gradient descent, `rate · coefficient`: with an optimizer that scales its steps per weight, such as
/// Adam, this is a decoupled penalty, as AdamW's decay is, and not the minimiser of loss plus penalty.
public final class ProximalL1: AfterStep {
    /// The penalty's coefficient.
    public var coefficient: Double

    /// A penalty of this coefficient.
    public init(coefficient: Double) { self.coefficient = coefficient }

    /// What a resumed run must agree with.
    public var settings: [String: String] { ["proximal_l1": "\(coefficient)"] }

    /// Shrinks the weights.
    public func afterStep(_ report: StepReport, of trainer: Trainer) throws(TrainingError) {
        guard coefficient >= 0 else { throw .badSetting("an L1 penalty of \(coefficient): use at least 0") }
        for parameter in trainer.parameters where parameter.trains && parameter.kind == .matrix {
            try kernels { () throws(KernelError) in
                try softThreshold(parameter, rate: report.rate, coefficient: coefficient, on: trainer.context)
            }
        }
    }
}
