// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct CSRTests {
    static let here = Kernels.csr.filter(\.runsHere)
    /// Around vectors and panels of tokens, groups and ranges of outputs, blocks of k and one column more or less.
    static let shapes =
        drawnShapes(30, tiles: [[4, 8, 16, 32], [4, 128, 512], [8, 16, 170, 256]], most: [80, 600, 600], seed: 11)
        + [
            [1, 1, 1], [0, 5, 5], [5, 0, 5], [5, 5, 0], [33, 513, 257], [17, 4, 255], [2, 1, 1025], [545, 3, 20],
        ]

    @Test("every variant gives the bits of the chain", arguments: here)
    func oracle(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        for (index, shape) in Self.shapes.enumerated() {
            let densities = [[0.1, 0, 1, 0.5, 0.02], [0.1], [1], [0], [0.3, 0.01]][index % 5]
            let product = SparseCase(
                M: shape[0], N: shape[1], K: shape[2], densities: densities, seed: UInt64(index))
            let difference = firstDifference(
                try product.run(on: context), product.expected(fused: variant.name != "portable"))
            #expect(difference == nil, "\(product): \(difference ?? "")")
        }
    }

    @Test("same bits with 1 to 4 threads, however it was packed", arguments: here)
    func threads(variant: Variant) throws {
        for shape in [[1, 700, 300], [45, 1100, 530], [600, 200, 90], [1100, 30, 40]] {
            let product = SparseCase(M: shape[0], N: shape[1], K: shape[2], seed: 3)
            let first = try product.run(on: variant.context(threads: 1))
            let packed = try SparseMatrix(product.w, N: product.N, K: product.K, on: variant.context(threads: 1))
            for count in threadCounts {
                let context = try variant.context(threads: count)
                #expect(firstDifference(try product.run(on: context), first) == nil, "\(product), \(count) threads")
                let again = try product.run(packed, label: "\(count) threads", on: context)
                #expect(firstDifference(again, first) == nil, "\(product), packed alone, \(count) threads")
            }
        }
    }

    @Test("row i of a product is the product of row i", arguments: here)
    func rows(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        let product = SparseCase(M: 70, N: 530, K: 300, seed: 5)
        let w = try SparseMatrix(product.w, N: product.N, K: product.K, on: context)
        let all = try product.run(w, label: "whole", on: context)
        for (first, count) in [(0, 1), (13, 1), (69, 1), (31, 2), (5, 17), (40, 30)] {
            var part = [Float](repeating: 0, count: count * product.N)
            try matmul(
                M: count, product.a.span.extracting(first * product.K..<(first + count) * product.K), w,
                into: part.mutableSpan, bias: product.bias.span, on: context)
            let expected = Array(all[first * product.N..<(first + count) * product.N])
            #expect(firstDifference(part, expected) == nil, "rows \(first) ..< \(first + count)")
        }
    }

    @Test("bf16 weights and bf16 A give the bits of what they stand for", arguments: here)
    func halves(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        for shape in [[1, 9, 40], [50, 600, 300]] {
            let product = SparseCase(M: shape[0], N: shape[1], K: shape[2], seed: 7)
            let expected = try product.run(on: context)
            let w = try SparseMatrix(
                rowOffsets: product.w.rowOffsets.span, columns: product.w.columns.span,
                values: nearestBF16(product.w.values).span, N: product.N, K: product.K, on: context)
            let a = GuardedHalves(nearestBF16(product.a)), c = Guarded(count: product.M * product.N)
            try matmul(
                M: product.M, a.span, w, into: c.mutableSpan, epilogue: Epilogue().bias(product.bias.span),
                on: context)
            #expect(firstDifference(c.values("\(product)"), expected) == nil, "\(product)")
        }
    }

    @Test("epilogues finish the sums as those of dense products", arguments: here)
    func epilogues(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        let product = SparseCase(M: 37, N: 301, K: 90, seed: 9)
        let (M, N, K) = (product.M, product.N, product.K)
        let sparse = try SparseMatrix(product.w, N: N, K: K, on: context)
        let dense = try PackedMatrix(f32: product.dense.span, N: N, K: K, on: context)
        var generator = SplitMix(seed: 10)
        let (scales, residual) = (generator.floats(M), generator.floats(M * N))
        var (found, expected) = ([Float](repeating: 0, count: M * N), [Float](repeating: 0, count: M * N))
        var (saved, savedByDense) = (found, found)
        try matmul(
            M: M, product.a.span, sparse, into: found.mutableSpan,
            epilogue: Epilogue().rowScales(scales.span).bias(product.bias.span).saving(into: saved.mutableSpan)
                .function(.geluTanh).dropout(rate: 0.2, seed: 1, stream: 2).residual(residual.span), on: context)
        try matmul(
            M: M, product.a.span, dense, into: expected.mutableSpan,
            epilogue: Epilogue().rowScales(scales.span).bias(product.bias.span).saving(into: savedByDense.mutableSpan)
                .function(.geluTanh).dropout(rate: 0.2, seed: 1, stream: 2).residual(residual.span), on: context)
        // Adding zeros between the others changes no sum.
        #expect(firstDifference(found, expected) == nil && firstDifference(saved, savedByDense) == nil)
        var (halves, halvesOfDense) = ([UInt16](repeating: 0, count: M * N), [UInt16](repeating: 0, count: M * N))
        try matmul(M: M, product.a.span, sparse, into: halves.mutableSpan, epilogue: Epilogue(), on: context)
        try matmul(
            M: M, product.a.span, dense, into: halvesOfDense.mutableSpan, as: .bf16, epilogue: Epilogue(), on: context)
        #expect(halves == halvesOfDense)
    }

    @Test("what is not stored is not multiplied; what is, is", arguments: here)
    func notNumbers(variant: Variant) throws {
        let context = try variant.context(threads: 1)
        let w = try SparseMatrix(
            CompressedRows<Float>(rowOffsets: [0, 1, 3, 3], columns: [1, 0, 2], values: [2, 0, 3]), N: 3, K: 3,
            on: context)
        var c = [Float](repeating: 5, count: 3)
        try matmul(M: 1, ([.infinity, -1, 4] as [Float]).span, w, into: c.mutableSpan, on: context)
        #expect(c[0] == -2 && c[1].isNaN && c[2] == 0, "\(c)")  // a stored zero times infinity
    }

    @Test func denseMatricesMakeTheRoundTrip() throws {
        for (index, shape) in Self.shapes.enumerated() {
            let product = SparseCase(M: 1, N: shape[1], K: shape[2], seed: UInt64(index))
            var dense = product.dense
            if !dense.isEmpty && product.w.columns.first != 0 { dense[0] = -0.0 }
            for count in threadCounts {
                let context = try Kernels.csr[0].context(threads: count)
                let rows = try compressRows(dense.span, rows: product.N, columns: product.K, on: context)
                #expect(rows.rowOffsets == product.w.rowOffsets && rows.columns == product.w.columns, "\(product)")
                #expect(rows.values == product.w.values, "\(product)")
                let back = Guarded(count: dense.count)
                try expandRows(
                    rowOffsets: rows.rowOffsets.span, columnIndices: rows.columns.span, values: rows.values.span,
                    rows: product.N, columns: product.K, into: back.mutableSpan, on: context)
                #expect(firstDifference(back.values("\(product)"), product.dense) == nil, "\(product)")
            }
        }
    }

    /// 3 rows of 5 columns. Nothing is read past the arrays, nothing is written, and the message says where.
    @Test(
        "arrays with a fault are refused by name",
        arguments: [
            ("the first row offset is not 0", [1, 2, 3, 4], [0, 1, 2, 3]),
            ("the last row offset is not the number of elements, 4", [0, 1, 2, 3], [0, 1, 2, 3]),
            ("row 1 ends before it starts, or after the last of 4 elements", [0, 3, 2, 4], [0, 1, 2, 3]),
            ("row 0 ends before it starts, or after the last of 4 elements", [0, 5, 5, 4], [0, 1, 2, 3]),
            ("row 2 ends before it starts, or after the last of 4 elements", [0, 1, 2, .max], [0, 1, 2, 3]),
            ("row 0 ends before it starts, or after the last of 4 elements", [0, -1, 2, 4], [0, 1, 2, 3]),
            ("row 1 has a column outside of 0 ..< 5", [0, 1, 2, 4], [0, 5, 2, 3]),
            ("row 2 has a column outside of 0 ..< 5", [0, 1, 2, 4], [0, 1, 2, -1]),
            ("the columns of row 1 do not ascend", [0, 1, 3, 4], [4, 2, 1, 3]),
            ("the columns of row 0 do not ascend", [0, 2, 3, 4], [1, 1, 2, 3]),
        ] as [(String, [Int64], [Int32])])
    func faults(message: String, rowOffsets: [Int64], columns: [Int32]) throws {
        let values = [Float](repeating: 1, count: columns.count)
        let context = try Kernels.csr[0].context(threads: 1)
        #expect(throws: KernelError(.badArgument, "packing of sparse 3 x 5: \(message)")) {
            _ = try SparseMatrix(
                rowOffsets: rowOffsets.span, columns: columns.span, values: values.span, N: 3, K: 5, on: context)
        }
        var y = [Float](repeating: 7, count: 15)
        #expect(throws: KernelError(.badArgument, "expanding to 3 x 5: \(message)")) {
            try expandRows(
                rowOffsets: rowOffsets.span, columnIndices: columns.span, values: values.span, rows: 3, columns: 5,
                into: y.mutableSpan, on: context)
        }
        #expect(y.allSatisfy { $0 == 7 })
    }

    @Test func productsCanBeNoted() throws {
        let product = SparseCase(M: 40, N: 130, K: 70, seed: 13)
        let variant = try #require(Kernels.csr.first { $0.runsHere })
        let context = try variant.context(threads: 2)
        let list = try OperationList(on: context)
        let a = try Memory<Float>(count: product.a.count), c = try Memory<Float>(count: product.M * product.N)
        var left = a.mutableSpan
        for i in product.a.indices { left[i] = product.a[i] }
        try matmul(
            M: product.M, a.span, SparseMatrix(product.w, N: product.N, K: product.K, on: context),
            into: c.mutableSpan, on: list.context)
        try list.run()
        let found = (0..<c.count).map { c.span[$0] }
        #expect(firstDifference(found, product.expected(fused: variant.name != "portable", bias: false)) == nil)
    }
}
