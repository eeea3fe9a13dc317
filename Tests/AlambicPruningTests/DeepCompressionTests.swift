import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Foundation
import Testing

@testable import AlambicFiles
@testable import AlambicPruning

private func parameter(_ shape: Shape, _ values: [Float]) throws -> Parameter {
    Parameter(path: "w", kind: .matrix, value: try Tensor(shape, values))
}

/// A small classifier with a batch to learn.
private struct Problem {
    let classifier = Classifier(
        input: ImageShape(height: 6, width: 6, channels: 1),
        layers: [.convolution(channels: 3, side: 3), .maxPool(2), .relu, .linear(7), .relu, .linear(4)])
    let images: Tensor
    let labels: [Int32] = (0..<12).map { Int32($0 % 4) }
    let context: Context

    init() throws {
        var random = SplitMix(seed: 5)
        images = try Tensor([12, 36], random.floats(12 * 36))
        context = try Context(threads: 2)
    }

    /// Random parameters, of whose matrices every third weight is zero.
    func pruned() throws -> [Parameter] {
        let parameters = try classifier.initialized(seed: 3, on: context)
        for parameter in parameters where parameter.kind == .matrix {
            let mask = try Mask(
                rows: parameter.shape.rows, columns: parameter.shape.columns,
                keeps: (0..<parameter.value.count).map { $0 % 3 != 1 })
            try mask.apply(to: parameter.value, on: context)
            parameter.transform = mask
        }
        return parameters
    }
}

@Suite struct SharedWeightsTests {
    /// The example of Deep Compression's figure 3: sixteen weights, four values, and the gradient summed for each.
    @Test func figure3() throws {
        let weights: [Float] = [
            2.09, -0.98, 1.48, 0.09, 0.05, -0.14, -1.08, 2.12, -0.91, 1.92, 0, -1.03, 1.87, 0, 1.53, 1.49,
        ]
        let parameter = try parameter([4, 4], weights)
        let shared = try SharedWeights.share(parameter, values: 4)
        // The figure's clusters; its two zeros are weights that do not exist here, so that 0's mean is over three.
        let codebook: [Float] = [-1, 0, 1.5, 2]
        #expect(zip(shared.codebook(of: parameter), codebook).allSatisfy { abs($0 - $1) < 0.005 })
        #expect(shared.symbols == [4, 1, 3, 2, 2, 2, 1, 4, 1, 4, 0, 1, 4, 0, 3, 3])
        let gradient = try Tensor(
            [4, 4],
            [-0.03, -0.01, 0.03, 0.02, -0.01, 0.01, -0.02, 0.12, -0.01, 0.02, 0.04, 0.01, -0.07, -0.02, 0.01, -0.02])
        try shared.pullBack(gradient: gradient, of: parameter, on: .default)
        let sums = gradient.elements
        #expect(abs(sums[0] - 0.04) < 1e-6 && abs(sums[1] + 0.03) < 1e-6)
        #expect(abs(sums[2] - 0.02) < 1e-6 && abs(sums[3] - 0.02) < 1e-6)
        #expect(sums[4...].allSatisfy { $0 == 0 })
        let effective = try shared.effective(of: parameter, on: .default).elements
        #expect(effective[0] == effective[7] && effective[10] == 0 && abs(effective[1] + 1) < 1e-6)
    }

    /// The gradient that arrives at a shared value is the change of the loss as this value changes.
    @Test func gradientsAreThoseOfTheCodebook() throws {
        let problem = try Problem()
        let parameters = try problem.pruned()
        try DeepCompression.share(parameters) { $0.kind == .matrix ? 2 : nil }
        let worker = try ClassifierWorker(problem.classifier, parameters: parameters, on: problem.context)
        func loss() throws -> Double {
            try worker.gradient(images: problem.images, labels: problem.labels).loss
        }
        for (index, parameter) in parameters.enumerated() where parameter.kind == .matrix {
            let shared = try #require(parameter.transform as? SharedWeights)
            #expect(shared.values == 3)
            for symbol in 1...3 {
                let gradient = try worker.gradient(images: problem.images, labels: problem.labels).gradients
                let holder = try #require(shared.symbols.firstIndex(of: UInt8(symbol)))
                let analytic = Double(gradient.tensors[index].elements[holder])
                let value = parameter.value
                func set(_ new: Float) {
                    var span = value.mutableSpan
                    span[holder] = new
                    parameter.valueChanged()
                }
                let old = value.elements[holder]
                let step: Float = 1e-3
                set(old + step)
                let above = try loss()
                set(old - step)
                let below = try loss()
                set(old)
                let numeric = (above - below) / Double((old + step) - (old - step))
                // Rounding: losses of float precision, 1e-6 of them over 2e-3; curvature over maxima and kinks.
                #expect(abs(analytic - numeric) < 3e-3 + 0.02 * abs(numeric), "\(parameter.path) value \(symbol)")
            }
        }
    }

