import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Testing

@testable import AlambicQuantization

/// A part that was made for other integers than it is given.
private enum Misfit: String, CaseIterable, Codable, Sendable {
    case firstNormBits, secondNormBits, firstNormZero, secondNormZero, firstNormLevels
    case queryZero, keyZero, valueZero, queryLevels, attendedZero, activatedZero, fewerInputs
    case lastNormBits, lastNormZero
}

private enum Parts {
    static func bytes(_ zeroPoint: Int32, bits: Int = 8) -> AffineParameters {
        AffineParameters(scale: 0.02, zeroPoint: zeroPoint, bits: bits, levels: .unsigned)
    }

    private static func norm(_ output: AffineParameters, inputBits: Int = 20) -> IntegerLayerNorm {
        IntegerLayerNorm(
            gains: [Float](repeating: 1, count: 8), biases: [Float](repeating: 0, count: 8), inputScale: 1e-4,
            inputBits: inputBits, output: output)
    }

    private static func linear(
        _ outputs: Int, _ inputs: Int, _ input: Int32, _ output: Int32?, inputLevels: ClosedRange<Int32> = 0...255
    ) throws(KernelError) -> IntegerLinear {
        let zeros = [Int32](repeating: 0, count: outputs)
        return try IntegerLinear(
            weights: DenseTensor<Int8>([outputs, inputs]), weightZeroPoints: zeros, inputZeroPoint: input,
            inputLevels: inputLevels, bias: zeros,
            multipliers: [FixedPointMultiplier](repeating: FixedPointMultiplier(0.5), count: outputs),
            output: output.map { .levels(zeroPoint: $0, lowest: 0, highest: 255) } ?? .logits, on: .default)
    }

    /// A block, in which one thing does not fit.
    static func block(_ misfit: Misfit? = nil) throws(KernelError) -> IntegerBlock {
        func zero(_ place: Misfit, _ zeroPoint: Int32) -> Int32 { misfit == place ? zeroPoint + 1 : zeroPoint }
        return IntegerBlock(
            firstNorm: norm(
                bytes(zero(.firstNormZero, 128), bits: misfit == .firstNormLevels ? 12 : 8),
                inputBits: misfit == .firstNormBits ? 8 : 20),
            query: try linear(8, 8, 128, 12), key: try linear(8, 8, 128, 140),
            value: try linear(8, 8, 128, 127, inputLevels: misfit == .fewerInputs ? 0...200 : 0...255),
            attention: IntegerAttention(
                heads: 2, headWidth: 4, query: bytes(zero(.queryZero, 12), bits: misfit == .queryLevels ? 4 : 8),
                key: bytes(zero(.keyZero, 140)), value: bytes(zero(.valueZero, 127)),
                output: bytes(zero(.attendedZero, 131))),
            projection: try linear(8, 8, 131, nil),
            secondNorm: norm(bytes(zero(.secondNormZero, 122)), inputBits: misfit == .secondNormBits ? 19 : 20),
            expansion: try linear(16, 8, 122, nil),
            activation: IntegerGELULevels(scale: 0x1p-10, output: bytes(zero(.activatedZero, 9))),
            contraction: try linear(8, 16, 9, nil))
    }

    /// A transformer around it.
    static func transformer(_ misfit: Misfit? = nil) throws(KernelError) -> IntegerTransformer {
        IntegerTransformer(
            tokens: try DenseTensor<Int32>([5, 8]), positions: try DenseTensor<Int32>([3, 8]),
            blocks: [try block(misfit)],
            norm: norm(bytes(misfit == .lastNormZero ? 101 : 100), inputBits: misfit == .lastNormBits ? 12 : 20),
            head: try linear(5, 8, 100, nil))
    }

    /// A GPT with other ranges; with those of 8 bits from 0 on it can be made.
    static func network(_ range: AffineParameters, inHead: Bool) throws -> IntegerGPT {
        let model = try Model(.gpt(layers: 1, width: 16, heads: 2, context: 8, vocabulary: 11), seed: 1)
        let plain = bytes(128)
        var ranges = IntegerBlockRanges(
            attentionInput: plain, query: plain, key: plain, value: plain, attended: plain, feedForwardInput: plain,
            activated: plain)
        if !inHead { ranges.value = range }
        return try IntegerGPT(model, ranges: [ranges], headInput: inHead ? range : plain, greatestResidual: 1)
    }
}

