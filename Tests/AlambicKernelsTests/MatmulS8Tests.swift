// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport
import Testing

/// One int8 product with operands filled in some way.
private struct IntegerProduct: CustomStringConvertible {
    enum Filling: CaseIterable { case random, lowest, highest, opposite, alternating }

    let M: Int, N: Int, K: Int
    let filling: Filling
    let seed: UInt64
    let a: [Int8], b: [Int8], rowScales: [Float], columnScales: [Float], bias: [Float]

    init(M: Int, N: Int, K: Int, _ filling: Filling, seed: UInt64) {
        (self.M, self.N, self.K, self.filling, self.seed) = (M, N, K, filling, seed)
        var generator = SplitMix(seed: seed)
        switch filling {
        case .random:
            a = generator.integers(M * K, in: -128...127)
            b = generator.integers(N * K, in: -128...127)
        case .lowest: (a, b) = (.init(repeating: -128, count: M * K), .init(repeating: -128, count: N * K))
        case .highest: (a, b) = (.init(repeating: 127, count: M * K), .init(repeating: 127, count: N * K))
        case .opposite: (a, b) = (.init(repeating: 127, count: M * K), .init(repeating: -128, count: N * K))
        case .alternating:
            a = (0..<M * K).map { $0 & 1 == 0 ? -128 : 127 }
            b = (0..<N * K).map { $0 & 2 == 0 ? 127 : -128 }
        }
        rowScales = generator.floats(M, in: 0.001...0.1)
        columnScales = generator.floats(N, in: 0.001...0.1)
        bias = generator.floats(N, in: -10...10)
    }

    var description: String { "\(M)x\(N)x\(K) \(filling) seed \(seed)" }

    func pack(on context: Context) throws -> PackedMatrix {
        try PackedMatrix(s8: b.span, N: N, K: K, scales: columnScales.span, on: context)
    }

    var exact: [Int64] {
        var result = [Int64](repeating: 0, count: M * N)
        for i in 0..<M {
            for j in 0..<N {
                var sum: Int64 = 0
                for k in 0..<K { sum += Int64(a[i * K + k]) * Int64(b[j * K + k]) }
                result[i * N + j] = sum
            }
        }
        return result
    }

    /// nil when something was written outside C.
    func integers(on context: Context, _ packed: PackedMatrix) throws -> [Int64]? {
        let memory = try Memory<Int32>(count: M * N + 66)
        var whole = memory.mutableSpan
        for i in 0..<memory.count { whole[i] = 77_777_777 }
        try matmul(M: M, a.span, packed, into: memory.mutableSpan(33..<33 + M * N), on: context)
        let result = memory.span
        for i in 0..<33 where result[i] != 77_777_777 || result[memory.count - 1 - i] != 77_777_777 { return nil }
        return (0..<M * N).map { Int64(result[33 + $0]) }
    }

    func floats(on context: Context, _ packed: PackedMatrix, biased: Bool) throws -> [Float]? {
        let memory = try Memory<Float>(count: M * N + 66)
        var whole = memory.mutableSpan
        for i in 0..<memory.count { whole[i] = -55.5 }
        let output = memory.mutableSpan(33..<33 + M * N)
        if biased {
            try matmul(M: M, a.span, rowScales: rowScales.span, packed, into: output, bias: bias.span, on: context)
        } else {
            try matmul(M: M, a.span, rowScales: rowScales.span, packed, into: output, on: context)
        }
        let result = memory.span
        for i in 0..<33 where result[i] != -55.5 || result[memory.count - 1 - i] != -55.5 { return nil }
        return (0..<M * N).map { result[33 + $0] }
    }

    /// Rounded at most four times: the sum to f32, the product of the scales, their product, and the bias.
    func excess(_ actual: [Float], _ exact: [Int64], biased: Bool) -> String? {
        let scaled = exact.indices.map { Double(exact[$0]) * Double(rowScales[$0 / N]) * Double(columnScales[$0 % N]) }
        let offset = exact.indices.map { biased ? Double(bias[$0 % N]) : 0 }
        return worstExcess(actual, expected: exact.indices.map { scaled[$0] + offset[$0] }) {
            4.01 * 0x1p-24 * (abs(scaled[$0]) + abs(offset[$0])) + 0x1p-149
        }
    }
}

