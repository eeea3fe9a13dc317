import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// The forward pass of quantization-aware training: what goes into each layer is replaced by what the deployed integer kernels
/// make of the layers before it, and gradients pass straight through.
///
/// A pass computes each layer twice: in floats, for the gradient's sake (what was cut off has none), and in integers, whose
/// result the next layer reads. With dropout between layers, which integers do not know, values are rounded to the integers'
/// real numbers instead (``Tape/fakeQuantized(_:_:)``).
final class QuantizedForward: AfterClassifierStep {
    let classifier: Classifier
    let parameters: [Parameter]
    let scheme: IntegerScheme
    let watch: ActivationWatch
    let plan: IntegerPlan
    /// Steps before activations are quantized.
    var delay = 0
    /// Whether activations are quantized yet.
    private(set) var quantizes = false
    private var steps = 0
    /// Ranges of the activations, at the last step.
    private(set) var activations: [AffineParameters] = []
    /// The integers of the pass that was noted last, which must stay until it has run.
    private(set) var network: IntegerNetwork?
    private var images: DenseTensor<UInt8>?
    private var workspace: IntegerWorkspace?
    private let context: Context

    init(
        _ classifier: Classifier, _ parameters: [Parameter], _ scheme: IntegerScheme, _ observer: any RangeObserver,
        on context: Context
    ) throws(TrainingError) {
        (self.classifier, self.parameters, self.scheme, self.context) = (classifier, parameters, scheme, context)
        watch = try ActivationWatch(classifier, observer)
        do throws(KernelError) { plan = try IntegerPlan(classifier) } catch { throw .kernel(error) }
    }

    /// Whether a pass runs in integers.
    var runsIntegers: Bool { quantizes && !plan.hasDropout }

    /// What was seen in a step moves the ranges.
    func afterStep(of trainer: ClassifierTrainer) throws(TrainingError) {
        try watch.observe()
        activations = try watch.parameters(scheme.activationForm)
        steps += 1
        quantizes = steps >= delay
    }

    /// What goes into a layer, replaced.
    func observe(_ layer: Int, _ value: Variable, _ tape: Tape) throws(KernelError) -> Variable {
        guard let place = watch.place(of: layer) else { return value }
        watch.note(layer, value)
        guard quantizes, place < activations.count else { return value }
        let affine = activations[place]
        guard runsIntegers else { return try tape.fakeQuantized(value, affine.kernel) }
        return try tape.replaced(value, within: affine.kernel) { input, output, context throws(KernelError) in
            let count = input.count / width(place)
            let levels = place == 0 ? try begin(input, on: context) : try advance(to: place, count, on: context)
            try dequantize(
                levels.span(0..<output.count), scale: affine.scale, zeroPoint: affine.zeroPoint,
                into: output.mutableSpan, on: context)
        }
    }

    /// The logits of a pass, replaced by those of the integers.
    func deployedLogits(_ logits: Variable, on tape: Tape) throws(KernelError) -> Variable {
        guard runsIntegers, let network, let workspace else { return logits }
        return try tape.replaced(logits, within: nil) { input, output, context throws(KernelError) in
            let last = plan.layers[plan.layers.count - 1].step
            let count = input.count / network.program.classes
            let source = levels(before: last, workspace)
            try network.program.run(step: last, source.span, count: count, in: workspace, on: context)
            let integers = workspace.logits
            try dequantize(
                integers.span(0..<output.count), scale: network.logitScale, into: output.mutableSpan, on: context)
        }
    }

    /// Integers of the weights and of the images of a pass that begins.
    private func begin(_ input: Tensor, on context: Context) throws(KernelError) -> Memory<UInt8> {
        let network = try IntegerNetwork(
            classifier, parameters: parameters, activations, scheme, packs: false, on: self.context)
        let count = input.count / width(0)
        if workspace?.images != count { workspace = try IntegerWorkspace(network.program, images: count) }
        let images = try DenseTensor<UInt8>([input.count])
        (self.network, self.images) = (network, images)
        try quantize(input.span, activations[0].kernel, into: images.mutableSpan, on: context)
        return images.storage
    }

    /// Runs the layer before a place, and the poolings up to it.
    private func advance(to place: Int, _ count: Int, on context: Context) throws(KernelError) -> Memory<UInt8> {
        guard let network, let workspace else { preconditionFailure("a pass that did not begin with its images") }
        let (first, last) = (plan.layers[place - 1].step, plan.layers[place].step)
        for step in first..<last {
            let source = levels(before: step, workspace)
            try network.program.run(step: step, source.span, count: count, in: workspace, on: context)
        }
        return workspace.levels[last - 1]
    }

    /// What a step reads. The first layer reads what the tape has pooled already.
    private func levels(before step: Int, _ workspace: IntegerWorkspace) -> Memory<UInt8> {
        if step > plan.layers[0].step { return workspace.levels[step - 1] }
        guard let images else { preconditionFailure("a pass without images") }
        return images.storage
    }

    /// Numbers that go into a layer for each image.
    private func width(_ place: Int) -> Int { plan.layers[place].windows?.shape.count ?? plan.layers[place].inputs }
}
