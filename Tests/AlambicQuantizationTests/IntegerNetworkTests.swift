import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Foundation
import Testing

@testable import AlambicQuantization

@Suite struct IntegerNetworkTests {
    private static let schemes: [IntegerScheme] = [
        IntegerScheme(), IntegerScheme(weights: .perChannel), IntegerScheme(weightBits: 4, activationBits: 8),
        IntegerScheme(weightBits: 8, activationBits: 4),
        IntegerScheme(weightBits: 3, activationBits: 5, weights: .perChannel),
        IntegerScheme(weightBits: 2, activationBits: 2),
        IntegerScheme(weightBits: 2, activationBits: 2, weights: .perChannel),
    ]

    private static func network(
        _ small: SmallNetwork, _ scheme: IntegerScheme = IntegerScheme(), on context: Context = .default
    ) throws -> IntegerNetwork {
        try .calibrated(
            small.classifier, parameters: small.parameters, on: small.images, batch: 5, scheme: scheme, context: context
        )
    }

    /// Against plain loops in 64 bits.
    @Test func everyIntegerIsThatOfThePaper() throws {
        for (classifier, low) in [(SmallNetwork.convolutional, Float(0)), (SmallNetwork.linear, -1)] {
            for (index, scheme) in Self.schemes.enumerated() {
                let small = try SmallNetwork(classifier, seed: UInt64(index), low: low)
                let network = try Self.network(small, scheme)
                let images = try network.quantized(small.images)
                let size = classifier.input.count
                let elements = images.elements
                let expected = (0..<images.rows).flatMap {
                    IntegerOracle.logits(network, image: Array(elements[$0 * size..<($0 + 1) * size]))
                }
                #expect(try network.logits(of: small.images).map(Int64.init) == expected, "\(scheme)")
                #expect(Set(expected).count > 1, "\(scheme): all logits are the same")
            }
        }
    }

    /// On every instruction set, for one to four threads, and image by image.
    @Test func theSameBitsEverywhere() throws {
        let small = try SmallNetwork(SmallNetwork.convolutional, images: 7)
        let expected = try Self.network(small).logits(of: small.images)
        for variant in Kernels.requantize where variant.runsHere {
            for threads in [1, 2, 4] {
                let context = try variant.context(threads: threads)
                let network = try Self.network(small, on: context)
                #expect(try network.logits(of: small.images, on: context) == expected, "\(variant), \(threads) threads")
            }
        }
        let network = try Self.network(small)
        let single = try (0..<7).flatMap { try network.logits(of: small.images.rows($0..<$0 + 1)) }
        #expect(single == expected)
        #expect(try network.program.logits([UInt8]().span) == [])
    }

    /// More images than one pass takes.
    @Test func manyImages() throws {
        let small = try SmallNetwork(SmallNetwork.linear, images: 300)
        let network = try Self.network(small)
        let all = try network.logits(of: small.images)
        #expect(all.count == 300 * 5)
        #expect(try network.logits(of: small.images.rows(200..<300)) == Array(all[200 * 5..<300 * 5]))
    }

