// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport
import Testing

/// What training needs of a sparse matrix: new values at the same elements, and gradients there.
@Suite struct CSRUpdateTests {
    static let here = Kernels.csr.filter(\.runsHere)

    /// dW in double precision with the sum of magnitudes, for the tolerance.
    static func oracle(_ product: SparseCase, _ dy: [Float]) -> (sums: [Double], magnitudes: [Double]) {
        let (N, K) = (product.N, product.K)
        var (sums, magnitudes) = ([Double](repeating: 0, count: N * K), [Double](repeating: 0, count: N * K))
        for n in 0..<N {
            for e in Int(product.w.rowOffsets[n])..<Int(product.w.rowOffsets[n + 1]) {
                let k = Int(product.w.columns[e])
                for i in 0..<product.M {
                    let term = Double(dy[i * N + n]) * Double(product.a[i * K + k])
                    sums[n * K + k] += term
                    magnitudes[n * K + k] += abs(term)
                }
            }
        }
        return (sums, magnitudes)
    }

    static func gradients(_ product: SparseCase) -> [Float] {
        var generator = SplitMix(seed: product.seed ^ 99)
        return roundedToBF16(generator.floats(product.M * product.N))
    }

    static func run(
        _ product: SparseCase, _ dy: [Float], at matrix: SparseMatrix, label: String, on context: Context
    ) throws -> [Float] {
        let (left, right, dw) = (Guarded(dy), Guarded(product.a), Guarded(count: product.N * product.K))
        try gradient(M: product.M, left.span, right.span, at: matrix, into: dw.mutableSpan, on: context)
        return dw.values("\(product), \(label)")
    }

    @Test("gradients are those of the definition, and +0 elsewhere", arguments: here)
    func oracle(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        let more = [
            [31, 5, 7], [32, 9, 40], [33, 600, 20], [63, 20, 500], [65, 17, 17], [64, 1, 300], [577, 12, 9],
        ]
        for (index, shape) in (CSRTests.shapes + more).enumerated() {
            let densities = [[0.1, 0, 1, 0.5, 0.02], [0.1], [1], [0], [0.3, 0.01]][index % 5]
            let product = SparseCase(
                M: shape[0], N: shape[1], K: shape[2], densities: densities, seed: UInt64(index))
            let dy = Self.gradients(product)
            let matrix = try SparseMatrix(product.w, N: product.N, K: product.K, on: context)
            let found = try Self.run(product, dy, at: matrix, label: variant.name, on: context)
            let (sums, magnitudes) = Self.oracle(product, dy)
            // Every addition rounds once, and so does every product where it is not fused.
            let depth = Double(product.M + 1) * 0x1p-23
            for place in sums.indices where abs(Double(found[place]) - sums[place]) > depth * magnitudes[place] {
                Issue.record("\(product), \(variant.name): \(found[place]) at \(place), not \(sums[place])")
                break
            }
            let kept = product.dense
            for place in kept.indices where magnitudes[place] == 0 {
                #expect(found[place].bitPattern == 0, "\(product), \(variant.name): place \(place)")
            }
        }
    }

    @Test("same bits with 1 to 4 threads, however the matrix was packed", arguments: here)
    func threads(variant: Variant) throws {
        for shape in [[1, 700, 300], [45, 1100, 530], [600, 200, 90], [1100, 30, 40]] {
            let product = SparseCase(M: shape[0], N: shape[1], K: shape[2], seed: 3)
            let dy = Self.gradients(product)
            let alone = try variant.context(threads: 1)
            let packed = try SparseMatrix(product.w, N: product.N, K: product.K, on: alone)
            let first = try Self.run(product, dy, at: packed, label: "alone", on: alone)
            for count in threadCounts {
                let context = try variant.context(threads: count)
                let own = try SparseMatrix(product.w, N: product.N, K: product.K, on: context)
                for matrix in [packed, own] {
                    let again = try Self.run(product, dy, at: matrix, label: "\(count) threads", on: context)
                    #expect(firstDifference(again, first) == nil, "\(product), \(count) threads")
                }
            }
        }
    }

    @Test("accumulating adds, and touches nothing else", arguments: here)
    func accumulates(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        for M in [0, 1, 70] {
            let product = SparseCase(M: M, N: 130, K: 300, seed: 7)
            let dy = Self.gradients(product)
            let matrix = try SparseMatrix(product.w, N: product.N, K: product.K, on: context)
            let once = try Self.run(product, dy, at: matrix, label: "once", on: context)
            var sums = [Float](repeating: 3, count: once.count)
            try gradient(
                M: M, dy.span, product.a.span, at: matrix, into: sums.mutableSpan, store: .accumulate, on: context)
            #expect(firstDifference(sums, once.map { 3 + $0 }) == nil, "\(product)")
        }
    }

