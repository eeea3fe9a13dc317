import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Synchronization

@testable import AlambicParallel

/// Weights w, whose gradient is w - target whatever the batch: simple enough to follow by hand.
final class Toy: GradientReplica, @unchecked Sendable {
    let parameters: [Parameter]
    let context: Context
    let target: Float
    private let gradients: GradientSet
    private(set) var batches: [Int] = []

    init(_ count: Int = 4, target: Float = 1) throws {
        parameters = [Parameter(path: "w", kind: .matrix, value: try Tensor([1, count]))]
        context = try Context(threads: 1)
        gradients = try GradientSet(for: parameters)
        self.target = target
    }

    func gradient(ofBatch index: Int) throws(TrainingError) -> (loss: Double, gradients: GradientSet) {
        batches.append(index)
        let (weights, gradient) = (parameters[0].value, gradients.tensors[0])
        let values = weights.span
        var result = gradient.mutableSpan
        var loss = 0.0
        for i in 0..<weights.count {
            result[i] = values[i] - target
            loss += Double(result[i] * result[i]) / 2
        }
        return (loss, gradients)
    }
}

/// Images whose class is where the bright spot is: what a small network can learn.
func spots(_ count: Int, seed: UInt64 = 5) throws -> LabelledImages {
    var random = SplitMix(seed: seed)
    var pixels = random.floats(count * 36, in: -0.2...0.2)
    let labels = (0..<count).map { _ in Int32(random.next() % 3) }
    for (i, label) in labels.enumerated() { pixels[i * 36 + 7 * (1 + Int(label))] += 1 }
    return LabelledImages(
        images: try Tensor([count, 36], pixels), labels: labels, shape: ImageShape(height: 6, width: 6, channels: 1))
}

/// A network that learns them.
let spotNetwork = Classifier.mlp([36, 20, 3], input: ImageShape(height: 6, width: 6, channels: 1))

/// Replicas over the same mini-batches, each with a core of its own as far as there are any.
func spotReplicas(
    _ count: Int, from parameters: [Parameter], on examples: LabelledImages, rows: Int = 16
) throws -> [ClassifierReplica] {
    try (0..<count).map { worker in
        try ClassifierReplica(
            spotNetwork, parameters: parameters, examples: examples, rows: rows, seed: 9,
            on: try Machine.local.context(threads: 1, firstCore: worker))
    }
}

/// The mean loss at some weights.
func loss(of parameters: [Parameter], on examples: LabelledImages) throws -> Double {
    try ClassifierWorker(spotNetwork, parameters: parameters, on: try Context(threads: 1)).evaluate(examples).loss
}

func bits(_ parameters: [Parameter]) -> [UInt32] { parameters.flatMap { $0.value.elements.map(\.bitPattern) } }

func bits(_ gradients: GradientSet) -> [UInt32] { gradients.tensors.flatMap { $0.elements.map(\.bitPattern) } }