    /// What runs is made of integers: no property of the program, at any depth, is a float.
    @Test func thereAreNoFloatsInTheLoop() throws {
        let network = try Self.network(try SmallNetwork(SmallNetwork.convolutional))
        let seen = typesWithoutFloats(in: network.program, "program")
        #expect(
            seen.contains("IntegerLinear") && seen.contains("FixedPointMultiplier") && seen.contains("Memory<Int32>"))
    }

    /// Half a step of each layer's outputs and weights, carried through: logits of 8 bits are near those of floats.
    @Test func eightBitsAreNearFloats() throws {
        for scheme in [IntegerScheme(), IntegerScheme(weights: .perChannel)] {
            let small = try SmallNetwork(SmallNetwork.convolutional, images: 40)
            let network = try Self.network(small, scheme)
            let worker = try ClassifierWorker(small.classifier, parameters: small.parameters)
            let floats = try worker.logits(of: small.images).elements
            let integers = try network.logits(of: small.images).map { Float($0) * network.logitScale }
            let norm = floats.reduce(0) { $0 + $1 * $1 }.squareRoot()
            let error = zip(floats, integers).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
            // Each of the 8 roundings (4 of weights, 4 of activations) adds about 1/255 of a range.
            #expect(error / norm < 0.05, "\(scheme): \(error / norm)")
        }
    }

    /// By hand: one output, x = 2 · 0.5 and 1 · 0.5 in steps of 0.5 with Z = 3.
    @Test func oneLayerByHand() throws {
        let weight = try Tensor([1, 2], [1.27, -0.01])
        let bias = try Tensor([1], [0.5])
        let source = LayerSource(
            weight: weight, bias: bias,
            input: AffineParameters(scale: 0.5, zeroPoint: 3, bits: 8, levels: .unsigned),
            output: AffineParameters(scale: 0.1, zeroPoint: 7, bits: 8, levels: .unsigned), isRectified: true,
            scheme: IntegerScheme(weights: .perChannel), name: "layer")
        let (layer, scales, _) = try source.layer(packs: true, on: .default)
        #expect(layer.weights.elements == [127, -1])
        #expect(abs(scales[0] - 0.01) < 1e-8)
        #expect(layer.bias == [100], "0.5 / (0.01 · 0.5)")
        #expect(abs(layer.multipliers[0].real - 0.05) < 1e-8, "0.01 · 0.5 / 0.1")
        #expect(layer.output == .levels(zeroPoint: 7, lowest: 7, highest: 255))
        // 127 · 2 - 1 · 1 + 100 = 353; 353 · 0.05 = 17.65; 18 + 7.
        let scratch = try IntegerScratch(patches: 0, sums: 1, rows: 1)
        let y = try Memory<UInt8>(count: 1)
        let x: [UInt8] = [5, 4]
        try layer.multiply(x.span, rows: 1, into: scratch, on: .default)
        try layer.requantize(rows: 1, scratch, levels: y, on: .default)
        #expect(y.span[0] == 25)
    }

    /// -128 never appears, and a channel of zeros divides nothing by zero and keeps its bias.
    @Test func weightsOfAllKinds() throws {
        var random = SplitMix(seed: 5)
        for bits in 2...8 {
            for granularity in WeightGranularity.allCases {
                let w = try Tensor(
                    [3, 40], random.normals(40) + [Float](repeating: 0, count: 40) + random.floats(40, in: 1...3))
                let weights = try IntegerWeights(
                    w, IntegerScheme(weightBits: bits, weights: granularity), of: "w", on: .default)
                let most = Int8((1 << (bits - 1)) - 1)
                #expect(
                    weights.levels.elements.allSatisfy { $0 >= -most && $0 <= most }, "\(bits) bits, \(granularity)")
                #expect(weights.scales.allSatisfy { $0 > 0 && $0.isFinite })
                let real = try Tensor([3, 40])
                try weights.reals(into: real, on: .default)
                #expect(real.elements[40..<80].allSatisfy { $0 == 0 }, "zero is exact")
                for (i, (a, b)) in zip(w.elements, real.elements).enumerated() {
                    // Half a step, and where the zero point was rounded half of one more at the ends.
                    #expect(abs(a - b) <= 1.01 * weights.scales[i / 40], "\(bits) bits, \(granularity): \(a), \(b)")
                }
            }
        }
        let bad = try Tensor([1, 2], [1, .nan])
        #expect(
            throws: KernelError(
                .badArgument, "w: value 1 is not a number, which no range contains: look for what made it")
        ) {
            try IntegerWeights(bad, IntegerScheme(), of: "w", on: .default)
        }
    }

    @Test func channelsOfZerosKeepTheirBias() throws {
        for granularity in WeightGranularity.allCases {
            for (weight, bias): (Float, Float) in [(0, 0.75), (0, -3), (0, 0), (1e-12, 2), (0, 1e-20)] {
                let source = LayerSource(
                    weight: try Tensor([1, 3], [weight, weight, 0]), bias: try Tensor([1], [bias]),
                    input: .asymmetric(0, 1), output: .asymmetric(-4, 4), isRectified: false,
                    scheme: IntegerScheme(weights: granularity), name: "layer")
                let (layer, _, _) = try source.layer(packs: true, on: .default)
                let scratch = try IntegerScratch(patches: 0, sums: 1, rows: 1)
                let y = try Memory<UInt8>(count: 1)
                let x: [UInt8] = [0, 0, 0]
                try layer.multiply(x.span, rows: 1, into: scratch, on: .default)
                try layer.requantize(rows: 1, scratch, levels: y, on: .default)
                let real = AffineParameters.asymmetric(-4, 4).real(Int32(y.span[0]))
                #expect(abs(real - bias) <= 4.0 / 255 + 1e-6, "\(granularity), weight \(weight), bias \(bias): \(real)")
            }
        }
    }

    @Test func awkwardCalibration() throws {
        let small = try SmallNetwork(SmallNetwork.linear)
        #expect {
            _ = try IntegerNetwork.calibrated(
                small.classifier, parameters: small.parameters, on: try Tensor([0, 21]))
        } throws: {
            "\($0)" == "inputs of layer 0: no values were observed, so there is no range: calibrate on data first"
        }
        // Nothing but zeros, then nothing but one number: ranges of one point, or that do not contain 0.
        for value: Float in [0, 0.5, -3] {
            let constant = try Tensor([4, 21], [Float](repeating: value, count: 84))
            let network = try IntegerNetwork.calibrated(small.classifier, parameters: small.parameters, on: constant)
            #expect(network.activations.allSatisfy { $0.scale > 0 && $0.real($0.zeroPoint) == 0 })
            #expect(try network.logits(of: small.images).count == 13 * 5)
        }
        let broken = try Tensor([1, 21], [.infinity] + [Float](repeating: 0, count: 20))
        #expect(throws: TrainingError.self) {
            try IntegerNetwork.calibrated(small.classifier, parameters: small.parameters, on: broken)
        }
    }

    @Test func networksThatCannotBe() throws {
        let shape = ImageShape(height: 4, width: 4, channels: 1)
        for (layers, what): ([ClassifierLayer], String) in [
            ([.linear(3), .relu], "a ReLU"), ([.convolution(channels: 4, side: 4)], "a convolution"),
            ([.convolution(channels: 4, side: 3), .maxPool(2)], "max-pooling"),
        ] {
            let small = try SmallNetwork(Classifier(input: shape, layers: layers))
            #expect {
                try IntegerNetwork.calibrated(small.classifier, parameters: small.parameters, on: small.images)
            } throws: {
                "\($0)".contains("an integer network ends with a linear layer, this classifier with \(what)")
            }
        }
    }

    /// A ReLU and a pooling before the first weights: the boundary does the first.
    @Test func layersBeforeTheFirstWeights() throws {
        let classifier = Classifier(
            input: ImageShape(height: 4, width: 4, channels: 2),
            layers: [.relu, .maxPool(2), .dropout(0.5), .linear(3)])
        let small = try SmallNetwork(classifier, images: 20, low: -1)
        let network = try Self.network(small)
        let floats = try ClassifierWorker(classifier, parameters: small.parameters).logits(of: small.images).elements
        let integers = try network.logits(of: small.images).map { Float($0) * network.logitScale }
        for (a, b) in zip(floats, integers) { #expect(abs(a - b) < 0.05, "\(a), \(b)") }
    }
}
