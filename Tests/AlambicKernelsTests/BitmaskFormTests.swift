// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport
import Testing

/// What else there is to weights as bit masks: epilogues, what counts as zero, their size, and what is refused.
@Suite struct BitmaskFormTests {
    private static let forms = [PackedMatrix.Form.dense, .bitmask]

    @Test func biasAndAccumulation() throws {
        for (M, K) in [(3, 90), (37, 90), (37, 4200)] {
            let c = SparseProductCase(M: M, N: 45, K: K, .f32, zeros: .elements, sparsity: 0.5, seed: 9)
            let bias = (0..<45).map { Float($0) }, expected = c.expected
            try onEverySparseVariant(.f32, threads: [1, 2]) { label, context in
                let b = try c.packed(.bitmask, on: context)
                let output = Guarded(count: M * 45)
                try matmul(M: M, c.a.span, b, into: output.mutableSpan, bias: bias.span, on: context)
                let biased = output.values(label)
                let wrong = biased.indices.first { Double(biased[$0]) != expected[$0] + Double($0 % 45) }
                #expect(wrong == nil, "bias, \(c) on \(label)")
                let sum = Guarded(expected.map { Float($0) })
                try matmul(M: M, c.a.span, b, into: sum.mutableSpan, store: .accumulate, on: context)
                let doubled = sum.values(label)
                let lost = doubled.indices.first { Double(doubled[$0]) != 2 * expected[$0] }
                #expect(lost == nil, "accumulated, \(c) on \(label)")
            }
        }
    }

    /// Column scales that the weights were packed with, row scales, GELU, and C in 16 bits: as the dense form.
    @Test(arguments: [MatrixProduct.f32, .bf16, .f16, .s8]) func epilogues(_ product: MatrixProduct) throws {
        for M in [2, 50] {
            let c = SparseProductCase(M: M, N: 45, K: 700, product, zeros: .elements, sparsity: 0.7, seed: 10)
            var random = SplitMix(seed: 11)
            let scales = random.floats(45), rowScales = random.floats(M), bias = random.floats(45)
            // Of f32, which every one of these products takes.
            let a = random.floats(M * 700)
            try onEverySparseVariant(product, threads: [1, 3]) { label, context in
                let results = try Self.forms.map { form in
                    let y = GuardedHalves(count: M * 45)
                    let b = try c.packed(form, scales: scales, on: context)
                    if product == .s8 {
                        try matmul(
                            M: M, a.span, b, into: y.mutableSpan, as: .bf16,
                            epilogue: Epilogue().bias(bias.span).function(.geluTanh), on: context)
                    } else {
                        try matmul(
                            M: M, a.span, b, into: y.mutableSpan, as: .bf16,
                            epilogue: Epilogue().rowScales(rowScales.span).bias(bias.span).function(.geluTanh),
                            on: context)
                    }
                    return y.values(label)
                }
                #expect(firstDifference(results[0], results[1]) == nil, "\(c) on \(label)")
            }
        }
    }

    /// Only +0 is left out: -0, NaN, infinities and denormals are there as in the dense form.
    @Test(arguments: [MatrixProduct.f32, .bf16, .f16]) func whatIsNotZero(_ product: MatrixProduct) throws {
        let (M, N, K) = (9, 40, 70)
        let drawn = SparseProductCase(M: M, N: N, K: K, product, zeros: .elements, sparsity: 0.6, seed: 12)
        var (a, w) = (drawn.a, drawn.w)
        for (i, x) in [-0.0, Float.nan, .infinity, -.infinity, 0x1p-130, -0x1p-24].enumerated() {
            w[(3 + 5 * i) * K + 2 * i] = x
            a[(1 + i) * K + 7 * i] = x
        }
        // A column of -0 alone, and a row of A of ones for it.
        for k in 0..<K { w[39 * K + k] = -0.0 }
        for k in 0..<K { a[k] = 1 }
        let c = SparseProductCase(drawn, a: a, w: w)
        try onEverySparseVariant(product, threads: [1, 2]) { label, context in
            for rows in [0..<9, 0..<1, 2..<5] {
                let results = try Self.forms.map { try c.run(c.packed($0, on: context), rows: rows, on: context) }
                let (dense, masked) = (results[0], results[1])
                let wrong = dense.indices.first {
                    dense[$0].isNaN ? !masked[$0].isNaN : dense[$0].bitPattern != masked[$0].bitPattern
                }
                #expect(wrong == nil, "element \(wrong ?? 0) of \(c) on \(label)")
                #expect(rows != 0..<9 || dense.contains(where: \.isNaN))
            }
        }
    }

