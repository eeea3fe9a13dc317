// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport
import Testing

/// A product and one of its variants.
struct ProductVariant: Sendable, CustomTestStringConvertible {
    let product: MatrixProduct
    let variant: Variant
    var testDescription: String { "\(product) \(variant)" }

    static let here = MatrixProduct.allCases.flatMap { product in
        product.variants.filter(\.runsHere).map { ProductVariant(product: product, variant: $0) }
    }

    /// K that the product takes, near the given one.
    func depth(_ k: Int) -> Int { product.group == 1 ? k : max(1, k / product.group) * product.group }
}

@Suite struct MatmulProductTests {
    @Test("every product has a portable variant", arguments: MatrixProduct.allCases)
    func portable(product: MatrixProduct) {
        #expect(product.variants.last?.needs == .portable)
    }

    @Test("every variant of every product against the naive one", arguments: ProductVariant.here)
    func oracle(_ case_: ProductVariant) throws {
        let context = try case_.variant.context(threads: 2)
        let fillings = MatmulOperands.Filling.allCases
        for (index, shape) in productShapes(24, most: [60, 100, 600], seed: 21).enumerated() {
            let fourBit = case_.product.hasFourBitWeights
            let operands = MatmulOperands(
                case_.product, M: shape[0], N: shape[1], K: case_.depth(shape[2]),
                index & 1 == 0 || fourBit && index & 2 == 0 ? .asIs : .transposed,
                index & 2 == 0 || fourBit ? .transposed : .asIs, fillings[index % fillings.count], seed: UInt64(index))
            let packed = try operands.pack(on: context)
            let ahead = try #require(try operands.run(on: context, packed), "wrote outside C: \(operands)")
            #expect(operands.excess(ahead) == nil, "\(operands)")
            if fourBit { continue }
            let onTheFly = try #require(try operands.runUnpacked(on: context), "wrote outside C: \(operands)")
            #expect(firstDifference(ahead, onTheFly) == nil, "packed or not: \(operands)")
        }
    }

