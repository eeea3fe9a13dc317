import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Foundation
import Testing

@testable import AlambicQuantization

@Suite struct QuantizationAwareTrainingTests {
    /// Noise, brighter in one of as many bands as there are classes.
    private static func examples(_ shape: ImageShape, _ count: Int, classes: Int, seed: UInt64) throws -> LabelledImages
    {
        var random = SplitMix(seed: seed)
        var (pixels, labels): ([Float], [Int32]) = ([], [])
        for _ in 0..<count {
            let label = Int32.random(in: 0..<Int32(classes), using: &random)
            var image = random.floats(shape.count, in: 0...0.5)
            let band = shape.count / classes
            for i in Int(label) * band..<(Int(label) + 1) * band { image[i] += 0.5 }
            pixels += image
            labels.append(label)
        }
        return LabelledImages(images: try Tensor([count, shape.count], pixels), labels: labels, shape: shape)
    }

    private static func trained(
        _ classifier: Classifier, _ scheme: IntegerScheme, steps: Int, delay: Int = 3, threads: Int = 2
    ) throws -> (QuantizationAwareTraining, LabelledImages, [Double]) {
        let trainer = try ClassifierTrainer(
            classifier, optimizer: Momentum(rate: .constant(0.02)), seed: 3, on: Context(threads: threads))
        let training = try QuantizationAwareTraining(trainer, scheme: scheme, decay: 0.9, delay: delay)
        let data = try examples(classifier.input, 240, classes: classifier.classes, seed: 9)
        var losses: [Double] = []
        for step in 0..<steps {
            let part = data.slice(step % 12 * 20..<(step % 12 + 1) * 20)
            losses.append(try training.step(images: part.images, labels: part.labels))
        }
        return (training, data, losses)
    }

    @Test func learns() throws {
        for scheme in [IntegerScheme(), IntegerScheme(weightBits: 3, activationBits: 4, weights: .perChannel)] {
            let (training, data, losses) = try Self.trained(SmallNetwork.convolutional, scheme, steps: 120)
            let (first, last) = (losses.prefix(12).reduce(0, +), losses.suffix(12).reduce(0, +))
            #expect(last < 0.5 * first, "\(scheme): \(losses)")
            #expect(try training.errors(on: data) < 24, "\(scheme)")
        }
    }

    /// The loss of a training pass is that of the logits which `network()` makes of its images: the forward pass is the
    /// deployed integers, bit for bit.
    @Test func theForwardPassIsTheDeployedOne() throws {
        for scheme in [IntegerScheme(), IntegerScheme(weightBits: 4, activationBits: 4, weights: .perChannel)] {
            let (training, data, _) = try Self.trained(SmallNetwork.convolutional, scheme, steps: 10)
            let network = try training.network()
            let part = data.slice(0..<20)
            let logits = try network.logits(of: part.images)
            let catcher = Catcher()
            _ = try training.step(images: part.images, labels: part.labels, loss: catcher)
            let seen = try #require(catcher.logits).elements
            #expect(firstDifference(seen, logits.map { Float($0) * network.logitScale }) == nil, "\(scheme)")
        }
    }

    /// In floats, the rounding of the integers imitated: differs from them by what f32 sums are off, which now and then is a
    /// whole step where a value is on a rounding boundary.
    @Test func fakeQuantizationIsNearTheIntegers() throws {
        let (training, data, _) = try Self.trained(SmallNetwork.convolutional, IntegerScheme(), steps: 10)
        let network = try training.network()
        let trainer = training.trainer
        let worker = try ClassifierWorker(trainer.classifier, parameters: trainer.parameters)
        let places = trainer.classifier.layers.indices.filter { trainer.classifier.layers[$0].hasWeights }
        worker.observing = { layer, value, tape throws(KernelError) in
            guard let place = places.firstIndex(of: layer) else { return value }
            return try tape.fakeQuantized(value, network.activations[place].kernel)
        }
        let floats = try worker.logits(of: data.images).elements
        let integers = try network.logits(of: data.images).map { Float($0) * network.logitScale }
        let largest = integers.map(abs).max() ?? 0
        let differences = zip(floats, integers).map { abs($0 - $1) / largest }.sorted()
        // Most logits agree to f32's and the bias' rounding; the few others by a step somewhere on the way.
        #expect(differences[differences.count / 2] < 2e-3, "median \(differences[differences.count / 2])")
        #expect((differences.last ?? 1) < 2e-2, "largest \(differences.last ?? 1)")
    }

