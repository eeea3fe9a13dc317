import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// A copy of the model with weights of its own, at work for one logical worker. Used by one thread at a time.
public protocol GradientReplica: AnyObject, Sendable {
    /// Its weights, in the order of the walk, which methods overwrite between gradients.
    var parameters: [Parameter] { get }
    /// Where its kernels run.
    var context: Context { get }
    /// Loss and gradients of a batch, which is the same for whoever computes it. The gradients stay until the next call.
    func gradient(ofBatch index: Int) throws(TrainingError) -> (loss: Double, gradients: GradientSet)
}

extension GradientReplica {
    /// Takes over weights.
    func copyWeights(from other: [Parameter]) {
        for (mine, new) in zip(parameters, other) {
            mine.value.copy(from: new.value)
            mine.valueChanged()
        }
    }
}

/// Copies of parameters in memory of their own.
func copies(of parameters: [Parameter]) throws(KernelError) -> [Parameter] {
    var all: [Parameter] = []
    for parameter in parameters {
        all.append(
            Parameter(
                path: parameter.path, kind: parameter.kind, decays: parameter.decays,
                value: try parameter.value.copied()))
    }
    return all
}

/// A classifier's replica over mini-batches: batch i is the i-th of ``ImageBatches``, its loss and gradient are means over
/// the batch.
public final class ClassifierReplica: GradientReplica, @unchecked Sendable {
    private let worker: ClassifierWorker
    private var batches: ImageBatches
    private let seed: UInt64

    /// A replica with a copy of `parameters`. Replicas over equal data with equal seeds see equal batches.
    public init(
        _ classifier: Classifier, parameters: [Parameter], examples: LabelledImages, rows: Int, seed: UInt64,
        on context: Context
    ) throws(ParallelError) {
        let own = try kernels { () throws(KernelError) in try copies(of: parameters) }
        worker = try training { () throws(TrainingError) in
            try ClassifierWorker(classifier, parameters: own, on: context)
        }
        batches = try kernels { () throws(KernelError) in
            try ImageBatches(of: examples, rows: rows, seed: seed, on: context)
        }
        self.seed = seed
    }

    /// Its weights.
    public var parameters: [Parameter] { worker.parameters }
    /// Where its kernels run.
    public var context: Context { worker.context }

    /// Mean loss and gradients of a mini-batch.
    public func gradient(ofBatch index: Int) throws(TrainingError) -> (loss: Double, gradients: GradientSet) {
        let images: Tensor
        let labels: [Int32]
        do { (images, labels) = try batches.batch(index) } catch { throw .kernel(error) }
        return try worker.gradient(images: images, labels: labels, seed: seed, stream: UInt64(index))
    }
}

/// A classifier's replica over the pieces of one large batch: the losses and gradients of all pieces sum to the means over
/// the whole batch.
public final class ClassifierPieces: GradientReplica, @unchecked Sendable {
    /// How many pieces the batch is cut into.
    public let pieces: Int
    private let worker: ClassifierWorker
    private let examples: LabelledImages

    /// A replica with a copy of `parameters`.
    public init(
        _ classifier: Classifier, parameters: [Parameter], examples: LabelledImages, pieces: Int, on context: Context
    ) throws(ParallelError) {
        precondition(
            pieces > 0 && pieces <= examples.count, "\(pieces) pieces of \(examples.count) examples")
        let own = try kernels { () throws(KernelError) in try copies(of: parameters) }
        worker = try training { () throws(TrainingError) in
            try ClassifierWorker(classifier, parameters: own, on: context)
        }
        self.examples = examples
        self.pieces = pieces
    }

    /// Its weights.
    public var parameters: [Parameter] { worker.parameters }
    /// Where its kernels run.
    public var context: Context { worker.context }

    /// Piece `index`'s part of the mean loss and of its gradient.
    public func gradient(ofBatch index: Int) throws(TrainingError) -> (loss: Double, gradients: GradientSet) {
        precondition((0..<pieces).contains(index), "piece \(index) of \(pieces)")
        let range = examples.count * index / pieces..<examples.count * (index + 1) / pieces
        let part = examples.slice(range)
        let share = Double(range.count) / Double(examples.count)
        let (loss, gradients) = try worker.gradient(images: part.images, labels: part.labels, scale: Float(share))
        return (loss * share, gradients)
    }
}
