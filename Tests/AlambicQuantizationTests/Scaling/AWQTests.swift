import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Foundation
import Testing

@testable import AlambicQuantization

@Suite struct AWQTests {
    /// Normal inputs, two of them fifty times the others, one always 0.
    private static func inputs(_ rows: Int = 200, _ count: Int = 64) throws -> Tensor {
        var values = SplitMixValues.normals(rows * count, seed: 8)
        for i in values.indices {
            switch i % count {
            case 5, 37: values[i] *= 50
            case 20: values[i] = 0
            default: break
            }
        }
        return try Tensor([rows, count], values)
    }

    private static func weight(_ outputs: Int = 24, _ count: Int = 64) throws -> Tensor {
        try Tensor([outputs, count], SplitMixValues.normals(outputs * count, seed: 9, deviation: 0.1))
    }

    private static func layer(_ x: Tensor) throws -> AWQLayer {
        var layer = try AWQLayer(inputs: x.columns)
        try layer.add(x.rows(0..<50), on: .default)
        try layer.add(x.rows(50..<x.rows), on: .default)
        return layer
    }

    /// Σ over rows of x and outputs of ((q diag(s)⁻¹ - w) x)².
    private static func error(_ quantized: Tensor, _ scales: [Float], _ weight: Tensor, _ x: Tensor) -> Double {
        let (q, w, elements, K) = (quantized.elements, weight.elements, x.elements, x.columns)
        var error = 0.0
        for row in 0..<x.rows {
            for n in 0..<weight.rows {
                var sum = 0.0
                for k in 0..<K {
                    let d = Double(q[n * K + k]) / Double(scales[k]) - Double(w[n * K + k])
                    sum += d * Double(elements[row * K + k])
                }
                error += sum * sum
            }
        }
        return error
    }

    /// √(4 · 1/4) = 1, and √(9 · 1) = 3.
    @Test func scalesByHand() {
        #expect(AWQLayer.scales(means: [4, 0.25, 0, 1], exponent: 1) == [4, 0.25, 1, 1])
        #expect(AWQLayer.scales(means: [9, 1, 3], exponent: 1) == [3, 1 / Float(3), 1])
        #expect(AWQLayer.scales(means: [16, 1], exponent: 0.5) == [2, 0.5])
        #expect(AWQLayer.scales(means: [16, 1, 0], exponent: 0) == [1, 1, 1])
        #expect(AWQLayer.scales(means: [0, 0], exponent: 0.5) == [1, 1])
    }

    /// An input that is next to nothing counts as 1e-4, before the root: √(1 · 1e-4) = 1/100, whatever it is.
    @Test func nearlyNothingDoesNotBlowScalesUp() {
        for least: Float in [1e-8, 1e-30] {
            let scales = AWQLayer.scales(means: [1, least, 0.25], exponent: 1)
            let expected: [Float] = [100, 0.01, 25]
            #expect(zip(scales, expected).allSatisfy { abs($0 - $1) <= 1e-6 * $1 }, "\(least): \(scales)")
        }
    }

    @Test func meansAndMaximaByHand() throws {
        var statistics = InputStatistics(inputs: 3)
        #expect(statistics.means == [0, 0, 0])
        try statistics.add(try Tensor([2, 3], [1, -2, 0, -3, 4, 0]))
        try statistics.add(try Tensor([2, 3], [0, 0, 0, 8, 2, 0]))
        #expect(statistics.means == [3, 2, 0] && statistics.greatest == [8, 4, 0] && statistics.rows == 4)
    }