    @Test("row i does not depend on how many rows there are", arguments: ProductVariant.here)
    func rows(_ case_: ProductVariant) throws {
        let context = try case_.variant.context(threads: 1)
        let (N, K) = (70, case_.depth(420))
        let operands = MatmulOperands(case_.product, M: 43, N: N, K: K, seed: 31)
        let packed = try operands.pack(on: context)
        let all = try #require(try operands.run(on: context, packed))
        #expect(operands.excess(all) == nil, "\(operands)")
        for count in Array(1...20) + [28, 29, 42] {
            let start = (43 - count) * 7 % (44 - count)
            let some = try #require(try operands.run(on: context, packed, rows: start..<start + count))
            #expect(
                firstDifference(some, Array(all[start * N..<(start + count) * N])) == nil,
                "rows \(start)..<\(start + count) of \(operands)")
        }
    }

    @Test("same bits for 1 to 4 threads and for several blocks of K", arguments: ProductVariant.here)
    func threads(_ case_: ProductVariant) throws {
        for (M, N, K) in [(1, 300, 3000), (5, 150, 1024), (33, 129, 5000), (150, 40, 700)] {
            let operands = MatmulOperands(case_.product, M: M, N: N, K: case_.depth(K), seed: UInt64(M))
            let first = try operands.run(
                on: case_.variant.context(threads: 1), operands.pack(on: case_.variant.context(threads: 1)))
            let bits = try #require(first)
            if M <= 5 { #expect(operands.excess(bits) == nil, "\(operands)") }
            for threads in threadCounts.dropFirst() {
                let context = try case_.variant.context(threads: threads)
                let again = try #require(try operands.run(on: context, operands.pack(on: context)))
                #expect(firstDifference(bits, again) == nil, "\(operands), \(threads) threads")
            }
            let one = try operands.run(
                on: case_.variant.context(threads: 2), operands.pack(on: case_.variant.context(threads: 1)),
                rows: M - 1..<M)
            #expect(firstDifference(try #require(one), Array(bits[(M - 1) * N..<M * N])) == nil, "last of \(operands)")
        }
    }

    @Test("f32 is converted on the way as it is ahead", arguments: ProductVariant.here)
    func converted(_ case_: ProductVariant) throws {
        let product = case_.product
        guard product != .f32 && product != .f32s8 && product != .u8s8 else { return }
        let context = try case_.variant.context(threads: 2)
        for (M, N, K) in [(1, 33, 256), (15, 40, 384), (70, 65, 1300)] {
            let K = case_.depth(K)
            let operands = MatmulOperands(product, M: M, N: N, K: K, seed: 51)
            let packed = try operands.pack(on: context)
            var generator = SplitMix(seed: 52)
            var x = generator.floats(M * K)
            if M > 2 {
                for k in 0..<K { x[k] = 0 }
                x[K + 3] = .nan
            }
            var direct = [Float](repeating: 0, count: M * N), ahead = direct
            try matmul(M: M, x.span, packed, into: direct.mutableSpan, epilogue: Epilogue(), on: context)
            switch product {
            case .bf16, .f16, .bf16s8, .bf16s4g32, .bf16s4g128, .bf16u4g32, .bf16u4g128:
                var halves = [UInt16](repeating: 0, count: M * K)
                try convert(x.span, to: product == .f16 ? .f16 : .bf16, into: halves.mutableSpan, on: context)
                try matmul(M: M, halves.span, packed, into: ahead.mutableSpan, epilogue: Epilogue(), on: context)
            default:
                var (q, scales) = ([Int8](repeating: 0, count: M * K), [Float](repeating: 0, count: M))
                try quantizeRows(
                    x.span, rows: M, columns: K, into: q.mutableSpan, scales: scales.mutableSpan, on: context)
                try matmul(
                    M: M, q.span, packed, into: ahead.mutableSpan, epilogue: Epilogue().rowScales(scales.span),
                    on: context)
            }
            for i in direct.indices where !(direct[i].isNaN && ahead[i].isNaN) {
                #expect(direct[i].bitPattern == ahead[i].bitPattern, "[\(i)] of \(operands)")
            }
        }
    }

    /// At shapes where B is packed once for all (many rows), and by each task for itself (few).
    @Test("a B of f32 is rounded on the way as it is ahead", arguments: ProductVariant.here)
    func convertedRight(_ case_: ProductVariant) throws {
        let product = case_.product
        guard product == .bf16 || product == .f16 else { return }
        for threads in threadCounts {
            let context = try case_.variant.context(threads: threads)
            // The last one has tasks that round more panels than fit one piece.
            for (M, N, K) in [
                (1, 33, 31), (3, 1, 40), (15, 40, 384), (70, 65, 1301), (200, 300, 33), (90, 520, 129),
                (90, 1300, 65),
            ] {
                for orientation in [Orientation.asIs, .transposed] {
                    var generator = SplitMix(seed: 53)
                    let a = generator.floats(M * K)
                    let b = Guarded(generator.floats(N * K))
                    var halves = [UInt16](repeating: 0, count: N * K)
                    try convert(b.span, to: product == .f16 ? .f16 : .bf16, into: halves.mutableSpan, on: context)
                    var direct = [Float](repeating: 0, count: M * N), ahead = direct
                    try matmul(
                        product, M: M, N: N, K: K, a.span, .asIs, b.span, orientation, into: direct.mutableSpan,
                        epilogue: Epilogue(), on: context)
                    try matmul(
                        product, M: M, N: N, K: K, a.span, .asIs, halves.span, orientation, into: ahead.mutableSpan,
                        epilogue: Epilogue(), on: context)
                    let difference = firstDifference(direct, ahead)
                    #expect(difference == nil, "\(M)x\(N)x\(K) \(orientation), \(threads) threads")
                }
            }
        }
    }

    @Test("empty extents", arguments: ProductVariant.here)
    func empty(_ case_: ProductVariant) throws {
        let context = try case_.variant.context(threads: 2)
        for (M, N, K) in [(0, 5, 128), (5, 0, 128), (5, 37, 0), (0, 0, 0), (40_000, 4, 0)] {
            let operands = MatmulOperands(case_.product, M: M, N: N, K: K, seed: 61)
            let result = try #require(try operands.run(on: context, operands.pack(on: context)), "\(operands)")
            #expect(result.allSatisfy { $0 == 0 }, "\(operands)")
        }
    }

    @Test("what is packed is placed on every node, with the same bits", arguments: PackedMatrix.Location.allCases)
    func locations(_ location: PackedMatrix.Location) throws {
        let machine = try Machine(synthetic: "numa:2 core:2 pu:1")
        for product in [MatrixProduct.f32, .s8] {
            let operands = MatmulOperands(product, M: 3, N: 700, K: 600, seed: 71)
            let context = try Context(threads: 1)
            let expected = try #require(try operands.run(on: context, operands.pack(on: context)))
            for threads in [1, 2, 4] {
                let context = try machine.context(threads: threads)
                let packed = try operands.pack(on: context, at: location)
                #if SANITIZE_address  // all memory is the sanitizer's, which cannot be placed
                    #expect(packed.copies == 1)
                #else
                    #expect(packed.copies == (location == .replicated ? 2 : 1))
                #endif
                let actual = try #require(try operands.run(on: context, packed))
                #expect(firstDifference(actual, expected) == nil, "\(operands), \(threads) threads, \(location)")
            }
        }
    }

    @Test("impossible products are refused, in one line")
    func refused() throws {
        let context = try Context(threads: 1)
        let nothing = [Int8](), scales = [UInt16](), bytes = [UInt8]()
        var error = #expect(throws: KernelError.self) {
            _ = try PackedMatrix(.s8, nothing.span, N: 0, K: 131_072, on: context)
        }
        #expect(error?.code == .badShape)
        error = #expect(throws: KernelError.self) {
            _ = try PackedMatrix(.u8s8, nothing.span, N: 0, K: 65_794, on: context)
        }
        #expect(error?.code == .badShape)
        error = #expect(throws: KernelError.self) {
            _ = try PackedMatrix(.s8s4g128, nibbles: bytes.span, scales: scales.span, N: 0, K: 192, on: context)
        }
        #expect(error?.code == .badShape)
        #expect(error.map { "\($0)".contains("192") } == true)
        // Extents whose product overflows, though there is nothing in the operands.
        let floats = [Float]()
        error = #expect(throws: KernelError.self) {
            _ = try PackedMatrix(.f32, floats.span, N: 0, K: .max / 2, on: context)
        }
        #expect(error?.code == .badShape)
        let sixteen = [UInt8](repeating: 16, count: 1), half = [UInt8](repeating: 0, count: 64)
        let one = [UInt16](repeating: 0x3c00, count: 1)
        error = #expect(throws: KernelError.self) {
            _ = try PackedMatrix(
                .bf16u4g128, nibbles: half.span, scales: one.span, zeroPoints: sixteen.span, N: 1, K: 128, on: context)
        }
        #expect(error?.code == .badArgument)
        let packed = try MatmulOperands(.s8, M: 1, N: 8, K: 8, seed: 81).pack(on: context)
        var c = [Int32](repeating: 0, count: 8), a = [Int8](repeating: 1, count: 8)
        a[0] = 2
        let bias = [Float](repeating: 1, count: 8)
        error = #expect(throws: KernelError.self) {
            try matmul(M: 1, a.span, packed, into: c.mutableSpan, epilogue: Epilogue().bias(bias.span), on: context)
        }
        #expect(error?.code == .badArgument)
    }
}
