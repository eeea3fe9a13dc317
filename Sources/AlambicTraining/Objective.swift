import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTokenizers

/// The first of the trainer's sockets: what is to be made small.
///
/// An objective is a description; the work is done by one ``LossFunction`` for each worker, since replicas compute at
/// the same time.
public protocol Objective: Sendable {
    /// What the objective depends on, for checkpoints: a run resumes only where all of it agrees.
    var settings: [String: String] { get }

    /// Refuses a model whose tokens do not mean what the objective takes them for. Called once, before anything is computed;
    /// by default every tokenizer will do.
    func check(tokenizer: (any Tokenizer)?) throws(TrainingError)
    /// Refuses batches of a source that the objective cannot learn from. Called before the first of them; by default every
    /// source will do.
    func check(source: BatchSource) throws(TrainingError)

    /// Makes what computes the loss of a model on one worker's context.
    func lossFunction(for architecture: any Architecture, on context: Context) throws(TrainingError)
        -> any LossFunction
}

extension Objective {
    /// Every tokenizer will do.
    public func check(tokenizer: (any Tokenizer)?) throws(TrainingError) {}
    /// Every source will do.
    public func check(source: BatchSource) throws(TrainingError) {}
}

/// An objective at work on one tape.
public protocol LossFunction: AnyObject {
    /// Runs the forward pass of a micro-batch on the tape and leaves the gradient of the loss there.
    ///
    /// The gradient is multiplied by `microBatch.scale`; the loss returned is not.
    func loss(of microBatch: MicroBatch, on tape: Tape) throws(KernelError) -> Loss
}

/// The mean loss of some tokens in nats per token.
public struct Loss: Sendable, Equatable {
    /// What is made small.
    public var total: Double
    /// What it is made of, by name, when it has several terms.
    public var terms: [String: Double]

    /// A loss with its terms.
    public init(_ total: Double, terms: [String: Double] = [:]) {
        self.total = total
        self.terms = terms
    }

    func scaled(by factor: Double) -> Loss { Loss(total * factor, terms: terms.mapValues { $0 * factor }) }

    /// The sum of losses and of their terms.
    public static func + (a: Loss, b: Loss) -> Loss {
        Loss(a.total + b.total, terms: a.terms.merging(b.terms, uniquingKeysWith: +))
    }
}

/// A part of a batch that goes through the model at once.
public struct MicroBatch: Sendable {
    /// The input.
    public let tokens: Tokens
    /// For every input token the one that follows, or -1.
    public let targets: [Int32]
    /// The share of the step's targets that are in this part: what its gradient and loss count for.
    public let scale: Float
    /// Key of the dropout masks.
    public let seed: UInt64
    /// Random stream of the dropout masks, different for every micro-batch of a run.
    public let stream: UInt64
    /// The model's layers, with the dropout rate of this step.
    public let architecture: any Architecture
    /// Where in its corpus each sequence begins; nil where that is not known.
    public var starts: [Int]?
}

/// The mean cross-entropy of the next token.
public struct LanguageModel: Objective {
    /// Nothing to set.
    public init() {}

    /// What a resumed run must agree with.
    public var settings: [String: String] { ["name": "languageModel"] }

    /// Makes what computes the loss on one worker's context.
    public func lossFunction(for architecture: any Architecture, on context: Context) throws(TrainingError)
        -> any LossFunction
    {
        Function()
    }

    private final class Function: LossFunction {
        func loss(of microBatch: MicroBatch, on tape: Tape) throws(KernelError) -> Loss {
            let architecture = microBatch.architecture
            let hidden = try architecture.hidden(microBatch.tokens, on: tape)
            return Loss(
                try tape.languageModelLoss(
                    hidden: hidden, head: architecture.head, targets: microBatch.targets, scale: microBatch.scale))
        }
    }
}

extension Objective where Self == LanguageModel {
    /// The mean cross-entropy of the next token.
    public static var languageModel: LanguageModel { LanguageModel() }
}
