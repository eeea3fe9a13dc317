import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Testing

@testable import AlambicQuantization

@Suite struct InputScalingTests {
    private static func untied() throws -> Model {
        var sizes = GPT2Configuration(layers: 2, width: 64, heads: 2, context: 16, vocabulary: 256, dropout: 0)
        sizes.tiesHead = false
        return try Model(sizes.modelConfiguration, seed: 2)
    }

    /// Powers of two change no bit of what the model says, wherever they are applied.
    @Test func powersOfTwoChangeNothing() throws {
        for model in [try OutlierModel.make(), try Self.untied()] {
            var weights = model.weights
            var random = SplitMix(seed: 4)
            let places = model.architecture.inputScalings
            #expect(places.count == (model.architecture.head.index == 0 ? 6 : 7))
            for place in places {
                let inputs = weights[place.consumers[0].index].shape.columns
                let scales = random.integers(inputs, in: -3...3).map {
                    Float(sign: .plus, exponent: $0, significand: 1)
                }
                try place.apply(scales, to: &weights)
            }
            let changed = model.replacing(weights: weights)
            #expect(changed.digest != model.digest)
            #expect(firstDifference(try OutlierModel.logits(changed), try OutlierModel.logits(model)) == nil)
        }
    }

    /// Any other factors: one layer behind a norm, element by element. Gain and weight are rounded once more, each by at most
    /// u = 2⁻²⁴, the bias and its product too; the sums of both layers round at most K + 3 times.
    @Test func otherFactorsChangeByRoundingAlone() throws {
        let (K, N) = (48, 20)
        var random = SplitMix(seed: 6)
        let (gain, bias) = (try Tensor([K], random.floats(K)), try Tensor([K], random.floats(K)))
        let weight = try Tensor([N, K], random.normals(N * K))
        let x = random.normals(K)
        let scaling = InputScaling(
            .norm(gain: ParameterID(index: 0), bias: ParameterID(index: 1)), into: [ParameterID(index: 2)])
        var weights: [PackedWeight] = [.f32(gain), .f32(bias), .f32(weight)]
        let scales = random.floats(K, in: 0.01...30)
        func outputs() throws -> (values: [Float], terms: [Double]) {
            let parts = try weights.map { try $0.dense().elements }
            let inputs = zip(x, zip(parts[0], parts[1])).map { $0 * $1.0 + $1.1 }
            let sizes = zip(x, zip(parts[0], parts[1])).map { abs(Double($0 * $1.0)) + abs(Double($1.1)) }
            var (values, terms) = ([Float](), [Double]())
            for n in 0..<N {
                values.append((0..<K).reduce(Float(0)) { $0 + inputs[$1] * parts[2][n * K + $1] })
                terms.append((0..<K).reduce(0.0) { $0 + sizes[$1] * abs(Double(parts[2][n * K + $1])) })
            }
            return (values, terms)
        }
        let before = try outputs()
        try scaling.apply(scales, to: &weights)
        let after = try outputs()
        #expect(
            worstExcess(after.values, expected: before.values.map(Double.init)) {
                Double(2 * (K + 3) + 4) * 0x1p-24 * before.terms[$0]
            } == nil)
    }

    @Test func sparseWeightsStaySparse() throws {
        let model = try sparse(try OutlierModel.make())
        for method in ["smoothquant", "awq"] {
            let made = try QuantizationMethods.type(named: method).init(calibration: OutlierModel.calibration())
            let quantized = try model.quantized(.int4(), method: AnyMethod(made))
            for (index, description) in model.architecture.parameters.enumerated() where description.kind == .matrix {
                #expect(quantized.weights[index].formName == "bitmask-int4", "\(method) \(description.path)")
            }
            #expect(quantized.nonzeroCount <= model.nonzeroCount)
        }
    }

    @Test func integersAreRefused() throws {
        let model = try OutlierModel.make()
        let quantized = try model.quantized(.int8())
        let error = #expect(throws: TrainingError.self) {
            try quantized.quantized(.int8(), method: SmoothQuant(on: OutlierModel.calibration()))
        }
        #expect(
            "\(try #require(error))"
                == "'h.0.attn.c_attn.weight' is int8 already, and smoothquant scales floats: start from the model before it "
                + "was quantized")
        let scheme = #expect(throws: TrainingError.self) {
            try model.quantized(.bf16, method: AWQ(on: OutlierModel.calibration()))
        }
        #expect("\(try #require(scheme))" == "awq makes int8 or int4 weights, not bf16: use rtn for these")
        let alone = #expect(throws: TrainingError.self) { try AWQ(calibration: nil) }
        #expect("\(try #require(alone))".hasPrefix("awq needs a text"))
        let strength = #expect(throws: TrainingError.self) {
            try SmoothQuant(on: OutlierModel.calibration(), strength: 1.5).smoothed(model)
        }
        #expect("\(try #require(strength))".contains("a strength of 1.5"))
    }

    @Test func numbersThatAreNotFiniteAreNamed() throws {
        let model = try OutlierModel.make()
        var weights = model.weights
        var gains = try weights[2].dense().elements
        gains[7] = .infinity
        weights[2] = .f32(try Tensor([64], gains))
        let damaged = model.replacing(weights: weights)
        for method in QuantizationMethods.all where method.needsCalibration {
            let made = AnyMethod(try method.init(calibration: OutlierModel.calibration()))
            let error = #expect(throws: TrainingError.self, "\(method.name)") {
                try damaged.quantized(.int4(), method: made)
            }
            #expect(error?.description.contains("not finite") == true, "\(method.name)")
        }
    }
}

/// A method that was found by name.
struct AnyMethod: QuantizationMethod {
    static let name = "any"
    static let needsCalibration = false
    let method: any QuantizationMethod

    init(_ method: any QuantizationMethod) { self.method = method }

    init(calibration: Calibration?) { method = RoundToNearest() }

    func quantize(
        _ model: Model, _ chosen: [Int], to scheme: some QuantizationScheme, on context: Context
    ) throws(TrainingError) -> [PackedWeight] {
        try method.quantize(model, chosen, to: scheme, on: context)
    }
}
