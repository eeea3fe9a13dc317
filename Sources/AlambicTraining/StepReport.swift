import AlambicFiles
import AlambicTensor

/// What one training step did.
public struct StepReport: Sendable {
    /// The number of steps done, this one included.
    public let step: Int
    /// The mean loss over the step's tokens, in nats, before the update.
    public let loss: Double
    /// The loss's terms by name, when it has several.
    public let terms: [String: Double]
    /// The learning rate of the update.
    public let rate: Double
    /// The norm of all gradients together, before clipping.
    public let gradientNorm: Double
    /// Tokens that the step learned from.
    public let tokens: Int
    /// Wall-clock time of the step.
    public let seconds: Double
    /// The share of the arithmetic's peak (``Trainer/arithmeticPeak``) that the step reached, where that is known.
    public var utilization: Double?

    /// A report of a step that somebody else made.
    public init(
        step: Int, loss: Double, terms: [String: Double] = [:], rate: Double, gradientNorm: Double, tokens: Int,
        seconds: Double, utilization: Double? = nil
    ) {
        (self.step, self.loss, self.terms, self.rate) = (step, loss, terms, rate)
        (self.gradientNorm, self.tokens, self.seconds) = (gradientNorm, tokens, seconds)
        self.utilization = utilization
    }

    /// Tokens per second.
    public var tokensPerSecond: Double { Double(tokens) / max(seconds, 1e-9) }

    /// The report as one JSON object.
    public var json: JSON {
        var object: JSONObject = [
            "step": .number(step), "loss": .number(loss), "rate": .number(rate),
            "gradient_norm": .number(gradientNorm), "tokens_per_s": .number(tokensPerSecond.rounded()),
            "seconds": .number(seconds),
        ]
        if let utilization { object["utilization"] = .number(utilization) }
        for (name, value) in terms.sorted(by: { $0.key < $1.key }) { object["loss_\(name)"] = .number(value) }
        return .object(object)
    }
}

/// The third of the trainer's sockets: what happens after every step, such as metrics, checkpoints, schedules of
/// pruning, ranges of quantization.
public protocol AfterStep: AnyObject {
    /// What its effect on the weights depends on, for checkpoints: a run resumes only where all of it agrees. Nothing by
    /// default, for those that change no weights.
    var settings: [String: String] { get }

    /// What it has learned on the way and goes on from, by names that are nobody else's: a checkpoint holds these tensors,
    /// and a resume fills them. Nothing by default.
    var state: [String: Tensor] { get }

    /// Called at the end of a resume, with ``state`` and the trainer's step as they were. Does nothing by default.
    func resumed(_ trainer: Trainer)

    /// Called after the update. May change weights and settings of the trainer. Does nothing by default.
    func afterStep(_ report: StepReport, of trainer: Trainer) throws(TrainingError)

    /// Called when all others have done what they do after the step, wherever they stand: for what looks at the step as a
    /// whole, such as checkpoints. Must change nothing that a later step depends on. Does nothing by default.
    func stepIsOver(_ report: StepReport, of trainer: Trainer) throws(TrainingError)
}

extension AfterStep {
    /// Nothing.
    public var settings: [String: String] { [:] }
    /// Nothing.
    public var state: [String: Tensor] { [:] }
    /// Nothing.
    public func resumed(_ trainer: Trainer) {}
    /// Nothing.
    public func afterStep(_ report: StepReport, of trainer: Trainer) throws(TrainingError) {}
    /// Nothing.
    public func stepIsOver(_ report: StepReport, of trainer: Trainer) throws(TrainingError) {}
}
