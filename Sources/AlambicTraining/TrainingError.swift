import AlambicKernels

/// What can stop a training run.
public enum TrainingError: Error, Sendable, CustomStringConvertible {
    /// The loss or the gradient became NaN or infinite in the step of this number, counted from 1. Weights and optimizer
    /// are as they were before that step.
    case notFinite(step: Int, quantity: String, value: Double, lastCheckpoint: String?)
    /// A batch needs more memory than there is; with the settings of `remedy` it would not.
    case doesNotFit(rows: Int, context: Int, needed: Int, available: Int, remedy: MemoryRemedy? = nil)
    /// A model with its gradients and optimizer needs more memory than there is.
    case modelDoesNotFit(parameters: Int, needed: Int, available: Int)
    /// A batch cannot be cut into equal micro-batches.
    case notDivisible(rows: Int, microBatches: Int)
    /// Micro-batches cannot be dealt to replicas without changing the order of sums.
    case badReplicas(microBatches: Int, replicas: Int)
    /// Sequences are longer than the model's.
    case contextTooLong(context: Int, limit: Int)
    /// The corpus has tokens that the model does not know.
    case vocabularyTooSmall(token: Int, vocabulary: Int)
    /// The models of an objective do not go together.
    case modelsDiffer(String)
    /// A checkpoint belongs to another run; `differences` names what differs.
    case otherRun(checkpoint: String, differences: [String])
    /// A checkpoint cannot be read or written.
    case checkpoint(String, reason: String)
    /// The run was asked to stop, after this many steps.
    case cancelled(step: Int, checkpoint: String?)
    /// An evaluation was asked to stop, after this many of its tokens.
    case evaluationCancelled(tokens: Int, of: Int)
    /// A quantization was asked to stop, after this many of the model's blocks.
    case quantizationCancelled(blocks: Int, of: Int)
    /// Pruning after a calibration was asked to stop, after this many of the model's blocks.
    case pruningCancelled(blocks: Int, of: Int)
    /// A setting is outside of its range.
    case badSetting(String)
    /// A kernel failed.
    case kernel(KernelError)

    /// One line that says what is wrong and what to do.
    public var description: String {
        switch self {
        case .notFinite(let step, let quantity, let value, let checkpoint):
            "the \(quantity) became \(value.isNaN ? "not a number" : "\(value)") in step \(step); "
                + (checkpoint.map { "the last good checkpoint is '\($0)'" } ?? "there is no checkpoint yet")
                + ": lower the learning rate or clip gradients"
        case .doesNotFit(let rows, let context, let needed, let available, let remedy):
            "a batch of \(rows) sequences of \(context) tokens needs about \(megabytes(needed)) and "
                + "\(megabytes(available)) are available: "
                + (remedy?.description ?? "use a smaller batch, a shorter context or more micro-batches")
        case .modelDoesNotFit(let parameters, let needed, let available):
            "training \(parameters) parameters needs about \(megabytes(needed)) and \(megabytes(available)) are "
                + "available: use a smaller model, or an optimizer that remembers less, such as adamw8bit"
        case .notDivisible(let rows, let microBatches):
            "a batch of \(rows) sequences cannot be cut into \(microBatches) equal micro-batches: "
                + "make the batch a multiple of \(microBatches)"
        case .badReplicas(let microBatches, let replicas):
            "\(microBatches) micro-batches cannot be dealt to \(replicas) replicas: each must get the same number, "
                + "a power of two, of them"
        case .contextTooLong(let context, let limit):
            "the context of \(context) tokens is longer than the model's \(limit): use at most \(limit)"
        case .vocabularyTooSmall(let token, let vocabulary):
            "token \(token) is outside of the model's vocabulary of \(vocabulary): use the model's own tokenizer"
        case .modelsDiffer(let text): text
        case .otherRun(let checkpoint, let differences):
            "checkpoint '\(checkpoint)' belongs to another run: \(differences.joined(separator: "; ")). "
                + "Use the same settings or another directory"
        case .checkpoint(let path, let reason): "checkpoint '\(path)': \(reason)"
        case .cancelled(let step, let checkpoint):
            "stopped after step \(step)" + (checkpoint.map { ", resumable from '\($0)'" } ?? "")
        case .evaluationCancelled(let tokens, let all): "evaluation interrupted after \(tokens) of \(all) tokens"
        case .quantizationCancelled(let blocks, let all): "quantization interrupted after \(blocks) of \(all) blocks"
        case .pruningCancelled(let blocks, let all): "pruning interrupted after \(blocks) of \(all) blocks"
        case .badSetting(let text): text
        case .kernel(let error): error.description
        }
    }
}

/// Runs kernels where training errors are thrown.
func kernels<Result>(_ body: () throws(KernelError) -> Result) throws(TrainingError) -> Result {
    do { return try body() } catch { throw .kernel(error) }
}