@Suite struct MatmulS8Tests {
    static let here = Kernels.matmulS8.filter(\.runsHere)

    @Test("every variant is exact, whatever the values", arguments: here)
    func exact(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        let fillings = IntegerProduct.Filling.allCases
        for (index, shape) in productShapes(75, most: [60, 100, 1200], seed: 11).enumerated() {
            let product = IntegerProduct(
                M: shape[0], N: shape[1], K: shape[2], fillings[index % fillings.count], seed: UInt64(index))
            let (packed, exact) = (try product.pack(on: context), product.exact)
            let integers = try #require(try product.integers(on: context, packed), "wrote outside C: \(product)")
            #expect(integers == exact, "\(product)")
            let biased = index & 1 == 0
            let floats = try #require(
                try product.floats(on: context, packed, biased: biased), "wrote outside C: \(product)")
            #expect(product.excess(floats, exact, biased: biased) == nil, "\(product)")
        }
    }

    @Test("every number of rows", arguments: here)
    func rows(variant: Variant) throws {
        let context = try variant.context(threads: 1)
        for M in 1...30 {
            let product = IntegerProduct(M: M, N: 37 * M % 270 + 1, K: 13 * M % 77 + 1, .random, seed: UInt64(M))
            let integers = try #require(try product.integers(on: context, product.pack(on: context)))
            #expect(integers == product.exact, "\(product)")
        }
    }

    @Test("the longest sums, at the edge of 32 bits", arguments: here)
    func longest(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        for filling in IntegerProduct.Filling.allCases {
            let product = IntegerProduct(M: 2, N: 3, K: 131_071, filling, seed: 12)
            let integers = try #require(try product.integers(on: context, product.pack(on: context)))
            #expect(integers == product.exact, "\(product)")
        }
    }

    @Test("a sum that could leave 32 bits is refused")
    func tooLong() throws {
        let context = try Context(threads: 1)
        let b = [Int8](repeating: 1, count: 131_072)
        let error = #expect(throws: KernelError.self) {
            _ = try PackedMatrix(s8: b.span, N: 1, K: 131_072, scales: [1].span, on: context)
        }
        #expect(error?.code == .badShape)
    }

    @Test("same bits for 1 to 4 threads and for any number of rows", arguments: here)
    func bits(variant: Variant) throws {
        for (M, N, K) in [(64, 700, 300), (5, 1030, 900), (300, 65, 2100)] {
            let product = IntegerProduct(M: M, N: N, K: K, .random, seed: 13)
            let single = try variant.context(threads: 1)
            let packed = try product.pack(on: single)
            let first = try #require(try product.floats(on: single, packed, biased: true))
            for threads in threadCounts {
                let context = try variant.context(threads: threads)
                let again = try #require(try product.floats(on: context, product.pack(on: context), biased: true))
                #expect(firstDifference(first, again) == nil, "\(product), \(threads) threads")
            }
            for i in [0, M / 2, M - 1] {
                var row = [Float](repeating: 0, count: N)
                try matmul(
                    M: 1, product.a.span.extracting(i * K..<(i + 1) * K),
                    rowScales: product.rowScales.span.extracting(i..<i + 1), packed, into: row.mutableSpan,
                    bias: product.bias.span, on: single)
                #expect(firstDifference(row, Array(first[i * N..<(i + 1) * N])) == nil, "row \(i) of \(product)")
            }
        }
    }

    @Test("an empty sum is zero, or the bias", arguments: here)
    func empty(variant: Variant) throws {
        let context = try variant.context(threads: 1)
        let product = IntegerProduct(M: 3, N: 35, K: 0, .random, seed: 14)
        let packed = try product.pack(on: context)
        #expect(try product.integers(on: context, packed) == [Int64](repeating: 0, count: 105))
        let floats = try #require(try product.floats(on: context, packed, biased: true))
        #expect(firstDifference(floats, (0..<105).map { product.bias[$0 % 35] }) == nil)
    }

    @Test("what packing takes is about what it holds")
    func size() throws {
        let context = try Context(threads: 1)
        let product = IntegerProduct(M: 1, N: 512, K: 512, .random, seed: 15)
        let packed = try product.pack(on: context)
        #expect(packed.bytes >= 512 * 512)
        if Kernels.matmulS8.first?.runsHere == true { #expect(packed.bytes < 512 * 512 * 11 / 10) }
    }
}