/// What integers cannot be made of.
@Suite struct IntegerPartsTests {
    /// The program stops; an error would not do, so none leaves the child.
    @Test(arguments: Misfit.allCases)
    fileprivate func partsThatDoNotFit(misfit: Misfit) async {
        await #expect(processExitsWith: .failure) { [misfit = misfit as Misfit] in
            _ = try? Parts.transformer(misfit)
        }
    }

    @Test func partsThatFit() throws {
        let logits = try Parts.transformer().logits(of: Tokens([1, 4, 0]))
        #expect(logits.count == 15)
    }

    /// Bytes from 0 on are what layers read.
    @Test(arguments: [true, false])
    func rangesOfOtherIntegers(inHead: Bool) async throws {
        _ = try Parts.network(Parts.bytes(100), inHead: inHead)
        _ = try Parts.network(Parts.bytes(7, bits: 4), inHead: inHead)
        await #expect(processExitsWith: .failure) { [inHead = inHead as Bool] in
            _ = try? Parts.network(Parts.bytes(100, bits: 12), inHead: inHead)
        }
        await #expect(processExitsWith: .failure) { [inHead = inHead as Bool] in
            let signed = AffineParameters(scale: 0.02, zeroPoint: 0, bits: 8, levels: .narrow)
            _ = try? Parts.network(signed, inHead: inHead)
        }
    }

    // MARK: numbers that are too large

    @Test func scalesOfTheResidualStream() {
        #expect(IntegerResidual.scale(greatest: 2, epsilon: 1e-5) == 0x1p-17)
        #expect(IntegerResidual.scale(greatest: 0, epsilon: 1) == 0x1p-20)
        #expect(IntegerResidual.scale(greatest: 0, epsilon: 0) == .leastNormalMagnitude)
        #expect(IntegerResidual.scale(greatest: .greatestFiniteMagnitude, epsilon: 0).isFinite)
        // 1e40 is no float, 2^-20 of it is one.
        #expect(abs(IntegerResidual.scale(greatest: 2, epsilon: 1e80) / 9.5367e33 - 1) < 1e-4)
        #expect(IntegerResidual.scale(greatest: 2, epsilon: 1e300) == .greatestFiniteMagnitude)
    }

    /// An ε beside which everything is nothing: norms are their biases, here 0.
    @Test(arguments: [1e30, 1e80, 1e300])
    func largeEpsilons(epsilon: Double) throws {
        let model = try Model(.gpt(layers: 1, width: 16, heads: 2, context: 8, vocabulary: 11), seed: 1)
        var configuration = try #require(model.architecture as? GPT).configuration
        configuration.layerNormEpsilon = epsilon
        let changed = Model(architecture: GPT(configuration), weights: model.weights)
        let network = try IntegerGPT.calibrated(changed, on: Tokens([1, 2, 3]))
        #expect(network.residualScale.isFinite && network.residualScale > 0)
        #expect(Set(try network.logits(of: Tokens([4, 10, 0]))) == [0])
    }

    /// A step of the logits that no float can say is an error that names the layer.
    @Test func largeHeads() throws {
        var configuration = GPT2Configuration(layers: 1, width: 16, heads: 2, context: 8, vocabulary: 11)
        configuration.tiesHead = false
        let model = try Model(configuration.modelConfiguration, seed: 1)
        let weights = try zip(model.weights, model.architecture.parameters).map { weight, description in
            let large: Float? = ["lm_head.weight": 3e38, "ln_f.weight": 1e5][description.path]
            guard let large else { return weight }
            let values = [Float](repeating: large, count: description.shape.count)
            return PackedWeight.f32(try Tensor(description.shape, values))
        }
        let error = #expect(throws: TrainingError.self) {
            try IntegerGPT.calibrated(model.replacing(weights: weights), on: Tokens([1, 2, 3]))
        }
        let message = "\(try #require(error))"
        #expect(message.contains("lm_head") && message.contains("more than a float can say"), "\(message)")
    }

    /// The same of a classifier.
    @Test func largeLastLayers() throws {
        let network = try SmallNetwork(SmallNetwork.linear)
        let weight = network.parameters[4].value
        weight.copy(from: try Tensor(weight.shape, [Float](repeating: 3e38, count: weight.shape.count)))
        let ranges = [Float](repeating: 1e4, count: 3).map {
            AffineParameters(scale: $0, zeroPoint: 0, bits: 8, levels: .unsigned)
        }
        let error = #expect(throws: KernelError.self) {
            try IntegerNetwork(network.classifier, parameters: network.parameters, activations: ranges)
        }
        let message = "\(try #require(error))"
        #expect(message.contains("layers.3") && message.contains("more than a float can say"), "\(message)")
    }
}
