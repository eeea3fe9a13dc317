import AlambicTestSupport
import Testing

@testable import AlambicQuantization

/// Norms of a residual stream: integers of 20 bits whose deviation may be few of their steps, or less than one.
@Suite struct IntegerLayerNormTests {
    /// What a norm may be off by against real numbers, as `IntegerLayerNorm` derives it: 2⁻¹⁴ + 2⁻²⁰ (1 + |z|) of the
    /// normalized value z, and 1¼ steps of the results. Results are in f32: another 2⁻²⁰ of theirs.
    private static func tolerance(_ z: Double, _ gain: Float, _ output: AffineParameters) -> Double {
        let normalized = 0x1p-14 + 0x1p-20 * (1 + abs(z))
        return normalized * Double(abs(gain)) + (1.25 + 0x1p-20 * 0x1p14) * Double(output.scale)
    }

    private static func expectReal(
        _ row: [Int32], scale: Double, epsilon: Double, gains: [Float], biases: [Float], output: AffineParameters,
        _ what: String
    ) {
        let norm = IntegerLayerNorm(
            gains: gains, biases: biases, epsilon: epsilon, inputScale: scale, inputBits: 20, output: output)
        let count = Double(row.count)
        // Distances from a number of the row, so that nothing is lost of small ones.
        let x = row.map { Double(Int64($0) - Int64(row[0])) }
        let mean = x.reduce(0, +) / count
        let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
        let deviation = (variance + epsilon / (scale * scale)).squareRoot()
        var worst = (column: 0, share: 0.0)
        for (j, q) in norm(row).enumerated() {
            let z = (x[j] - mean) / deviation
            let exact = z * Double(gains[j]) + Double(biases[j])
            let clamped = min(max(exact, Double(output.minimum)), Double(output.maximum))
            let share = abs(Double(output.real(q)) - clamped) / tolerance(z, gains[j], output)
            if share > worst.share { worst = (j, share) }
        }
        #expect(worst.share < 1, "\(what), column \(worst.column): \(worst.share) of the tolerance")
    }

    /// Rows whose deviation is small against the greatest magnitude of the stream, which has 2¹⁸ steps.
    @Test(arguments: [Float(4), 30, 300, 3000])
    func smallDeviations(greatest: Float) {
        let output = AffineParameters.asymmetric(-8, 8, bits: 14)
        let scale = Double(IntegerResidual.scale(greatest: greatest, epsilon: 1e-5))
        for (seed, deviation) in [Float(0.2), 0.05, 0.003].enumerated() {
            for columns in [2, 24, 768] {
                for offset in [0, 0.5 * greatest, -greatest] {
                    var random = SplitMix(seed: UInt64(seed))
                    let row = random.normals(columns, deviation: deviation).map {
                        IntegerResidual.level($0 + offset, scale: Float(scale))
                    }
                    Self.expectReal(
                        row, scale: scale, epsilon: 1e-5, gains: random.floats(columns, in: -1.5...1.5),
                        biases: random.floats(columns), output: output,
                        "greatest \(greatest), deviation \(deviation) around \(offset), \(columns) columns, seed \(seed)"
                    )
                }
            }
        }
    }

    /// ε that is a fraction of a step squared, none, or more than any row.
    @Test func epsilons() {
        var random = SplitMix(seed: 7)
        let output = AffineParameters.asymmetric(-8, 8, bits: 14)
        for steps in [0, 1e-12, 0.01, 0.4, 3.7, 1e6, 0x1p40, 0x1p59] {
            for spread in [Int32(0), 1, 2, 300, 524_287] {
                let row = random.integers(48, in: -spread...spread)
                // Of a constant row without ε there is no deviation: see `layerNorm`.
                guard steps > 0 || spread > 0 else { continue }
                Self.expectReal(
                    row, scale: 0.01, epsilon: steps * 1e-4, gains: [Float](repeating: 1, count: 48),
                    biases: random.floats(48), output: output, "epsilon of \(steps) steps squared, row within \(spread)"
                )
            }
        }
    }

    /// The widest rows that a layer takes, as far from 0 and from each other as they can be, and one number alone among
    /// equal ones: sums of squares fit.
    @Test func wideRows() {
        let columns = 65536
        let output = AffineParameters.asymmetric(-300, 300, bits: 16)
        let (gains, biases) = ([Float](repeating: 1, count: columns), [Float](repeating: 0, count: columns))
        let least: Int32 = -524_288, greatest: Int32 = 524_287
        var alone = [Int32](repeating: least, count: columns)
        alone[77] = greatest
        var nearly = [Int32](repeating: greatest, count: columns)
        nearly[5] = greatest - 1
        let rows: [(String, [Int32])] = [
            ("halves", (0..<columns).map { $0 % 2 == 0 ? least : greatest }), ("one alone", alone),
            ("one step", nearly), ("all the greatest", [Int32](repeating: greatest, count: columns)),
        ]
        for (what, row) in rows {
            for epsilon in [1e-5, 1e30] {
                Self.expectReal(
                    row, scale: 0x1p-10, epsilon: epsilon, gains: gains, biases: biases, output: output,
                    "\(what), epsilon \(epsilon)")
            }
        }
    }

    /// Every integer is that of plain loops in 128 bits.
    @Test func plainLoops() {
        var random = SplitMix(seed: 12)
        let output = AffineParameters.asymmetric(-5, 5)
        for columns in [1, 2, 3, 24, 255, 1024] {
            for spread in [Int32(0), 1, 3, 500, 100_000, 524_287] {
                for epsilon in [0, 1e-12, 1e-5, 1, 1e30] {
                    let offset = spread < 524_287 ? random.integers(1, in: Int32(-400_000)...400_000)[0] : 0
                    let row = random.integers(columns, in: -spread...spread).map { $0 + offset }
                    let (gains, biases) = (random.floats(columns, in: -2...2), random.floats(columns))
                    let norm = IntegerLayerNorm(
                        gains: gains, biases: biases, epsilon: epsilon, inputScale: 0x1p-9, inputBits: 20,
                        output: output)
                    let expected = TransformerOracle.norm(
                        row.map { Int64($0) }, gains: gains, biases: biases, epsilon: epsilon, scale: 0x1p-9, output)
                    #expect(
                        norm(row).map { Int64($0) } == expected,
                        "\(columns) columns within \(spread) of \(offset), epsilon \(epsilon), seed 12")
                }
            }
        }
    }
}
