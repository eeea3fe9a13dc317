import AlambicTestSupport
import Foundation
import Testing

@testable import AlambicQuantization

@Suite struct IntegerTransformerTests {
    @Test func squareRoots() {
        for n in Int64(0)...5000 {
            let root = integerSquareRoot(n)
            #expect(root * root <= n && (root + 1) * (root + 1) > n, "\(n)")
        }
        for root in [Int64(65_535), 65_536, 3_037_000_498, 3_037_000_499] {
            #expect(integerSquareRoot(root * root) == root)
            #expect(integerSquareRoot(root * root - 1) == root - 1)
        }
        #expect(integerSquareRoot(.max) == 3_037_000_499)
    }

    /// The polynomial is off by 0.0019 (Kim et al. 2021, section 3.5); integer constants add a step or two.
    @Test func exponentials() {
        for scale in [0x1p-4, 0.03, 0x1p-8, 1e-3, 0x1p-16] {
            let exponential = IntegerExponential(scale: scale)
            var worst = 0.0
            for i in 0..<2000 {
                let q = -Int32(Double(i) * 0.005 / scale)
                worst = max(
                    worst, abs(Double(exponential(q)) * IntegerExponential.outputScale(scale) - exp(Double(q) * scale)))
            }
            #expect(worst < 0.0025 + 1.5 * scale, "scale \(scale): \(worst)")
            #expect(exponential(.min) >= 0)
        }
    }

    @Test func softmax() {
        var random = SplitMix(seed: 8)
        for scale in [0x1p-4, 0x1p-6, 0x1p-10] {
            for bits in [8, 16] {
                let softmax = IntegerSoftmax(scale: scale, bits: bits)
                for count in [1, 2, 7, 50] {
                    let row = random.integers(count, in: Int32(-4 / scale)...Int32(4 / scale))
                    let weights = row.map { exp(Double($0) * scale) }
                    let sum = weights.reduce(0, +)
                    let one = Double(1 << bits)
                    let tolerance = 0.004 + 0.6 * scale + 1 / one
                    for (q, weight) in zip(softmax(row), weights) {
                        let error = abs(Double(q) / one - weight / sum)
                        #expect(error < tolerance, "scale \(scale), \(count) logits")
                    }
                    #expect(softmax(row).reduce(0, +) <= 1 << bits, "rounded down, they are at most 1 together")
                }
            }
        }
        #expect(IntegerSoftmax(scale: 0.01)([]) == [])
        #expect(IntegerSoftmax(scale: 0.01)([.max, .min]) == [256, 0])
        #expect(IntegerSoftmax(scale: 0.01)([5, 5]) == [128, 128])
    }

    /// Off by at most 0.018 (Kim et al. 2021, table 1), and a step.
    @Test func gelu() {
        for scale in [0x1p-4, 0.02, 0x1p-8, 1e-4, 0x1p-16] {
            let gelu = IntegerGELU(scale: scale)
            var worst = 0.0
            for i in -1000...1000 {
                let q = Int32(Double(i) * 0.006 / scale)
                let x = Double(q) * scale
                let exact = x / 2 * erfc(-x / 2.0.squareRoot())
                worst = max(worst, abs(Double(gelu(q)) * IntegerGELU.outputScale(scale) - exact))
            }
            #expect(worst < 0.0185 + 2.5 * scale, "scale \(scale): \(worst)")
            #expect(gelu(0) == 0)
        }
    }

    @Test func layerNorm() {
        var random = SplitMix(seed: 4)
        for (columns, deviation): (Int, Float) in [(2, 30), (16, 3), (64, 40), (768, 25)] {
            let row = random.normals(columns, deviation: deviation).map {
                Int32(max(-128, min(127, $0.rounded() + 11)))
            }
            let gains = random.floats(columns, in: -1.5...1.5), biases = random.floats(columns)
            let output = AffineParameters.asymmetric(-6, 6, bits: 12)
            let inputScale = 0.037
            let norm = IntegerLayerNorm(gains: gains, biases: biases, inputScale: inputScale, output: output)
            let x = row.map { Double($0) * inputScale }
            let mean = x.reduce(0, +) / Double(columns)
            let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
            for (j, q) in norm(row).enumerated() {
                let exact = (x[j] - mean) / (variance + 1e-5).squareRoot() * Double(gains[j]) + Double(biases[j])
                // Half a step for the result and for its bias, and 2^-11 of the normalized value.
                let tolerance = 1.1 * Double(output.scale) + 0x1p-10
                let clamped = min(max(exact, Double(output.minimum)), Double(output.maximum))
                let error = abs(Double(output.real(q)) - clamped)
                #expect(error < tolerance, "\(columns) columns, \(j)")
            }
        }
        // A constant row has no deviation: its norm is the bias.
        let output = AffineParameters.asymmetric(-2, 2)
        let norm = IntegerLayerNorm(
            gains: [1, 1, 0], biases: [0.5, -0.5, 1], epsilon: 0, inputScale: 0.1, output: output)
        let constant: [Float] = norm([7, 7, 7]).map { output.real($0) }
        let biases: [Float] = [0.5, -0.5, 1]
        for (value, bias) in zip(constant, biases) { #expect(abs(value - bias) <= output.scale) }
        #expect(norm([127, -128, 0])[2] == output.level(1), "a gain of 0 leaves the bias")
    }
}
