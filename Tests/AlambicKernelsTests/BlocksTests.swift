// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport
import Testing

/// Weights in blocks, against sums in double precision of small whole numbers, which are exact in every type.
@Suite struct BlocksTests {
    /// A product whose blocks of zeros are drawn.
    private static func blocks(
        M: Int, N: Int, K: Int, _ product: MatrixProduct, _ orientation: Orientation = .transposed, sparsity: Double,
        seed: UInt64
    ) -> SparseProductCase {
        SparseProductCase(M: M, N: N, K: K, product, orientation, zeros: .blocks, sparsity: sparsity, seed: seed)
    }

    private static let products: [MatrixProduct] = [.f32, .bf16, .s8]

    private static func compare(_ c: SparseProductCase, threads: [Int] = [1, 3]) throws {
        let expected = c.expected
        var first: [String: [Float]] = [:]
        try onEveryVariant(c.product.variants, threads: threads) { label, context in
            let blocks = try c.packed(.blocks, on: context)
            let result = try c.run(blocks, on: context)
            let wrong = (0..<expected.count).first { Double(result[$0]) != expected[$0] }
            #expect(wrong == nil, "\(c) on \(label)")
            let variant = label.split(separator: " ").first.map(String.init) ?? label
            let known = first[variant, default: result]
            #expect(known == result, "\(c) on \(label): not the bits of fewer threads")
            first[variant] = known
        }
    }

    @Test(arguments: products) func drawnShapesOfAllSparsities(_ product: MatrixProduct) throws {
        let shapes = drawnShapes(
            40, tiles: [[2, 6, 16, 28, 64], [16, 32, 64], [1, 2, 4, 16, 64]], most: [140, 90, 300], seed: 41)
        for (i, shape) in shapes.enumerated() {
            let orientation: Orientation = i % 3 == 0 ? .asIs : .transposed
            try Self.compare(
                Self.blocks(
                    M: shape[0], N: shape[1], K: shape[2], product, orientation,
                    sparsity: [0, 0.2, 0.5, 0.9, 1][i % 5],
                    seed: UInt64(i)))
        }
    }

    @Test(arguments: products) func allRowsUpToTwoPanels(_ product: MatrixProduct) throws {
        for M in 1...66 {
            try Self.compare(Self.blocks(M: M, N: 33, K: 37, product, sparsity: 0.5, seed: UInt64(M)), threads: [1])
        }
    }

    @Test(arguments: products) func nothing(_ product: MatrixProduct) throws {
        let none = Self.blocks(M: 5, N: 20, K: 0, product, sparsity: 0, seed: 1)
        try Self.compare(none)
        let zeros = Self.blocks(M: 5, N: 20, K: 64, product, sparsity: 1, seed: 1)
        try Self.compare(zeros)
        let context = try #require(product.variants.first { $0.runsHere }).context(threads: 1)
        let empty = try zeros.packed(.blocks, on: context), dense = try zeros.packed(.dense, on: context)
        #expect(empty.bytes < dense.bytes && empty.form == .blocks)
    }

    /// A row has the same bits in any company, with numbers whose sums round.
    @Test(arguments: products) func rowsDoNotDependOnM(_ product: MatrixProduct) throws {
        var c = Self.blocks(M: 70, N: 50, K: 600, product, sparsity: 0.6, seed: 3)
        if product != .s8 { c = c.divided }
        try onEveryVariant(product.variants, threads: [1, 2]) { label, context in
            let b = try c.packed(.blocks, on: context)
            let all = try c.run(b, rows: 0..<70, on: context)
            for rows in [0..<1, 5..<6, 0..<17, 20..<49, 69..<70] {
                let part = try c.run(b, rows: rows, on: context)
                #expect(
                    part == Array(all[rows.lowerBound * 50..<rows.upperBound * 50]), "rows \(rows) on \(label)")
            }
            // What is left out adds nothing: the dense bits, but for AMX's bf16.
            if label.hasPrefix("amxbf16") { return }
            let dense = try c.run(try c.packed(.dense, on: context), rows: 0..<70, on: context)
            #expect(firstDifference(dense, all) == nil, "dense and blocks on \(label)")
        }
    }

    @Test func epiloguesScalesAndAccumulation() throws {
        let c = Self.blocks(M: 37, N: 45, K: 90, .f32, sparsity: 0.5, seed: 9)
        let bias = (0..<45).map { Float($0) }, expected = c.expected
        try onEveryVariant(MatrixProduct.f32.variants, threads: [1, 2]) { label, context in
            let b = try c.packed(.blocks, on: context)
            let output = Guarded(count: 37 * 45)
            try matmul(M: 37, c.a.span, b, into: output.mutableSpan, bias: bias.span, on: context)
            let biased = output.values(label)
            let unbiased = (0..<biased.count).first { Double(biased[$0]) != expected[$0] + Double($0 % 45) }
            #expect(unbiased == nil, "bias on \(label)")
            let sum = Guarded(expected.map { Float($0) })
            try matmul(M: 37, c.a.span, b, into: sum.mutableSpan, store: .accumulate, on: context)
            let doubled = sum.values(label)
            let wrong = (0..<doubled.count).first { Double(doubled[$0]) != 2 * expected[$0] }
            #expect(wrong == nil, "accumulated on \(label)")
        }
    }

    /// A of f32, which is quantized or rounded on the way as it is for the dense form.
    @Test(arguments: [MatrixProduct.bf16, .s8]) func convertedRows(_ product: MatrixProduct) throws {
        let c = Self.blocks(M: 71, N: 40, K: 150, product, sparsity: 0.4, seed: 5)
        var random = SplitMix(seed: 6)
        // Whole numbers up to 127 have a scale of 1 as int8 and are themselves as bf16; then numbers that are neither.
        let whole = c.a.enumerated().map { $0.offset % 150 == 7 ? 127 : $0.element }
        for (a, exact) in [(whole, true), (random.floats(71 * 150), product == .s8)] {
            try onEveryVariant(product.variants, threads: [1, 2]) { label, context in
                let results = try [PackedMatrix.Form.dense, .blocks].map { form in
                    let y = Guarded(count: 71 * 40)
                    try matmul(
                        M: 71, a.span, try c.packed(form, on: context), into: y.mutableSpan, epilogue: Epilogue(),
                        on: context)
                    return y.values(label)
                }
                if !exact && label.hasPrefix("amxbf16") { return }
                #expect(firstDifference(results[0], results[1]) == nil, "\(product) on \(label)")
            }
        }
    }

    /// -0 is zero, and what is not a number is not.
    @Test func zerosAndNumbers() throws {
        let context = Context.default
        var w = [Float](repeating: -0.0, count: 16 * 8)
        w[3] = .nan
        let b = try PackedMatrix(.f32, w.span, N: 16, K: 8, form: .blocks, on: context)
        let a = [Float](repeating: 1, count: 8), c = Guarded(count: 16)
        try matmul(M: 1, a.span, b, into: c.mutableSpan, on: context)
        let result = c.values("nan")
        #expect(result[0].isNaN && result[1...].allSatisfy { $0 == 0 })
    }

    @Test func whatHasNoBlocks() throws {
        let context = Context.default
        let bytes = [Int8](repeating: 1, count: 64), wide = [Float](repeating: 0, count: 65536)
        #expect(throws: KernelError.self) {
            try PackedMatrix(.f32s8, bytes.span, N: 16, K: 4, form: .blocks, on: context)
        }
        #expect(throws: KernelError.self) {
            try PackedMatrix(.f32, wide.span, N: 1, K: 65536, form: .blocks, on: context)
        }
    }
}
