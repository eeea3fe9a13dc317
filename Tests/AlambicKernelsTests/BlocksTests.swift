// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport
import Testing

/// Weights in blocks, against sums in double precision of small whole numbers, which are exact in every type.
@Suite struct BlocksTests {
    /// A product whose blocks of zeros are drawn.
    private struct Case {
        let M: Int, N: Int, K: Int, product: AlambicKernels.Product, orientation: Orientation
        let a: [Float], w: [Float]  // [M, K], [N, K]

        /// sparsity: the probability that a block is zero.
        init(
            M: Int, N: Int, K: Int, _ product: AlambicKernels.Product, _ orientation: Orientation = .transposed,
            sparsity: Double, seed: UInt64
        ) {
            (self.M, self.N, self.K, self.product, self.orientation) = (M, N, K, product, orientation)
            var random = SplitMix(seed: seed)
            a = (0..<M * K).map { _ in Float(Int.random(in: -127...127, using: &random)) }
            var w = [Float](repeating: 0, count: N * K)
            let steps = product == .f32 ? 1 : product == .bf16 ? 2 : 4
            for n in stride(from: 0, to: N, by: 16) {
                for k in stride(from: 0, to: K, by: steps) where Double.random(in: 0..<1, using: &random) >= sparsity {
                    for i in n..<min(n + 16, N) {
                        for j in k..<min(k + steps, K) {
                            w[i * K + j] = Float(Int.random(in: -127...127, using: &random))
                        }
                    }
                }
            }
            self.w = w
        }

        var label: String { "\(product) \(M)x\(N)x\(K) \(orientation)" }
        var stored: [Float] {
            if orientation == .transposed { return w }
            return (0..<K * N).map { w[$0 % N * K + $0 / N] }
        }

        func packed(_ form: PackedMatrix.Form, on context: Context) throws -> PackedMatrix {
            switch product {
            case .s8:
                let bytes = stored.map { Int8($0) }
                return try PackedMatrix(
                    product, bytes.span, N: N, K: K, orientation: orientation, form: form, on: context)
            case .bf16:
                let halves = stored.map { UInt16($0.bitPattern >> 16) }
                return try PackedMatrix(
                    product, halves.span, N: N, K: K, orientation: orientation, form: form, on: context)
            default:
                return try PackedMatrix(
                    product, stored.span, N: N, K: K, orientation: orientation, form: form, on: context)
            }
        }

        func run(_ b: PackedMatrix, rows: Range<Int>, on context: Context) throws -> [Float] {
            let part = Array(a[rows.lowerBound * K..<rows.upperBound * K])
            let c = Guarded(count: rows.count * N)
            switch product {
            case .s8:
                let bytes = part.map { Int8($0) }, sums = try Memory<Int32>(count: rows.count * N)
                try matmul(M: rows.count, bytes.span, b, into: sums.mutableSpan, on: context)
                let all = sums.span
                return (0..<all.count).map { Float(all[$0]) }
            case .bf16:
                let halves = part.map { UInt16($0.bitPattern >> 16) }
                try matmul(
                    M: rows.count, halves.span, b, into: c.mutableSpan, epilogue: Epilogue(), on: context)
            default:
                try matmul(M: rows.count, part.span, b, into: c.mutableSpan, on: context)
            }
            return c.values(label)
        }

        /// Whole numbers: products are, and so are sums, which f32 holds when they are small.
        var expected: [Double] {
            (0..<M * N).map { e in
                var sum = 0.0
                for k in 0..<K { sum += Double(a[e / N * K + k]) * Double(w[e % N * K + k]) }
                return sum
            }
        }

        /// The same with numbers whose sums round.
        var divided: Case { Case(self, a: a.map { $0 / 3 }, w: w.map { $0 / 7 }) }
        private init(_ other: Case, a: [Float], w: [Float]) {
            (M, N, K, product, orientation) = (other.M, other.N, other.K, other.product, other.orientation)
            (self.a, self.w) = (a, w)
        }
    }

    private static let products: [AlambicKernels.Product] = [.f32, .bf16, .s8]

    private static func compare(_ c: Case, threads: [Int] = [1, 3]) throws {
        let expected = c.expected
        var first: [String: [Float]] = [:]
        try onEveryVariant(c.product.variants, threads: threads) { label, context in
            let blocks = try c.packed(.blocks, on: context)
            let result = try c.run(blocks, rows: 0..<c.M, on: context)
            let wrong = (0..<expected.count).first { Double(result[$0]) != expected[$0] }
            #expect(wrong == nil, "\(c.label) on \(label)")
            let variant = label.split(separator: " ").first.map(String.init) ?? label
            let known = first[variant, default: result]
            #expect(known == result, "\(c.label) on \(label): not the bits of fewer threads")
            first[variant] = known
        }
    }

    @Test(arguments: products) func drawnShapesOfAllSparsities(_ product: AlambicKernels.Product) throws {
        let shapes = drawnShapes(
            40, tiles: [[2, 6, 16, 28, 64], [16, 32, 64], [1, 2, 4, 16, 64]], most: [140, 90, 300], seed: 41)
        for (i, shape) in shapes.enumerated() {
            let orientation: Orientation = i % 3 == 0 ? .asIs : .transposed
            try Self.compare(
                Case(
                    M: shape[0], N: shape[1], K: shape[2], product, orientation,
                    sparsity: [0, 0.2, 0.5, 0.9, 1][i % 5],
                    seed: UInt64(i)))
        }
    }

    @Test(arguments: products) func allRowsUpToTwoPanels(_ product: AlambicKernels.Product) throws {
        for M in 1...66 {
            try Self.compare(Case(M: M, N: 33, K: 37, product, sparsity: 0.5, seed: UInt64(M)), threads: [1])
        }
    }

    @Test(arguments: products) func nothing(_ product: AlambicKernels.Product) throws {
        let none = Case(M: 5, N: 20, K: 0, product, sparsity: 0, seed: 1)
        try Self.compare(none)
        let zeros = Case(M: 5, N: 20, K: 64, product, sparsity: 1, seed: 1)
        try Self.compare(zeros)
        let context = try #require(product.variants.first { $0.runsHere }).context(threads: 1)
        let empty = try zeros.packed(.blocks, on: context), dense = try zeros.packed(.dense, on: context)
        #expect(empty.bytes < dense.bytes && empty.form == .blocks)
    }

    /// A row has the same bits in any company, with numbers whose sums round.
    @Test(arguments: products) func rowsDoNotDependOnM(_ product: AlambicKernels.Product) throws {
        var c = Case(M: 70, N: 50, K: 600, product, sparsity: 0.6, seed: 3)
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
        let c = Case(M: 37, N: 45, K: 90, .f32, sparsity: 0.5, seed: 9)
        let bias = (0..<45).map { Float($0) }, expected = c.expected
        try onEveryVariant(AlambicKernels.Product.f32.variants, threads: [1, 2]) { label, context in
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
    @Test(arguments: [AlambicKernels.Product.bf16, .s8]) func convertedRows(_ product: AlambicKernels.Product) throws {
        let c = Case(M: 71, N: 40, K: 150, product, sparsity: 0.4, seed: 5)
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
