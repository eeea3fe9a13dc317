import AlambicKernels
import AlambicModels
import AlambicTensor

/// The mean cross-entropy of the next token against a target that leaves a share `smoothing` to all tokens alike (Szegedy et al. 2016,
/// section 7): `q = (1 - smoothing) [token] + smoothing / vocabulary`.
///
/// It keeps the largest logits from growing without bound, and so makes predictions less confident and often better calibrated.
/// Training losses are those against the smoothed target, whose least value is its entropy and not 0; held-out losses are
/// plain cross-entropy, as everywhere. A teacher trained with it distils worse (Müller et al. 2019).
public struct LabelSmoothing: Objective {
    /// What of a target all tokens share, 0...1; the paper's is 0.1.
    public let smoothing: Double

    /// A share of the target that all tokens have alike.
    public init(_ smoothing: Double = 0.1) { self.smoothing = smoothing }

    /// What a resumed run must agree with.
    public var settings: [String: String] { ["name": "labelSmoothing", "smoothing": "\(smoothing)"] }

    /// Makes what computes the loss on one worker's context.
    public func lossFunction(for architecture: any Architecture, on context: Context) throws(TrainingError)
        -> any LossFunction
    {
        guard (0...1).contains(smoothing) else {
            throw .badSetting("labels cannot be smoothed by \(smoothing): use a share from 0 to 1, such as 0.1")
        }
        return Function(Float(smoothing))
    }

    private final class Function: LossFunction {
        let smoothing: Float
        init(_ smoothing: Float) { self.smoothing = smoothing }

        func loss(of microBatch: MicroBatch, on tape: Tape) throws(KernelError) -> Loss {
            let architecture = microBatch.architecture
            let hidden = try architecture.hidden(microBatch.tokens, on: tape)
            return Loss(
                try tape.languageModelLoss(
                    hidden: hidden, head: architecture.head, targets: microBatch.targets, scale: microBatch.scale,
                    smoothing: smoothing))
        }
    }
}

extension Objective where Self == LabelSmoothing {
    /// The mean cross-entropy of the next token against a smoothed target.
    public static func labelSmoothing(_ smoothing: Double = 0.1) -> LabelSmoothing { LabelSmoothing(smoothing) }
}
