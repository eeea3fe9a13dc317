// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport
import Testing

/// Weights as bit masks: against sums in double precision of small whole numbers, which are exact in every type, and against
/// the dense form of the same product on the same instruction sets, bit for bit.
@Suite struct BitmaskProductTests {
    static let products: [MatrixProduct] = [.f32, .bf16, .f16, .s8, .u8s8]

    private static func drawn(
        M: Int, N: Int, K: Int, _ product: MatrixProduct, _ orientation: Orientation = .transposed, sparsity: Double,
        seed: UInt64
    ) -> SparseProductCase {
        SparseProductCase(M: M, N: N, K: K, product, orientation, zeros: .elements, sparsity: sparsity, seed: seed)
    }

    /// Packed once for each set of instruction sets, used with every number of threads.
    private static func compare(_ c: SparseProductCase, threads: [Int] = [1, 2, 3]) throws {
        let expected = c.expected
        try onEverySparseVariant(c.product, threads: threads.prefix(1).map { $0 }) { label, context in
            let masked = try c.packed(.bitmask, on: context), dense = try c.packed(.dense, on: context)
            #expect(masked.form == .bitmask && dense.form == .dense)
            let bits = try c.run(dense, on: context)
            for count in threads {
                let context = try Machine.local.context(threads: count, allowing: context.isa)
                let result = try c.run(masked, on: context)
                for e in 0..<expected.count where Double(result[e]) != expected[e] {
                    Issue.record(
                        "\(c) on \(label), \(count) threads: element \(e) is \(result[e]), not \(expected[e])")
                    return
                }
                if let difference = firstDifference(result, bits) {
                    Issue.record("\(c) on \(label), \(count) threads: not the dense bits, \(difference)")
                }
            }
        }
    }

    @Test(arguments: products) func drawnShapesOfAllSparsities(_ product: MatrixProduct) throws {
        let shapes = drawnShapes(
            30, tiles: [[2, 4, 6, 14, 16, 32], [8, 16, 32], [1, 2, 4, 16, 64, 512]], most: [120, 100, 1540], seed: 61)
        for (i, shape) in shapes.enumerated() {
            try Self.compare(
                Self.drawn(
                    M: shape[0], N: shape[1], K: shape[2], product, i % 3 == 0 ? .asIs : .transposed,
                    sparsity: [0, 0.3, 0.5, 0.8, 0.95, 1][i % 6], seed: UInt64(i)))
        }
    }

    /// K in several blocks, more panels of A than fit a block, tails of one column.
    @Test(
        arguments: products,
        [(600, 33, 70), (515, 17, 2056), (150, 65, 4103), (33, 129, 5000), (5, 97, 9001), (1, 200, 4097)])
    func largeShapes(_ product: MatrixProduct, _ shape: (M: Int, N: Int, K: Int)) throws {
        try Self.compare(
            Self.drawn(M: shape.M, N: shape.N, K: shape.K, product, sparsity: 0.7, seed: UInt64(shape.K)))
    }

    @Test(arguments: products) func allRowsUpToTwoPanels(_ product: MatrixProduct) throws {
        for M in 1...66 {
            let K = [37, 130, 515][M % 3]
            try Self.compare(Self.drawn(M: M, N: 33, K: K, product, sparsity: 0.5, seed: UInt64(M)), threads: [1])
        }
    }

    /// Outputs without any weight: whole panels of them, single ones, and the lone column of a last panel.
    @Test(arguments: products) func emptyRowsOfWeights(_ product: MatrixProduct) throws {
        for (M, N, K, rows) in [
            (1, 97, 300, Array(32..<64)), (3, 65, 130, [64]), (40, 65, 700, Array(0..<64)),
            (17, 33, 64, Array(stride(from: 0, to: 33, by: 2))), (6, 1, 1, [0]),
        ] {
            try Self.compare(Self.drawn(M: M, N: N, K: K, product, sparsity: 0.4, seed: 7).without(rows))
        }
    }

    @Test(arguments: products) func emptyExtents(_ product: MatrixProduct) throws {
        for (M, N, K) in [(5, 20, 0), (0, 20, 30), (5, 0, 30), (0, 0, 0)] {
            try Self.compare(Self.drawn(M: M, N: N, K: K, product, sparsity: 0.5, seed: 1))
        }
    }

    /// A row has the same bits in any company, those of the dense product, with numbers whose sums round.
    @Test(arguments: products) func rowsDoNotDependOnM(_ product: MatrixProduct) throws {
        for (M, N, K) in [(70, 50, 600), (45, 33, 4500)] {
            var c = Self.drawn(M: M, N: N, K: K, product, sparsity: 0.6, seed: 3)
            if product != .s8 && product != .u8s8 { c = c.divided }
            try onEverySparseVariant(product, threads: [1, 2]) { label, context in
                let b = try c.packed(.bitmask, on: context)
                let all = try c.run(b, on: context)
                let dense = try c.run(try c.packed(.dense, on: context), on: context)
                #expect(firstDifference(dense, all) == nil, "dense and bitmask, \(c) on \(label)")
                for rows in [0..<1, 5..<6, 0..<2, 3..<6, 7..<11, 0..<17, 20..<44, M - 1..<M] {
                    let part = try c.run(b, rows: rows, on: context)
                    let same = firstDifference(part, Array(all[rows.lowerBound * N..<rows.upperBound * N])) == nil
                    #expect(same, "rows \(rows) of \(c) on \(label)")
                }
            }
        }
    }

    /// A of f32, rounded or quantized on the way as it is for the dense form.
    @Test(arguments: [MatrixProduct.bf16, .f16, .s8]) func convertedRows(_ product: MatrixProduct) throws {
        for M in [1, 4, 15, 71] {
            let c = Self.drawn(M: M, N: 40, K: 1500, product, sparsity: 0.6, seed: UInt64(M))
            var random = SplitMix(seed: 6)
            let a = random.floats(M * 1500)
            try onEverySparseVariant(product, threads: [1, 2]) { label, context in
                let results = try [PackedMatrix.Form.dense, .bitmask].map { form in
                    let y = Guarded(count: M * 40)
                    try matmul(
                        M: M, a.span, try c.packed(form, on: context), into: y.mutableSpan, epilogue: Epilogue(),
                        on: context)
                    return y.values(label)
                }
                #expect(firstDifference(results[0], results[1]) == nil, "\(c) on \(label)")
            }
        }
    }
}
