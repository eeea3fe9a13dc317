import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Testing

@testable import AlambicParallel

@Suite struct ModelSplitTests {
    private let networks: [Classifier] = [
        .mlp([36, 20, 3], input: ImageShape(height: 6, width: 6, channels: 1)),
        .mlp(
            [36, 33, 17, 3], input: ImageShape(height: 6, width: 6, channels: 1), inputDropout: 0.2, hiddenDropout: 0.5),
        // Dropout in front of max(x, 0), and max(x, 0) of what comes in.
        Classifier(
            input: ImageShape(height: 6, width: 6, channels: 1),
            layers: [.relu, .linear(8), .relu, .dropout(0.25), .linear(7), .dropout(0.5), .relu, .linear(4)]),
    ]

    private func teams(_ count: Int, threads: Int = 1) throws -> [Context] {
        try (0..<count).map { try Machine.local.context(threads: threads, firstCore: $0 * threads) }
    }

    /// The unsplit network, accumulating micro-batches.
    private func whole(
        _ network: Classifier, _ parameters: [Parameter], _ data: LabelledImages, microBatches: Int
    ) throws -> (loss: Double, gradients: GradientSet) {
        let tape = try Tape(parameters, on: try Context(threads: 1))
        var loss = 0.0
        let rows = data.count / microBatches
        for m in 0..<microBatches {
            let part = data.slice(m * rows..<(m + 1) * rows)
            try tape.begin(seed: 7, stream: UInt64(5 * microBatches + m), gradients: m == 0 ? .replace : .accumulate)
            let logits = try network.logits(tape.constant(part.images), on: tape)
            let losses = try HardTargets().losses(
                of: logits, labels: part.labels, scale: 1 / Float(microBatches), on: tape)
            try tape.backward()
            loss += losses.mean / Double(microBatches)
        }
        return (loss, tape.gradients)
    }

    @Test(arguments: [1, 2, 4], [1, 2])
    func layersGiveTheSameBits(microBatches: Int, threads: Int) throws {
        let data = try spots(24)
        for (network, cuts) in [(networks[0], [[1], [2]]), (networks[1], [[4], [2, 5], [3]])] {
            let parameters = try network.initialized(seed: 3)
            let (loss, gradients) = try whole(network, parameters, data, microBatches: microBatches)
            for cut in cuts {
                let pipeline = try LayerPipeline(
                    network, parameters: parameters, cuts: cut, on: try teams(cut.count + 1, threads: threads))
                for _ in 0..<2 {
                    let split = try pipeline.gradient(
                        images: data.images, labels: data.labels, microBatches: microBatches, seed: 7, stream: 5)
                    #expect(abs(split.loss - loss) < 1e-12, "cut \(cut)")
                    #expect(bits(split.gradients) == bits(gradients), "cut \(cut)")
                }
            }
        }
    }

    @Test func aConvolutionalNetworkBySplitLayers() throws {
        let network = Classifier(
            input: ImageShape(height: 6, width: 6, channels: 1),
            layers: [.convolution(channels: 3, side: 3), .maxPool(2), .relu, .linear(5), .relu, .linear(3)])
        let data = try spots(12)
        let parameters = try network.initialized(seed: 3)
        let (_, gradients) = try whole(network, parameters, data, microBatches: 2)
        let pipeline = try LayerPipeline(network, parameters: parameters, cuts: [3], on: try teams(2))
        let split = try pipeline.gradient(
            images: data.images, labels: data.labels, microBatches: 2, seed: 7, stream: 5)
        #expect(bits(split.gradients) == bits(gradients))
    }

    @Test func unevenMicroBatchesAreRefused() throws {
        let data = try spots(10)
        let pipeline = try LayerPipeline(
            networks[0], parameters: try networks[0].initialized(seed: 1), cuts: [2], on: try teams(2))
        #expect {
            try pipeline.gradient(images: data.images, labels: data.labels, microBatches: 3)
        } throws: { "\($0)".hasPrefix("a batch of 10 sequences cannot be cut into 3 equal micro-batches") }
    }

    /// Forward and last layer: equal bits. Gradients of the layers before: within the bound of two sums over N outputs.
    @Test(arguments: [1, 2, 3], [1, 2])
    func columns(count: Int, threads: Int) throws {
        let data = try spots(24)
        for network in networks {
            let parameters = try network.initialized(seed: 3)
            let worker = try ClassifierWorker(network, parameters: parameters, on: try Context(threads: 1))
            let split = try ColumnSplit(network, parameters: parameters, on: try teams(count, threads: threads))
            #expect(
                try split.logits(of: data.images).elements.map(\.bitPattern)
                    == worker.logits(of: data.images).elements.map(\.bitPattern))
            let whole = try worker.gradient(images: data.images, labels: data.labels, seed: 7, stream: 5)
            let parts = try split.gradient(images: data.images, labels: data.labels, seed: 7, stream: 5)
            #expect(parts.loss == whole.loss)
            let last = parameters.count - 2
            for index in parameters.indices {
                let (a, b) = (parts.gradients.tensors[index].elements, whole.gradients.tensors[index].elements)
                if index >= last || count == 1 { #expect(a == b, "\(parameters[index].path)") }
                let bound = Self.bound(network, parameters, data, before: index, teams: count)
                for (a, b) in zip(a, b) { #expect(abs(Double(a) - Double(b)) <= bound, "\(parameters[index].path)") }
            }
        }
    }

    /// A bound on the difference of a gradient, from the largest magnitudes: each dx on the way differs by at most
    /// 2 (N + T) ε Σ|g||W|, is scaled by dropout, and goes on through the layers before; sums over the batch double it at most.
    private static func bound(
        _ network: Classifier, _ parameters: [Parameter], _ data: LabelledImages, before index: Int, teams: Int
    ) -> Double {
        // |gradient of the logits| summed over the batch is at most 2 (a mean over rows).
        var (gradient, relative) = (2.0, 0.0)
        var layer = parameters.count - 2
        while layer > index {
            let weights = parameters[layer].value
            let largest = Double(weights.elements.map(abs).max() ?? 0)
            // 2: dropout at a rate of at most 0.5 doubles what it keeps.
            gradient *= largest * Double(weights.rows) * 2
            relative += 2 * Double(weights.rows + teams + data.count) * 0x1p-24
            layer -= 2
        }
        // What goes into a layer: at most 20 here, by any seed.
        return gradient * relative * 20
    }

    @Test func aSplitNetworkLearns() throws {
        let data = try spots(96)
        let network = networks[0]
        let parameters = try network.initialized(seed: 3)
        let split = try ColumnSplit(network, parameters: parameters, on: try teams(2))
        let before = try split.gradient(images: data.images, labels: data.labels).loss
        for _ in 0..<60 {
            let (_, gradients) = try split.gradient(images: data.images, labels: data.labels)
            for (parameter, gradient) in zip(parameters, gradients.tensors) {
                let weights = parameter.value
                try sgdStep(
                    weights: weights.mutableSpan, gradient: gradient.span, velocity: nil, rate: 0.5,
                    on: try Context(threads: 1))
            }
        }
        #expect(try split.gradient(images: data.images, labels: data.labels).loss < 0.3 * before)
    }
}
