import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// Quantization-aware training of a classifier (Jacob et al. 2018, section 3).
///
/// Weights are seen as their integers from the first step, over the range of their values. Ranges of activations are
/// exponential moving averages of each batch's (section 3.1), and activations are left alone for the first `delay` steps,
/// while these averages settle. From then on the forward pass computes with the deployed integer kernels (see
/// ``QuantizedForward``), with the ranges that the steps before have left; gradients pass straight through, where nothing was
/// cut off.
///
/// Train = deploy: ``errors(on:)`` and ``logits(of:)`` run ``network()``, the very integers that are saved, so that what is
/// deployed has the last evaluation's logits, bit for bit.
///
/// Limits: there is no batch normalisation to fold, since classifiers here have none.
public final class QuantizationAwareTraining {
    /// The trainer whose forward pass this is; it may be stepped directly, but then with the loss ``loss(_:)``.
    public let trainer: ClassifierTrainer
    /// Bits, and what shares a scale.
    public let scheme: IntegerScheme
    /// Steps before activations are quantized.
    public let delay: Int
    private let forward: QuantizedForward

    /// Takes over the forward pass of a trainer, whose weights may have been trained in floats before.
    ///
    /// - Parameters:
    ///   - decay: of the moving averages.
    ///   - delay: steps before activations are quantized.
    /// - Throws: `kernel` for a network that does not end with a linear layer; `badSetting`, before anything is changed, for
    ///   matrices that have a mask or another transform already.
    public init(
        _ trainer: ClassifierTrainer, scheme: IntegerScheme = IntegerScheme(), decay: Float = 0.99, delay: Int = 0
    ) throws(TrainingError) {
        precondition(delay >= 0, "a delay of \(delay) steps")
        // A weight has one transform: in the place of a mask, fake quantization would let removed weights come back.
        for parameter in trainer.parameters where parameter.kind == .matrix {
            guard parameter.transform == nil || parameter.transform is FakeQuantizedWeights else {
                throw .badSetting("\(parameter.path) has a mask or another transform already")
            }
        }
        (self.trainer, self.scheme, self.delay) = (trainer, scheme, delay)
        let forward = try QuantizedForward(
            trainer.classifier, trainer.parameters, scheme, MovingAverageObserver(decay: decay), on: trainer.context)
        self.forward = forward
        for parameter in trainer.parameters where parameter.kind == .matrix {
            parameter.transform = FakeQuantizedWeights(scheme)
        }
        forward.delay = delay
        trainer.worker.observing = forward.observe
        trainer.afterStep.append(forward)
    }

    /// One update from one batch; returns the mean loss of the integers' logits before it.
    @discardableResult
    public func step(
        images: Tensor, labels: [Int32], loss: any ClassificationLoss = HardTargets()
    ) throws(TrainingError) -> Double {
        try trainer.step(images: images, labels: labels, loss: self.loss(loss))
    }

    /// A loss of the logits that the integers make.
    public func loss(_ loss: any ClassificationLoss) -> any ClassificationLoss {
        DeployedLogits(loss: loss, forward: forward)
    }

    /// Whether activations are quantized by now.
    public var quantizesActivations: Bool { forward.quantizes }

    /// What stands for the inputs of each layer with weights, from the averages so far. Throws `badSetting` before the first
    /// step.
    public func activations() throws(TrainingError) -> [AffineParameters] {
        try forward.watch.parameters(scheme.activationForm)
    }

    /// The integers of the weights and ranges as they are now: what is deployed.
    public func network() throws(TrainingError) -> IntegerNetwork {
        let activations = try activations()
        do throws(KernelError) {
            return try IntegerNetwork(
                trainer.classifier, parameters: trainer.parameters, activations: activations, scheme: scheme,
                on: trainer.context)
        } catch {
            throw .kernel(error)
        }
    }

    /// The number of wrong answers of ``network()``.
    public func errors(on examples: LabelledImages) throws(TrainingError) -> Int {
        try network().errors(on: examples, context: trainer.context)
    }

    /// The logits of ``network()``.
    public func logits(of images: Tensor) throws(TrainingError) -> [Int32] {
        let network = try network()
        do throws(KernelError) { return try network.logits(of: images, on: trainer.context) } catch {
            throw .kernel(error)
        }
    }
}

/// A loss of the logits that integers make, with the gradient of those that floats make.
private struct DeployedLogits: ClassificationLoss {
    let loss: any ClassificationLoss
    let forward: QuantizedForward

    func losses(
        of logits: Variable, labels: [Int32], scale: Float, on tape: Tape
    ) throws(KernelError) -> RowLosses {
        try loss.losses(of: try forward.deployedLogits(logits, on: tape), labels: labels, scale: scale, on: tape)
    }
}