    @Test("bf16 operands give the bits of what they stand for", arguments: here)
    func halves(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        let product = SparseCase(M: 77, N: 140, K: 300, seed: 15)
        let dy = Self.gradients(product)
        let matrix = try SparseMatrix(product.w, N: product.N, K: product.K, on: context)
        let expected = try Self.run(product, dy, at: matrix, label: "f32", on: context)
        // The pattern of bf16 weights is the same.
        let narrow = try SparseMatrix(
            rowOffsets: product.w.rowOffsets.span, columns: product.w.columns.span,
            values: nearestBF16(product.w.values).span, N: product.N, K: product.K, on: context)
        for w in [matrix, narrow] {
            let dw = Guarded(count: expected.count)
            try gradient(
                M: product.M, nearestBF16(dy).span, nearestBF16(product.a).span, at: w, into: dw.mutableSpan,
                on: context)
            #expect(firstDifference(dw.values("bf16"), expected) == nil)
        }
    }

    @Test("what has no element is not multiplied", arguments: here)
    func notNumbers(variant: Variant) throws {
        let context = try variant.context(threads: 1)
        let w = try SparseMatrix(
            CompressedRows<Float>(rowOffsets: [0, 1, 2, 2], columns: [1, 0], values: [2, 0]), N: 3, K: 3, on: context)
        var dw = [Float](repeating: 5, count: 9)
        let x: [Float] = [1, 2, .infinity], dy: [Float] = [3, 4, .nan]
        try gradient(M: 1, dy.span, x.span, at: w, into: dw.mutableSpan, on: context)
        #expect(dw == [0, 6, 0, 4, 0, 0, 0, 0, 0])
    }

    @Test("an updated matrix gives the bits of a new one, in both orientations")
    func updates() throws {
        for (index, shape) in CSRTests.shapes.enumerated() {
            let densities = [[0.1, 0, 1, 0.5, 0.02], [0.1], [1], [0], [0.3, 0.01]][index % 5]
            let old = SparseCase(M: 3, N: shape[1], K: shape[2], densities: densities, seed: UInt64(index))
            var new = old
            var generator = SplitMix(seed: 1234)
            new.w.values = generator.floats(old.w.values.count)
            if !new.w.values.isEmpty { new.w.values[0] = 0 }
            var dense = new.dense
            // What has no element is not read.
            for place in dense.indices where old.dense[place] == 0 && new.dense[place] == 0 { dense[place] = .nan }
            var turned = [Float](repeating: 0, count: dense.count)
            for n in 0..<new.N { for k in 0..<new.K { turned[k * new.N + n] = dense[n * new.K + k] } }
            for count in [1, 3] {
                let context = try Self.here[0].context(threads: count)
                let expected = try new.run(on: context)
                let halves = CompressedRows(
                    rowOffsets: new.w.rowOffsets, columns: new.w.columns, values: nearestBF16(new.w.values))
                let expectedHalves = try new.run(
                    SparseMatrix(halves, N: new.N, K: new.K, on: context), label: "bf16", on: context)
                for (weights, orientation) in [(dense, Orientation.transposed), (turned, .asIs)] {
                    let wide = try SparseMatrix(old.w, N: old.N, K: old.K, on: context)
                    try wide.update(from: weights.span, orientation: orientation, on: context)
                    #expect(firstDifference(try new.run(wide, label: "f32", on: context), expected) == nil, "\(new)")
                    let narrow = try SparseMatrix(
                        CompressedRows(
                            rowOffsets: old.w.rowOffsets, columns: old.w.columns, values: nearestBF16(old.w.values)),
                        N: old.N, K: old.K, location: .replicated, on: context)
                    try narrow.update(from: weights.span, orientation: orientation, on: context)
                    let found = try new.run(narrow, label: "bf16", on: context)
                    #expect(firstDifference(found, expectedHalves) == nil, "\(new)")
                }
            }
        }
    }

    @Test func updatesAndGradientsCanBeNoted() throws {
        let product = SparseCase(M: 40, N: 130, K: 70, seed: 13)
        let variant = try #require(Self.here.first)
        let context = try variant.context(threads: 2)
        let dy = Self.gradients(product), dense = product.dense
        let matrix = try SparseMatrix(product.w, N: product.N, K: product.K, on: context)
        let expected = try Self.run(product, dy, at: matrix, label: "at once", on: context)
        let list = try OperationList(on: context)
        let x = try Memory<Float>(count: product.a.count), g = try Memory<Float>(count: dy.count)
        let w = try Memory<Float>(count: dense.count), dw = try Memory<Float>(count: dense.count)
        let c = try Memory<Float>(count: product.M * product.N)
        for (memory, values) in [(x, product.a), (g, dy), (w, dense)] {
            var span = memory.mutableSpan
            for i in values.indices { span[i] = values[i] }
        }
        var zeroed = product.w
        zeroed.values = zeroed.values.map { _ in 0 }
        let updated = try SparseMatrix(zeroed, N: product.N, K: product.K, on: context)
        try updated.update(from: w.span, on: list.context)
        try matmul(M: product.M, x.span, updated, into: c.mutableSpan, on: list.context)
        try gradient(M: product.M, g.span, x.span, at: updated, into: dw.mutableSpan, on: list.context)
        try list.run()
        let found = (0..<dw.count).map { dw.span[$0] }
        #expect(firstDifference(found, expected) == nil)
        let products = (0..<c.count).map { c.span[$0] }
        #expect(firstDifference(products, product.expected(fused: variant.name != "portable", bias: false)) == nil)
    }
}