    /// Trained on, weights of a cluster stay equal, zeros stay zero, and the loss falls.
    @Test func trainsTheCodebook() throws {
        let problem = try Problem()
        let parameters = try problem.pruned()
        try DeepCompression.share(parameters) { $0.kind == .matrix ? 3 : nil }
        let trainer = try ClassifierTrainer(
            problem.classifier, parameters: parameters, optimizer: .adam(rate: 3e-3, l2: 1e-4), on: problem.context)
        let first = try trainer.step(images: problem.images, labels: problem.labels)
        var last = first
        for _ in 0..<100 { last = try trainer.step(images: problem.images, labels: problem.labels) }
        #expect(last < 0.9 * first)
        for parameter in parameters where parameter.kind == .matrix {
            try parameter.refresh(on: problem.context)
            let shared = try #require(parameter.transform as? SharedWeights)
            #expect(parameter.effective.elements == shared.shared(of: parameter).values)
            #expect(zip(shared.symbols, parameter.effective.elements).allSatisfy { ($0 == 0) == ($1 == 0) })
            #expect(Set(parameter.effective.elements).count <= 8)
        }
    }

    /// A value that no weight has takes away no other value's gradient, and is stored as it came.
    @Test func valuesWithoutWeights() throws {
        let parameter = try parameter([1, 4], [0, 0, 0, 0])
        let values = SharedValues(shape: [1, 4], codebook: [1, 2, 3, 4], symbols: [1, 0, 3, 1])
        let shared = try SharedWeights.adopt(values, for: parameter)
        let gradient = try Tensor([1, 4], [1, 7, 5, 2])
        try shared.pullBack(gradient: gradient, of: parameter, on: .default)
        #expect(gradient.elements == [3, 0, 5, 0])
        #expect(shared.shared(of: parameter) == values)
    }

    @Test func refusesWeightsThatAreNotFinite() throws {
        let parameter = try parameter([1, 2], [1, .nan])
        do {
            try SharedWeights.share(parameter, values: 2)
            Issue.record("not refused")
        } catch {
            #expect("\(error)".contains("w has weights that are not finite"))
        }
    }
}

@Suite struct DeepCompressionTests {
    private func scratch(_ name: String) -> URL {
        FileManager.default.temporaryDirectory.appendingPathComponent("alambic-\(UUID().uuidString)-\(name)")
    }

    /// A classifier goes into a file and comes back with the same logits, bit for bit; what comes back can be trained on.
    @Test func classifiersComeBack() throws {
        let problem = try Problem()
        let url = scratch("x.deep")
        defer { try? FileManager.default.removeItem(at: url) }
        let parameters = try problem.pruned()
        try DeepCompression.share(parameters, by: OptimalClusters()) { $0.kind == .matrix ? 3 : nil }
        let trainer = try ClassifierTrainer(
            problem.classifier, parameters: parameters, optimizer: .adam(rate: 1e-3), on: problem.context)
        for _ in 0..<5 { try trainer.step(images: problem.images, labels: problem.labels) }
        let expected = try trainer.logits(of: problem.images).elements
        let file = try DeepCompression.compress(problem.classifier, parameters, to: url)
        #expect(file.bytes == (try Data(contentsOf: url)).count)
        let loaded = try DeepCompression.classifier(url)
        #expect(loaded.classifier == problem.classifier)
        let again = try ClassifierTrainer(
            loaded.classifier, parameters: loaded.parameters, optimizer: .adam(rate: 1e-3), on: problem.context)
        #expect(try again.logits(of: problem.images).elements.map(\.bitPattern) == expected.map(\.bitPattern))
        let loss = try again.step(images: problem.images, labels: problem.labels)
        for _ in 0..<50 { try again.step(images: problem.images, labels: problem.labels) }
        #expect(try again.step(images: problem.images, labels: problem.labels) < loss)
        #expect(loaded.parameters.allSatisfy { $0.kind != .matrix || $0.transform is SharedWeights })
    }