    /// -0 plus 1 times -0 is -0; had it become +0, the sum would be +0.
    @Test func negativeZerosStay() throws {
        let w = [Float](repeating: -0.0, count: 33 * 64), a = [Float](repeating: 1, count: 5 * 64)
        try onEverySparseVariant(.f32, threads: [1]) { label, context in
            let b = try PackedMatrix(.f32, w.span, N: 33, K: 64, form: .bitmask, on: context)
            for M in [1, 5] {
                let c = Guarded([Float](repeating: -0.0, count: M * 33)), left = Array(a.prefix(M * 64))
                try matmul(M: M, left.span, b, into: c.mutableSpan, store: .accumulate, on: context)
                #expect(c.values(label).allSatisfy { $0 == 0 && $0.sign == .minus }, "\(M) rows on \(label)")
            }
            let full = try PackedMatrix(
                .f32, [Float](repeating: 1, count: 33 * 64).span, N: 33, K: 64, form: .bitmask, on: context)
            #expect(b.bytes == full.bytes, "-0 is stored, on \(label)")
        }
    }

    /// A bit for each weight and the elements that are not zero, within the padding of whole panels.
    @Test(arguments: BitmaskProductTests.products) func bytes(_ product: MatrixProduct) throws {
        let element = product == .f32 ? 4 : product == .bf16 || product == .f16 ? 2 : 1
        for (N, K) in [(64, 512), (192, 2048), (33, 1000), (1, 1), (7, 5000)] {
            for sparsity in [0, 0.5, 0.9, 1] {
                let c = SparseProductCase(M: 0, N: N, K: K, product, zeros: .elements, sparsity: sparsity, seed: 13)
                try onEverySparseVariant(product, threads: [1]) { label, context in
                    let bytes = try c.packed(.bitmask, on: context).bytes
                    let stored = element * c.count
                    // Panels of at most 64 columns, K up to whole units of 64 steps; each panel ends on a line, may have
                    // four bytes a column behind it, and the last one is followed by a line that may be read.
                    let panels = (N + 7) / 8, width = (N + 63) / 64 * 64, depth = (K + 63) / 64 * 64
                    let most = width * depth / 8 + stored + panels * (64 + 256) + 64
                    #expect(
                        N * K / 8 + stored <= bytes && bytes <= most,
                        "\(bytes) bytes for \(c.count) of \(N)x\(K) \(product) on \(label)")
                    // Nothing but the elements makes the difference, to a line for each panel.
                    let empty = try c.without(0..<N).packed(.bitmask, on: context).bytes
                    #expect(abs(bytes - empty - stored) <= 64 * panels, "\(product) \(N)x\(K) on \(label)")
                }
            }
        }
    }

    @Test func sparseFormsAreNotUpdated() throws {
        let context = Context.default
        let w = [Float](repeating: 1, count: 16 * 8)
        for form in [PackedMatrix.Form.bitmask, .blocks] {
            let b = try PackedMatrix(.f32, w.span, N: 16, K: 8, form: form, on: context)
            let other = try PackedMatrix(.f32, w.span, N: 8, K: 16, form: form, on: context)
            let one = #expect(throws: KernelError.self) { try b.update(from: w.span, on: context) }
            #expect(
                one?.code == .badArgument
                    && one?.description.hasPrefix("update of a packed matrix of 16x8 for f32: ") == true, "\(form)")
            let both = #expect(throws: KernelError.self) {
                try updatePacked(forward: b, backward: other, from: w.span, on: context)
            }
            #expect(both?.code == .badArgument, "\(form)")
            // And what was there is there.
            let a = [Float](repeating: 1, count: 8), c = Guarded(count: 16)
            try matmul(M: 1, a.span, b, into: c.mutableSpan, on: context)
            #expect(c.values("\(form)").allSatisfy { $0 == 8 })
        }
    }

    @Test func productsWithoutTheForm() throws {
        let bytes = [Int8](repeating: 1, count: 64)
        for product in [MatrixProduct.f32s8, .bf16s8] {
            let error = #expect(throws: KernelError.self) {
                try PackedMatrix(product, bytes.span, N: 16, K: 4, form: .bitmask, on: .default)
            }
            #expect(error?.code == .badArgument)
            #expect(error?.description.hasPrefix("packing of 16x4 for \(product) as bitmask: ") == true)
        }
    }

    /// What is packed for more than a context allows is refused, not run.
    @Test func contextsThatLackTheInstructions() throws {
        let w = [Float](repeating: 1, count: 16 * 8), a = [Float](repeating: 1, count: 8)
        guard ISA.detected != .portable else { return }
        let b = try PackedMatrix(.f32, w.span, N: 16, K: 8, form: .bitmask, on: .default)
        let portable = try Machine.local.context(threads: 1, allowing: .portable)
        let c = Guarded(count: 16)
        let error = #expect(throws: KernelError.self) {
            try matmul(M: 1, a.span, b, into: c.mutableSpan, on: portable)
        }
        #expect(error?.code == .noKernel)
    }
}
