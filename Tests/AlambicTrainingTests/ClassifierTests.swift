import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTestSupport
import Testing

@testable import AlambicTraining

/// Classifiers: their walk, their gradients as a whole, and training.
@Suite struct ClassifierTests {
    private let small = Classifier(
        input: ImageShape(height: 6, width: 6, channels: 1),
        layers: [.convolution(channels: 3, side: 3), .maxPool(2), .relu, .linear(5), .relu, .linear(3)])

    private func examples(_ count: Int, seed: UInt64 = 5) throws -> LabelledImages {
        // A class is where the bright spot is: what a small network can learn.
        var random = SplitMix(seed: seed)
        var pixels = random.floats(count * 36, in: -0.2...0.2)
        let labels = (0..<count).map { _ in Int32(random.next() % 3) }
        for (i, label) in labels.enumerated() { pixels[i * 36 + 7 * (1 + Int(label))] += 1 }
        return LabelledImages(images: try Tensor([count, 36], pixels), labels: labels, shape: small.input)
    }

    @Test func knownSizes() {
        #expect(Classifier.leNet300.parameterCount == 266_610)
        #expect(Classifier.leNet5.parameterCount == 431_080)
        #expect(
            Classifier.leNet5.parameters.map(\.shape) == [
                [20, 25], [20], [50, 500], [50], [500, 800], [500], [10, 500], [10],
            ])
        #expect(Classifier.leNet5.classes == 10)
    }

    /// The gradient of the whole network against differences of its loss.
    @Test func gradients() throws {
        let parameters = try small.initialized(seed: 3)
        let worker = try ClassifierWorker(small, parameters: parameters, on: try Context(threads: 2))
        let data = try examples(7)
        let (loss, gradients) = try worker.gradient(images: data.images, labels: data.labels)
        #expect(abs(loss - (try worker.evaluate(data)).loss) < 1e-5)
        for (index, parameter) in parameters.enumerated() {
            for element in stride(from: 0, to: parameter.value.count, by: 7) {
                let before = parameter.value.elements[element]
                func moved(_ by: Float) throws -> Double {
                    var values = parameter.value.mutableSpan
                    values[element] = before + by
                    defer { values[element] = before }
                    return try worker.evaluate(data).loss
                }
                let step: Float = 1e-3
                let slope = (try moved(step) - moved(-step)) / Double((before + step) - (before - step))
                let gradient = Double(gradients.tensors[index].elements[element])
                // Rounding of two losses of about 1 in f32, over the step.
                #expect(abs(slope - gradient) < 1e-3 + 0.02 * abs(gradient), "\(parameter.path) \(element)")
            }
        }
    }

    @Test func learnsWithEqualBitsOnAnyThreads() throws {
        var results: [[Float]] = []
        for threads in [1, 2, 3] {
            let context = try Context(threads: threads)
            let trainer = try ClassifierTrainer(
                small, optimizer: .momentum(rate: .constant(0.1), 0.9), seed: 4, on: context)
            let data = try examples(96)
            var batches = try ImageBatches(of: data, rows: 16, jitter: 0, seed: 4, on: context)
            for step in 0..<60 {
                let (images, labels) = try batches.batch(step)
                try trainer.step(images: images, labels: labels)
            }
            #expect(try trainer.errors(on: try examples(60, seed: 6)) <= 3)
            results.append(trainer.parameters.flatMap(\.value.elements))
        }
        #expect(results[0] == results[1] && results[0] == results[2])
    }

    /// bf16 products round their operands, and nothing else: gradients stay near those of f32.
    @Test func roundsProductsAlone() throws {
        let data = try examples(32)
        var sets: [[[Float]]] = []
        for dtype in [TrainingDType.f32, .bf16] {
            let parameters = try small.initialized(seed: 3)
            let worker = try ClassifierWorker(small, parameters: parameters, dtype: dtype)
            sets.append(try worker.gradient(images: data.images, labels: data.labels).gradients.tensors.map(\.elements))
            #expect(parameters[0].value.elements == (try small.initialized(seed: 3))[0].value.elements)
        }
        for (wide, rounded) in zip(sets[0], sets[1]) {
            let largest = wide.map(abs).max() ?? 0
            // Six roundings to 8 bits on the way, in random directions.
            for (a, b) in zip(wide, rounded) { #expect(abs(a - b) <= 0.03 * largest) }
        }
        #expect(sets[0] != sets[1])
        #expect {
            _ = try ClassifierWorker(small, parameters: try small.initialized(seed: 3), dtype: .int8Mixed)
        } throws: { "\($0)" == "classifiers do not train in int8-mixed: use f32 or bf16" }
    }

    @Test func batchesAreShufflesAndShift() throws {
        let data = try examples(20)
        var batches = try ImageBatches(of: data, rows: 6, seed: 9)
        #expect(batches.perEpoch == 3)
        var seen: Set<[Float]> = []
        for index in 0..<3 {
            let (images, _) = try batches.batch(index)
            for row in 0..<6 { seen.insert(images.rows(row..<row + 1).elements) }
        }
        #expect(seen.count == 18)
        var jittered = try ImageBatches(of: data, rows: 6, jitter: 2, seed: 9)
        let first = try jittered.batch(0).images.elements
        #expect(first != (try batches.batch(0).images.elements))
        _ = try jittered.batch(1)
        #expect(try jittered.batch(0).images.elements == first)
    }

    /// Every shift from -jitter to jitter comes about equally often, in both directions.
    @Test func shiftsAreUniform() throws {
        // One bright pixel in the middle says where its image went.
        var pixels = [Float](repeating: 0, count: 49)
        pixels[24] = 1
        let image = LabelledImages(
            images: try Tensor([500, 49], [[Float]](repeating: pixels, count: 500).flatMap { $0 }),
            labels: [Int32](repeating: 0, count: 500), shape: ImageShape(height: 7, width: 7, channels: 1))
        var batches = try ImageBatches(of: image, rows: 500, jitter: 2, seed: 1)
        var counts = [Int](repeating: 0, count: 49)
        for index in 0..<5 {
            let moved = try batches.batch(index).images.elements
            for (i, value) in moved.enumerated() where value == 1 { counts[i % 49] += 1 }
        }
        for (i, count) in counts.enumerated() {
            let (down, right) = (i / 7 - 3, i % 7 - 3)
            // 2,500 images over 25 places: 100 each, with a deviation of 10.
            let inside = abs(down) <= 2 && abs(right) <= 2
            #expect(inside ? (60...140).contains(count) : count == 0, "moved by \(down), \(right): \(count)")
        }
    }

    @Test func refusesLabelsOutOfRange() throws {
        let trainer = try ClassifierTrainer(small, optimizer: .sgd(rate: .constant(0.1)))
        let data = try examples(2)
        #expect {
            try trainer.step(images: data.images, labels: [0, 3])
        } throws: { "\($0)" == "label 3 is not one of the classifier's 3 classes" }
    }

    /// Clipped or not: one element that is not a number, and nothing has changed.
    @Test(arguments: [Double?.none, 1])
    func gradientsThatAreNotFiniteAreRefused(clipping: Double?) throws {
        let trainer = try ClassifierTrainer(small, optimizer: .adam(rate: .constant(0.1)), clipping: clipping)
        let data = try examples(4)
        try trainer.step(images: data.images, labels: data.labels)
        let before = trainer.parameters.map(\.value.elements)
        let moments = trainer.state.named.map { $0.tensor.elements }
        let (_, gradients) = try trainer.worker.gradient(images: data.images, labels: data.labels)
        func spoil(_ gradient: Tensor) {
            var elements = gradient.mutableSpan
            elements[0] = .nan
        }
        spoil(gradients.tensors[2])
        let error = #expect(throws: TrainingError.self) { try trainer.update(with: gradients) }
        let text = "\(try #require(error))"
        #expect(text.contains("gradient norm") && text.contains("step 2"), "\(text)")
        #expect(trainer.parameters.map(\.value.elements) == before && trainer.state.step == 1)
        #expect(trainer.state.named.map { $0.tensor.elements } == moments)
    }

    @Test func dropoutDependsOnTheStepAlone() throws {
        let classifier = Classifier.mlp([36, 50, 3], inputDropout: 0.2, hiddenDropout: 0.5)
        let parameters = try classifier.initialized(seed: 1)
        let worker = try ClassifierWorker(classifier, parameters: parameters)
        let data = try examples(8)
        func loss(_ stream: UInt64) throws -> Double {
            try worker.gradient(images: data.images, labels: data.labels, seed: 1, stream: stream).loss
        }
        #expect(try loss(1) == loss(1))
        #expect(try loss(1) != loss(2))
        #expect(try worker.logits(of: data.images).elements == worker.logits(of: data.images).elements)
    }
}
