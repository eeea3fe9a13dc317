import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// A run of a classifier's layers on a team of its own. Used by one thread at a time.
final class PipelineStage: @unchecked Sendable {
    let gradients: GradientSet
    private let classifier: Classifier
    private let context: Context
    /// How many dropouts of the whole network come before this stage's.
    private let dropoutsBefore: Int
    private let isFirst: Bool
    private let parameters: [Parameter]
    /// One for each micro-batch whose activations wait for their gradient.
    private var tapes: [Tape] = []
    private var inputs: [Variable] = []
    private var outputs: [Variable] = []

    init(
        _ classifier: Classifier, parameters: [Parameter], dropoutsBefore: Int, isFirst: Bool, on context: Context
    ) throws(KernelError) {
        self.classifier = classifier
        self.parameters = parameters
        self.dropoutsBefore = dropoutsBefore
        self.isFirst = isFirst
        self.context = context
        gradients = try GradientSet(for: parameters)
    }

    /// Forward; what comes out stays until ``backward(_:from:)`` of this micro-batch.
    func forward(
        _ input: Tensor, microBatch: Int, seed: UInt64, stream: UInt64
    ) throws(KernelError) -> Tensor {
        if microBatch == 0 { (inputs, outputs) = ([], []) }
        if microBatch == tapes.count {
            tapes.append(try Tape(parameters, gradients: gradients, on: context))
        }
        let tape = tapes[microBatch]
        try tape.begin(
            seed: seed, stream: stream, refreshing: microBatch == 0, gradients: microBatch == 0 ? .replace : .accumulate
        )
        tape.skipDropouts(dropoutsBefore)
        inputs.append(isFirst ? tape.constant(input) : tape.input(input))
        outputs.append(try classifier.logits(inputs[microBatch], on: tape))
        return outputs[microBatch].value
    }

    /// Backward from the gradient of what came out; returns that of what came in, nil for the first stage.
    func backward(_ gradient: Tensor, microBatch: Int) throws(KernelError) -> Tensor? {
        let tape = tapes[microBatch]
        try tape.seed(gradient, of: outputs[microBatch])
        try tape.backward()
        return isFirst ? nil : tape.gradient(of: inputs[microBatch])
    }

    /// Backward from the loss of the logits that came out.
    func backward(
        labels: [Int32], scale: Float, microBatch: Int
    ) throws(KernelError) -> (loss: Double, gradient: Tensor?) {
        let tape = tapes[microBatch]
        let losses = try HardTargets().losses(of: outputs[microBatch], labels: labels, scale: scale, on: tape)
        try tape.backward()
        return (losses.mean, isFirst ? nil : tape.gradient(of: inputs[microBatch]))
    }
}
