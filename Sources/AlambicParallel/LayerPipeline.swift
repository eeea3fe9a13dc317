import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining
import Foundation
import Synchronization

/// A classifier split by layers over several teams in one process (Dean et al. 2012, section 3; micro-batches after Huang et
/// al. 2019, GPipe): each stage has its own weights, gradients and cores, and hands activations on and gradients back.
///
/// With several micro-batches stages work at the same time: a stage sends the activations of all micro-batches ahead, the
/// last one answers each with its gradient at once. The share of the time in which a stage of S is idle is about
/// (S - 1) / (M + S - 1). Gradients are summed in the order of the micro-batches: losses and gradients have the bits of
/// the unsplit network that accumulates the same micro-batches, dropout included.
public final class LayerPipeline {
    /// How many stages there are.
    public var count: Int { stages.count }
    private let stages: [PipelineStage]
    /// Which of the network's parameters each stage has.
    private let ranges: [Range<Int>]
    private let gradients: GradientSet

    /// - Parameters:
    ///   - parameters: the whole network's, which the stages share between them.
    ///   - cuts: the layers that stages after the first begin with, in order. Every stage must have weights.
    ///   - contexts: one for each stage. Teams that share no core run at the same time.
    public init(
        _ classifier: Classifier, parameters: [Parameter], cuts: [Int], on contexts: [Context]
    ) throws(ParallelError) {
        let bounds = [0] + cuts + [classifier.layers.count]
        precondition(
            contexts.count == cuts.count + 1 && zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 },
            "cuts before layers \(cuts) of \(classifier.layers.count) for \(contexts.count) teams")
        precondition(
            parameters.map(\.shape) == classifier.parameters.map(\.shape), "these are not the classifier's parameters")
        var (stages, ranges): ([PipelineStage], [Range<Int>]) = ([], [])
        let shapes = classifier.shapes
        var (first, dropouts) = (0, 0)
        for (stage, context) in contexts.enumerated() {
            let layers = Array(classifier.layers[bounds[stage]..<bounds[stage + 1]])
            let range = first..<first + 2 * layers.count(where: \.hasWeights)
            precondition(!range.isEmpty, "layers \(bounds[stage])..<\(bounds[stage + 1]) have no weights")
            stages.append(
                try kernels { () throws(KernelError) in
                    try PipelineStage(
                        Classifier(input: shapes[bounds[stage]], layers: layers), parameters: Array(parameters[range]),
                        dropoutsBefore: dropouts, isFirst: stage == 0, on: context)
                })
            ranges.append(range)
            first = range.upperBound
            dropouts += layers.count { if case .dropout = $0 { true } else { false } }
        }
        self.stages = stages
        self.ranges = ranges
        gradients = try kernels { () throws(KernelError) in try GradientSet(for: parameters) }
    }

    /// The mean loss of a batch and its gradients, which stay until the next call.
    ///
    /// - Parameters:
    ///   - microBatches: into how many equal parts the batch is cut. Micro-batch m has the dropout masks of stream
    ///     `stream * microBatches + m`.
    public func gradient(
        images: Tensor, labels: [Int32], microBatches: Int = 1, seed: UInt64 = 0, stream: UInt64 = 0
    ) throws(ParallelError) -> (loss: Double, gradients: GradientSet) {
        precondition(microBatches > 0 && images.rows == labels.count, "\(labels.count) labels for \(images.shape)")
        guard labels.count.isMultiple(of: microBatches), !labels.isEmpty else {
            throw .training(.notDivisible(rows: labels.count, microBatches: microBatches))
        }
        let pass = PipelinePass(
            stages, images: images, labels: labels, microBatches: microBatches, seed: seed, stream: stream)
        let group = DispatchGroup()
        for stage in stages.indices {
            group.enter()
            Thread {
                pass.run(stage)
                group.leave()
            }.start()
        }
        group.wait()
        let loss = try pass.loss()
        for (stage, range) in zip(stages, ranges) {
            for (own, index) in zip(stage.gradients.tensors, range) { gradients.tensors[index].copy(from: own) }
        }
        return (loss, gradients)
    }
}

/// One batch on its way through the stages, each on a thread.
private final class PipelinePass: Sendable {
    private let stages: [PipelineStage]
    private let images: Tensor
    private let labels: [Int32]
    private let microBatches: Int
    private let seed: UInt64
    private let stream: UInt64
    /// Between stages i and i + 1.
    private let activations: [Channel<Tensor>]
    private let gradients: [Channel<Tensor>]
    private let outcome = Mutex<(losses: [Double], error: KernelError?)>(([], nil))

    init(
        _ stages: [PipelineStage], images: Tensor, labels: [Int32], microBatches: Int, seed: UInt64, stream: UInt64
    ) {
        self.stages = stages
        self.images = images
        self.labels = labels
        self.microBatches = microBatches
        self.seed = seed
        self.stream = stream
        activations = stages.dropFirst().map { _ in Channel() }
        gradients = stages.dropFirst().map { _ in Channel() }
    }

    /// The mean over the micro-batches.
    func loss() throws(ParallelError) -> Double {
        let (losses, error) = outcome.withLock { $0 }
        if let error { throw .training(.kernel(error)) }
        return losses.reduce(0, +) / Double(microBatches)
    }

    /// A stage's part. Where it fails, it closes what others wait for.
    func run(_ stage: Int) {
        do throws(KernelError) {
            if stage == stages.count - 1 { try finish(stage) } else { try forwardThenBackward(stage) }
        } catch {
            outcome.withLock { if $0.error == nil { $0.error = error } }
            for channel in activations + gradients { channel.close() }
        }
    }

    private func rows(_ microBatch: Int) -> Range<Int> {
        let rows = labels.count / microBatches
        return microBatch * rows..<(microBatch + 1) * rows
    }

    private func input(_ stage: Int, _ microBatch: Int) -> Tensor? {
        stage == 0 ? images.rows(rows(microBatch)) : activations[stage - 1].receive()
    }

    private func forward(_ stage: Int, _ input: Tensor, _ microBatch: Int) throws(KernelError) -> Tensor {
        try stages[stage].forward(
            input, microBatch: microBatch, seed: seed, stream: stream * UInt64(microBatches) + UInt64(microBatch))
    }

    private func forwardThenBackward(_ stage: Int) throws(KernelError) {
        for m in 0..<microBatches {
            guard let input = input(stage, m) else { return }
            activations[stage].send(try forward(stage, input, m))
        }
        for m in 0..<microBatches {
            guard let gradient = gradients[stage].receive() else { return }
            let before = try stages[stage].backward(gradient, microBatch: m)
            if let before { gradients[stage - 1].send(before) }
        }
    }

    private func finish(_ stage: Int) throws(KernelError) {
        for m in 0..<microBatches {
            guard let input = input(stage, m) else { return }
            _ = try forward(stage, input, m)
            let (loss, before) = try stages[stage].backward(
                labels: Array(labels[rows(m)]), scale: 1 / Float(microBatches), microBatch: m)
            outcome.withLock { $0.losses.append(loss) }
            if stage > 0, let before { gradients[stage - 1].send(before) }
        }
    }
}