    @Test func theExportIsTheLastEvaluation() throws {
        let (training, data, _) = try Self.trained(
            SmallNetwork.convolutional, IntegerScheme(activationBits: 6), steps: 15)
        let evaluated = try training.logits(of: data.images)
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).safetensors")
        defer { try? FileManager.default.removeItem(at: url) }
        try training.network().save(to: url)
        #expect(try IntegerNetwork(contentsOf: url).logits(of: data.images) == evaluated)
    }

    /// The same bits for any number of threads.
    @Test func threadsChangeNothing() throws {
        let one = try Self.trained(SmallNetwork.convolutional, IntegerScheme(), steps: 8, threads: 1)
        let three = try Self.trained(SmallNetwork.convolutional, IntegerScheme(), steps: 8, threads: 3)
        #expect(one.2 == three.2)
        #expect(try one.0.logits(of: one.1.images) == three.0.logits(of: one.1.images))
    }

    /// Activations are left alone until the delay is over; ranges move from the first step.
    @Test func activationsAreDelayed() throws {
        let (training, _, _) = try Self.trained(SmallNetwork.linear, IntegerScheme(), steps: 4, delay: 5)
        #expect(!training.quantizesActivations)
        #expect(try training.activations().count == 3)
        let data = try Self.examples(SmallNetwork.linear.input, 5, classes: 5, seed: 1)
        try training.step(images: data.images, labels: data.labels)
        #expect(training.quantizesActivations)
        let fresh = try QuantizationAwareTraining(
            try ClassifierTrainer(SmallNetwork.linear, optimizer: SGD(rate: .constant(0.1))))
        #expect(throws: TrainingError.self) { try fresh.network() }
    }

    /// With dropout, which integers do not know, activations are rounded in floats; evaluation is in integers still.
    @Test func dropoutIsRoundedInFloats() throws {
        let classifier = Classifier.mlp([30, 40, 4], hiddenDropout: 0.3)
        let (training, data, losses) = try Self.trained(classifier, IntegerScheme(), steps: 150)
        let (first, last) = (losses.prefix(10).reduce(0, +), losses.suffix(10).reduce(0, +))
        #expect(last < 0.6 * first, "\(losses)")
        #expect(try training.errors(on: data) < 40)
    }

    /// The gradient of a rounded value is passed on inside the range, and stops where it was cut off.
    @Test func gradientsPassStraightThrough() throws {
        let parameter = Parameter(path: "w", kind: .matrix, value: try Tensor([1, 4], [1, 2, 3, 4]))
        let weights = FakeQuantizedWeights(IntegerScheme(weightBits: 3))
        let effective = try weights.effective(of: parameter, on: .default).elements
        // -3 ... 3 over [0, 4]: steps of 2/3 with 0 at -3, so 1 is 2/3 or 4/3, and 4 is 4.
        #expect(abs(effective[3] - 4) < 1e-6 && abs(effective[1] - 2) < 1e-6)
        #expect(abs(abs(effective[0] - 1) - 1.0 / 3) < 1e-6)
        let gradient = try Tensor([1, 4], [1, -2, 3, 5])
        try weights.pullBack(gradient: gradient, of: parameter, on: .default)
        #expect(gradient.elements == [1, -2, 3, 5])
        parameter.value.copy(from: try Tensor([1, 4], [0, 0, 0, .infinity]))
        #expect(throws: KernelError.self) { try weights.effective(of: parameter, on: .default) }
    }

    /// In the place of a mask, fake quantization would bring back what is gone: refused, before anything is changed.
    @Test func weightsWithAnotherTransformAreRefused() throws {
        let trainer = try ClassifierTrainer(SmallNetwork.linear, optimizer: SGD(rate: .constant(0.1)))
        let matrices = trainer.parameters.filter { $0.kind == .matrix }
        let last = try #require(matrices.last)
        last.transform = OtherTransform()
        do {
            _ = try QuantizationAwareTraining(trainer)
            Issue.record("not refused")
        } catch {
            #expect("\(error)" == "\(last.path) has a mask or another transform already")
        }
        #expect(last.transform is OtherTransform)
        #expect(matrices.dropLast().allSatisfy { $0.transform == nil })
        #expect(trainer.afterStep.isEmpty)
        // Fake quantization for other integers may take the place of fake quantization.
        last.transform = FakeQuantizedWeights(IntegerScheme(weightBits: 3))
        _ = try QuantizationAwareTraining(trainer)
        #expect(matrices.allSatisfy { ($0.transform as? FakeQuantizedWeights)?.scheme.weightBits == 8 })
    }
}

/// Shows the forward pass the weights as they are.
private final class OtherTransform: WeightTransform {
    let digest = "other"

    func effective(of parameter: Parameter, on context: Context) throws(KernelError) -> Tensor { parameter.value }

    func pullBack(gradient: Tensor, of parameter: Parameter, on context: Context) throws(KernelError) {}
}

/// Notes the logits that a loss is given.
private final class Catcher: ClassificationLoss {
    private(set) var logits: Tensor?

    func losses(of logits: Variable, labels: [Int32], scale: Float, on tape: Tape) throws(KernelError) -> RowLosses {
        // Runs what has been noted, so that the logits are there before the loss overwrites them.
        try tape.finish()
        self.logits = try logits.value.copied()
        return try HardTargets().losses(of: logits, labels: labels, scale: scale, on: tape)
    }
}
