// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct MatmulF32Tests {
    static let here = Kernels.matmulF32.filter(\.runsHere)

    @Test("every variant against the naive product, in all layouts", arguments: here)
    func oracle(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        for (index, shape) in productShapes(80, seed: 1).enumerated() {
            let product = Product(
                M: shape[0], N: shape[1], K: shape[2], index & 1 == 0 ? .asIs : .transposed,
                index & 2 == 0 ? .asIs : .transposed, store: index & 4 == 0 ? .replace : .accumulate,
                biased: index & 8 == 0, seed: UInt64(index))
            let actual = try #require(try product.run(on: context, offset: index % 16), "wrote outside C: \(product)")
            #expect(product.excess(actual) == nil, "\(product)")
        }
    }

    @Test("every small extent", arguments: here)
    func small(variant: Variant) throws {
        let context = try variant.context(threads: 1)
        for M in 1...17 {
            for N in [1, 15, 16, 17, 32, 33, 64, 95, 128, 200, 257] {
                let K = (M * 7 + N) % 23 + 1
                let product = Product(M: M, N: N, K: K, biased: true, seed: UInt64(M * 1000 + N))
                let actual = try #require(try product.run(on: context), "wrote outside C: \(product)")
                #expect(product.excess(actual) == nil, "\(product)")
            }
        }
    }

    @Test("same bits: packed or not, 1 to 4 threads", arguments: here)
    func bits(variant: Variant) throws {
        var shapes = productShapes(12, most: [200, 300, 600], seed: 2)
        shapes += [[301, 257, 300], [1, 1000, 500], [700, 40, 260], [15, 2000, 64]]
        for (index, shape) in shapes.enumerated() {
            let product = Product(
                M: shape[0], N: shape[1], K: shape[2], .asIs, index & 1 == 0 ? .asIs : .transposed,
                store: index & 2 == 0 ? .replace : .accumulate, biased: index & 4 == 0, seed: UInt64(index))
            let first = try #require(try product.run(on: variant.context(threads: 1)))
            for threads in threadCounts {
                let context = try variant.context(threads: threads)
                let again = try #require(try product.run(on: context))
                #expect(firstDifference(first, again) == nil, "\(product), \(threads) threads")
                let packed = try product.pack(on: context)
                let ahead = try #require(try product.run(on: context, packed: packed))
                #expect(firstDifference(first, ahead) == nil, "\(product), packed, \(threads) threads")
            }
        }
    }

    @Test("row i of a product is the product of row i", arguments: here)
    func rows(variant: Variant) throws {
        let context = try variant.context(threads: 1)
        for (N, K) in [(33, 700), (129, 65), (300, 256)] {
            let whole = Product(M: 64, N: N, K: K, biased: true, seed: 3)
            let all = try #require(try whole.run(on: context))
            let packed = try whole.pack(on: context)
            for i in [0, 1, 13, 14, 40, 63] {
                var row = [Float](repeating: 0, count: N)
                try matmul(
                    M: 1, whole.a.span.extracting(i * K..<(i + 1) * K), packed, into: row.mutableSpan,
                    bias: whole.bias.span, on: context)
                #expect(firstDifference(row, Array(all[i * N..<(i + 1) * N])) == nil, "row \(i) of \(whole)")
            }
        }
    }

    @Test("layouts give the same bits", arguments: here)
    func layouts(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        let (M, N, K) = (61, 77, 333)
        let straight = Product(M: M, N: N, K: K, .asIs, .asIs, seed: 4)
        let at = (0..<K * M).map { straight.a[$0 % M * K + $0 / M] }
        let bt = (0..<N * K).map { straight.b[$0 % K * N + $0 / K] }
        let first = try #require(try straight.run(on: context))
        var other = [Float](repeating: 0, count: M * N)
        try matmul(
            M: M, N: N, K: K, at.span, .transposed, straight.b.span, .asIs, into: other.mutableSpan, on: context)
        #expect(firstDifference(first, other) == nil)
        try matmul(
            M: M, N: N, K: K, straight.a.span, .asIs, bt.span, .transposed, into: other.mutableSpan, on: context)
        #expect(firstDifference(first, other) == nil)
        try matmul(M: M, N: N, K: K, at.span, .transposed, bt.span, .transposed, into: other.mutableSpan, on: context)
        #expect(firstDifference(first, other) == nil)
    }

    @Test("blocks of rows and chunks of columns do not change the bits")
    func large() throws {
        for (M, N, K) in [(800, 3300, 2048), (1500, 70, 300)] {
            let product = Product(M: M, N: N, K: K, seed: 5)
            let context = try Context(threads: 2)
            let first = try #require(try product.run(on: context))
            let ahead = try #require(try product.run(on: Context(threads: 3), packed: product.pack(on: context)))
            #expect(firstDifference(first, ahead) == nil, "\(product)")
            let i = M - 1
            let row = Product(M: 1, N: N, K: K, seed: 5)
            var last = [Float](repeating: 0, count: N)
            try matmul(
                M: 1, N: N, K: K, product.a.span.extracting(i * K..<M * K), .asIs, product.b.span, .transposed,
                into: last.mutableSpan, on: context)
            #expect(firstDifference(last, Array(first[i * N..<M * N])) == nil, "last row of \(row)")
        }
    }

    @Test("empty extents", arguments: here)
    func empty(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        for (M, N, K) in [(0, 5, 3), (5, 0, 3), (5, 37, 0), (0, 0, 0)] {
            for store in [Store.replace, .accumulate] {
                let product = Product(M: M, N: N, K: K, store: store, biased: true, seed: 6)
                let actual = try #require(try product.run(on: context), "wrote outside C: \(product)")
                #expect(product.excess(actual) == nil, "\(product)")
                let ahead = try #require(try product.run(on: context, packed: product.pack(on: context)))
                #expect(firstDifference(actual, ahead) == nil, "\(product)")
            }
        }
    }

    @Test("not a number and infinity stay in their row and column", arguments: here)
    func special(variant: Variant) throws {
        let context = try variant.context(threads: 1)
        let (M, N, K) = (20, 50, 40)
        let product = Product(M: M, N: N, K: K, .asIs, .asIs, seed: 7)
        var a = product.a
        var b = product.b
        a[3 * K + 5] = .nan
        a[17 * K] = .infinity
        b[2 * N + 49] = .nan
        var c = [Float](repeating: 0, count: M * N)
        try matmul(M: M, N: N, K: K, a.span, .asIs, b.span, .asIs, into: c.mutableSpan, on: context)
        for i in 0..<M {
            for j in 0..<N {
                let value = c[i * N + j]
                if i == 3 || j == 49 {
                    #expect(value.isNaN, "[\(i), \(j)]")
                } else {
                    #expect(value.isFinite == (i != 17), "[\(i), \(j)]")
                }
            }
        }
    }

    @Test("replacing reads nothing of what C held")
    func replacing() throws {
        for variant in Self.here {
            let product = Product(M: 19, N: 45, K: 500, seed: 8)
            var c = [Float](repeating: .nan, count: 19 * 45)
            try matmul(
                M: 19, N: 45, K: 500, product.a.span, .asIs, product.b.span, .transposed, into: c.mutableSpan,
                on: variant.context(threads: 1))
            #expect(product.excess(c) == nil, "\(variant)")
        }
    }

    @Test("operations noted in a list run as if called")
    func list() throws {
        let product = Product(M: 37, N: 90, K: 70, .asIs, .transposed, seed: 9)
        let context = try Context(threads: 2)
        let list = try OperationList(on: context)
        let packed = try product.pack(on: context)
        let (a, c) = (try Memory<Float>(count: 37 * 70), try Memory<Float>(count: 37 * 90))
        var span = a.mutableSpan
        for i in product.a.indices { span[i] = product.a[i] }
        try matmul(M: 37, a.span, packed, into: c.mutableSpan, on: list.context)
        try matmul(M: 37, a.span, packed, into: c.mutableSpan, store: .accumulate, on: list.context)
        try list.run()
        var direct = [Float](repeating: 0, count: 37 * 90)
        try matmul(M: 37, a.span, packed, into: direct.mutableSpan, on: context)
        try matmul(M: 37, a.span, packed, into: direct.mutableSpan, store: .accumulate, on: context)
        #expect(firstDifference(direct, direct.indices.map { c.span[$0] }) == nil)
    }

    @Test("a matrix packed for a better instruction set is refused, with a reason")
    func refused() throws {
        guard let best = Self.here.first, best.needs != .portable else { return }
        let product = Product(M: 3, N: 3, K: 3, seed: 10)
        let packed = try product.pack(on: best.context(threads: 1))
        let portable = try Context(threads: 1, allowing: .portable)
        let error = #expect(throws: KernelError.self) { _ = try product.run(on: portable, packed: packed) }
        #expect(error?.code == .noKernel)
    }
}
