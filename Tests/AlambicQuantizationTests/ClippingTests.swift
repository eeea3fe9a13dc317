import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Foundation
import Synchronization
import Testing

@testable import AlambicQuantization

@Suite struct ClippingTests {
    /// The 32 candidates of each row, in double precision.
    @Test func theLeastErrorIsFound() throws {
        var random = SplitMix(seed: 2)
        // With fewer weights for one scale, 8 bits leave so little that cutting off costs more.
        let columns = 3000
        var values = random.normals(6 * columns)
        // A row of zeros, a row of one value, a row with an outlier.
        for k in 0..<columns { (values[k], values[columns + k]) = (0, -0.5) }
        values[2 * columns + 50] = 7
        let weight = try Tensor([6, columns], values)
        let quantized = try QuantizedTensor.clipped(weight, on: try Context(threads: 2))
        let dense = try quantized.dense().elements
        for n in 0..<6 {
            let row = values[n * columns..<(n + 1) * columns].map(Double.init)
            let greatest = row.map { abs($0) }.max() ?? 0
            func error(_ scale: Double) -> Double {
                row.reduce(0) { sum, x in
                    let level = min(max((x / scale).rounded(.toNearestOrEven), -127), 127)
                    return sum + (x - level * scale) * (x - level * scale)
                }
            }
            let least = greatest == 0 ? 0 : (0..<32).map { error(greatest / 127 * (1 - Double($0) / 64)) }.min() ?? 0
            let found = zip(row, dense[n * columns..<(n + 1) * columns]).reduce(0.0) {
                $0 + ($1.0 - Double($1.1)) * ($1.0 - Double($1.1))
            }
            // f32 may take another level at a near tie, and one of two candidates that are nearly equal.
            #expect(abs(found - least) <= 1e-3 * least + 1e-9, "row \(n): \(found) against \(least)")
        }
        let plain = try Int8Scheme().quantize(.f32(weight), on: .default).dense().elements
        let clipped = try Int8Scheme.int8(clipping: .mse).quantize(.f32(weight), on: .default).dense().elements
        #expect(clipped == dense)
        #expect(OutlierModel.squaredError(clipped, values) < OutlierModel.squaredError(plain, values))
        #expect(dense[..<columns].allSatisfy { $0 == 0 })
    }

    @Test func whatIsNotFiniteStaysSo() throws {
        let weight = try Tensor([2, 3], [1, .nan, 2, 1, 2, 3])
        let (clipped, plain) = (
            try QuantizedTensor.clipped(weight, on: .default), try QuantizedTensor(weight, on: .default)
        )
        let scales = (0..<2).map { (clipped.scales.span[$0], plain.scales.span[$0]) }
        #expect(scales[0].0.isNaN && scales[0].1.isNaN && scales[1].0 > 0)
    }

    /// Hessians of few tokens, of inputs that are always 0, and of neither.
    @Test func singularHessiansAreSaid() throws {
        var all = SingularHessians(damping: 0.01)
        #expect(all.text == nil)
        func hessian(_ rows: Int, silent: Bool) throws -> Hessian {
            var random = SplitMix(seed: 1)
            var values = random.normals(rows * 8)
            for i in values.indices where silent && i % 8 == 3 { values[i] = 0 }
            let hessian = try Hessian(inputs: 8)
            try hessian.add(try Tensor([rows, 8], values), on: .default)
            return hessian
        }
        all.note(try hessian(20, silent: false), share: 0.01)
        #expect(all.text == nil)
        all.note(try hessian(20, silent: true), share: 0.01)
        all.note(try hessian(4, silent: true), share: 0.01)
        #expect(
            all.text == "2 of 3 Hessians are singular (1 with fewer tokens than inputs, 1 with inputs that were always "
                + "0): damped by 1.0 % of the mean of their diagonal")
    }

    @Test func gptqSaysThatItDamped() throws {
        let model = try OutlierModel.make()
        let said = Mutex<[String]>([])
        func quantize(tokens: Int) throws {
            let method = GPTQ(
                on: try OutlierModel.calibration(tokens: tokens), notice: { text in said.withLock { $0.append(text) } })
            _ = try model.quantized(.int4(), method: method)
        }
        try quantize(tokens: 2048)
        #expect(said.withLock { $0 } == [])
        try quantize(tokens: 32)
        #expect(
            said.withLock { $0 } == [
                "8 of 8 Hessians are singular (8 with fewer tokens than inputs): damped by 1.0 % of the mean of their diagonal"
            ])
    }

    @Test func shortFloatsSayWhatTheyCannotHold() throws {
        let model = try OutlierModel.make()
        var weights = model.weights
        weights[4] = try weights[4].scaled { n, k in n == 0 && k == 0 ? 1e9 : 1 }
        let error = #expect(throws: TrainingError.self) { try model.replacing(weights: weights).quantized(.f16) }
        let message = "\(try #require(error))"
        #expect(message.hasPrefix("cannot quantize 'h.0.attn.c_attn.weight': weight "), "\(message)")
        #expect(message.hasSuffix(" is beyond what f16 can hold"), "\(message)")
        weights[4] = try model.weights[4].scaled { n, k in n == 1 && k == 2 ? .nan : 1 }
        for scheme: any QuantizationScheme in [BF16Scheme(), F16Scheme()] {
            let error = #expect(throws: TrainingError.self) { try quantize(model.replacing(weights: weights), scheme) }
            #expect("\(try #require(error))".contains("'h.0.attn.c_attn.weight'"))
        }
    }

    private func quantize(_ model: Model, _ scheme: some QuantizationScheme) throws -> Model {
        try model.quantized(scheme)
    }
}