    @Test func refusesFilesOfOtherNetworks() throws {
        let problem = try Problem()
        let url = scratch("y.deep")
        defer { try? FileManager.default.removeItem(at: url) }
        let parameters = try problem.pruned()
        func message(_ body: () throws -> Void) -> String {
            do { try body() } catch { return "\(error)".replacing(url.path, with: "y") }
            return ""
        }
        let file = try DeepCompression.compress(parameters, to: url)
        #expect(
            message { try DeepCompression.load(file, into: Array(parameters.dropLast())) }
                == "y: tensor 'layers.5.bias': the network has no such parameter; name another file: this one is of another network"
        )
        let other = try Classifier.mlp([4, 2]).initialized(seed: 1, on: problem.context)
        #expect(message { try DeepCompression.load(file, into: other) }.contains("the network has no such parameter"))
        let wide = try Classifier(
            input: problem.classifier.input,
            layers: [.convolution(channels: 3, side: 3), .maxPool(2), .relu, .linear(8), .relu, .linear(4)]
        ).initialized(seed: 1, on: problem.context)
        #expect(
            message { try DeepCompression.load(file, into: wide) }
                == "y: tensor 'layers.3.weight': another shape: expected [8, 12], found [7, 12]; name another file: this one is of another network"
        )
        #expect(
            message { _ = try DeepCompression.classifier(url) }
                == "y: there is no classifier in this file that fits its tensors; load the tensors into parameters, or make the file again from a classifier"
        )
        let missing = try DeepCompression.compress(Array(parameters.dropLast()), to: url)
        #expect(message { try DeepCompression.load(missing, into: parameters) }.contains("the file has no such tensor"))
    }

    /// A file much shorter than its layers may be all right: next to nothing is left of them.
    @Test func nearlyEmptyLayersComeBack() throws {
        let context = try Context(threads: 2)
        let classifier = Classifier.mlp([300, 400, 4])
        let parameters = try classifier.initialized(seed: 1, on: context)
        for (layer, parameter) in parameters.filter({ $0.kind == .matrix }).enumerated() {
            let value = parameter.value
            var span = value.mutableSpan
            // One weight of the first matrix, and none of the second.
            for index in span.indices where layer > 0 || index != 77_777 { span[index] = 0 }
            parameter.valueChanged()
        }
        try DeepCompression.share(parameters) { $0.kind == .matrix ? 3 : nil }
        let url = scratch("v.deep")
        defer { try? FileManager.default.removeItem(at: url) }
        let file = try DeepCompression.compress(classifier, parameters, to: url)
        #expect(file.bytes < 4_000)
        let loaded = try DeepCompression.classifier(url).parameters
        #expect(loaded.map(\.path) == parameters.map(\.path))
        #expect(loaded.map(\.kind) == parameters.map(\.kind) && loaded.map(\.decays) == parameters.map(\.decays))
        #expect(loaded.map { $0.value.elements } == parameters.map { $0.value.elements })
    }

    /// 2^48 weights without a byte behind them, and right checksums: refused for what the bytes say, before there is memory for
    /// them, of which there would not be enough.
    @Test func refusesLayersWithoutBytes() throws {
        let classifier = Classifier(
            input: ImageShape(height: 1 << 16, width: 1 << 16, channels: 1), layers: [.linear(1 << 16)])
        let metadata: JSON = ["classifier": try JSON(parsing: try JSONEncoder().encode(classifier), path: "")]
        // A table of no codeword, and no entries.
        let section: [UInt8] = [0]
        let layout = SharedSection.Layout(codebook: 0, gapBits: 0, entries: 0, symbolBytes: 0, gapBytes: 0)
        let tensors = classifier.parameters.map { parameter in
            DeepCompressionInfo(
                name: parameter.path, shape: parameter.shape.dimensions, offset: 0, bytes: section.count,
                layout: layout, digest: fnv1a(section))
        }
        let bytes = DeepCompressionHeader.bytes(tensors, metadata: metadata) + section + section
        #expect(bytes.count < 1_000)
        let url = scratch("u.deep")
        defer { try? FileManager.default.removeItem(at: url) }
        try Data(bytes).write(to: url)
        do {
            _ = try DeepCompression.classifier(url)
            Issue.record("not refused")
        } catch {
            #expect("\(error)".contains("tensor 'layers.0.weight'"), "\(error)")
            #expect("\(error)".contains("too few entries for the shape"), "\(error)")
        }
    }

    /// Layers that a stranger wrote are looked at before anything is computed from them.
    @Test(arguments: [
        #"{"linear":{"_0":-1}}"#, #"{"linear":{"_0":4611686018427387904}}"#, #"{"maxPool":{"_0":0}}"#,
        #"{"maxPool":{"_0":4}}"#, #"{"convolution":{"channels":3,"side":7}}"#, #"{"dropout":{"_0":2}}"#, #"{}"#,
    ])
    func refusesImpossibleClassifiers(layer: String) throws {
        let url = scratch("z.deep")
        defer { try? FileManager.default.removeItem(at: url) }
        for layers in ["\(layer)", "\(layer),{\"linear\":{\"_0\":2}}"] {
            let text = #"{"classifier":{"input":{"height":6,"width":6,"channels":1},"layers":[\#(layers)]}}"#
            try DeepCompressionFile.write([], metadata: try JSON(parsing: text.utf8, path: ""), to: url)
            #expect(throws: FileError.self) { try DeepCompression.classifier(url) }
        }
    }
}