    /// The grid's best, by the outputs themselves in double precision.
    @Test(arguments: ["int4", "int8"]) func theBestOfTheGridIsFound(name: String) throws {
        let (x, weight, scheme) = (try Self.inputs(), try Self.weight(), try QuantizationSchemes.named(name))
        let found = try Self.best(Self.layer(x), weight, scheme)
        let means = (0..<64).map { k in
            (0..<200).reduce(0.0) { $0 + abs(Double(x.elements[$1 * 64 + k])) } / 200
        }
        var errors: [Double] = []
        for step in 0..<20 {
            let powers = means.map { $0 == 0 ? 1 : pow($0, Double(step) / 20) }
            let known = powers.indices.filter { means[$0] > 0 }.map { powers[$0] }
            let root = ((known.max() ?? 1) * (known.min() ?? 1)).squareRoot()
            let scales = powers.indices.map { means[$0] == 0 ? 1 : Float(powers[$0] / root) }
            let scaled = try Tensor(
                [24, 64], weight.elements.enumerated().map { $0.element * scales[$0.offset % 64] })
            errors.append(Self.error(try Self.rounded(scaled, scheme), scales, weight, x))
        }
        let scaled = try Tensor([24, 64], weight.elements.enumerated().map { $0.element * found[$0.offset % 64] })
        let error = Self.error(try Self.rounded(scaled, scheme), found, weight, x)
        #expect(error <= 1.001 * (errors.min() ?? 0), "\(error) of \(errors)")
        // Rounding to nearest is the first of them, and outliers make it much worse.
        #expect(error < 0.5 * errors[0], "\(error) against \(errors[0])")
        #expect(found[5] > 2 * found[6] && found[37] > 2 * found[6] && found[20] == 1)
    }

    private static func best(
        _ layer: AWQLayer, _ weight: Tensor, _ scheme: some QuantizationScheme
    ) throws -> [Float] {
        try layer.bestScales(for: [.f32(weight)], to: scheme, on: .default)
    }

    private static func rounded(_ weight: Tensor, _ scheme: some QuantizationScheme) throws -> Tensor {
        try scheme.quantize(.f32(weight), on: .default).dense()
    }

    @Test func cuttingOffHelpsAndSparesOtherRows() throws {
        // A weight far from the others that meets an input that is nearly nothing.
        let (x, weight) = (try Self.inputs(), try Self.weight())
        var elements = weight.elements
        for n in 0..<24 { elements[n * 64 + 20] = 2 }
        let damaged = try Tensor([24, 64], elements)
        let clipped = try Self.layer(x).clipped(.f32(damaged), rows: 8..<16, for: Int4Scheme(), on: .default)
        let (before, after) = (
            Self.error(try Self.rounded(damaged, Int4Scheme()), [Float](repeating: 1, count: 64), damaged, x),
            Self.error(try Self.rounded(clipped.dense(), Int4Scheme()), [Float](repeating: 1, count: 64), damaged, x)
        )
        #expect(after < 0.9 * before, "\(before) → \(after)")
        let cut = try clipped.dense().elements
        for n in 0..<24 {
            #expect((cut[n * 64 + 20] < 2) == (8..<16).contains(n), "output \(n)")
        }
    }

    @Test func aModelWithOutliersGains() throws {
        let model = try OutlierModel.make()
        let exact = try OutlierModel.logits(model)
        let method = AWQ(on: try OutlierModel.calibration())
        let (plain, better) = (
            OutlierModel.squaredError(exact, try OutlierModel.logits(try model.quantized(.int4()))),
            OutlierModel.squaredError(exact, try OutlierModel.logits(try model.quantized(.int4(), method: method)))
        )
        #expect(better < 0.8 * plain, "\(plain) → \(better)")
    }

    @Test func bitsAreEqualForAnyNumberOfThreads() throws {
        let model = try OutlierModel.make()
        let method = AWQ(on: try OutlierModel.calibration())
        let digests = try [1, 3].map { try model.quantized(.int4(), method: method, on: Context(threads: $0)).digest }
        #expect(digests[0] == digests[1])
    }

    /// One token again and again: Hessians of rank 1 at most, and inputs without any spread.
    @Test func constantTextsWillDo() throws {
        let text = try Corpus(text: [UInt8](repeating: 32, count: 200), tokenizer: .bytes)
        let calibration = try Calibration(text, context: 16)
        let model = try OutlierModel.make()
        for type in QuantizationMethods.all where type.needsCalibration {
            let quantized = try model.quantized(.int4(), method: AnyMethod(try type.init(calibration: calibration)))
            #expect(try OutlierModel.logits(quantized).allSatisfy { $0.isFinite }, "\(type.name)")
        }
    }
}

private enum SplitMixValues {
    static func normals(_ count: Int, seed: UInt64, deviation: Float = 1) -> [Float] {
        var random = SplitMix(seed: seed)
        return random.normals(count, deviation: deviation)
    }
}
