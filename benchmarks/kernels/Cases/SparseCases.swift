// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels

/// Products with weights of which few are left, from memory. What is skipped does not count: `of limit` is that of the
/// multiplications and bytes that are left.
extension BenchCase {
    static let sparseProducts: [BenchCase] =
        [50, 60, 70, 80, 90, 95].map { percent in
            BenchCase(
                name: "csr-\(percent)", dtype: "f32", summary: "C[M,N] = A[M,K] W[N,K]ᵀ, \(percent) % of W is zero",
                variants: Kernels.csr,
                shapes: [1, 8, 32, 128, 512, 1024].map { BenchShape($0, 4096, 4096) }, isCold: true,
                prepare: { shape, context in
                    try sparse(shape, context, percent: percent) { rows, N, K in
                        try SparseMatrix(rows, N: N, K: K, on: context)
                    }
                })
        }
        + [90, 95].map { percent in
            BenchCase(
                name: "csr-gradient-\(percent)", dtype: "f32",
                summary: "dW[N,K] = dY[M,N]ᵀ X[M,K] where W is not zero: \(percent) % of it is",
                variants: Kernels.csr, shapes: gradientShapes, isCold: false,
                prepare: { shape, context in try sparseGradient(shape, context, percent: percent) })
        } + [
            BenchCase(
                name: "csr-90", dtype: "bf16", summary: "the same, W in bf16, A and C in f32", variants: Kernels.csr,
                shapes: [1, 8, 512].map { BenchShape($0, 4096, 4096) }, isCold: true,
                prepare: { shape, context in
                    try sparse(shape, context, percent: 90) { rows, N, K in
                        let halves = rows.values.map { UInt16($0.bitPattern >> 16) }
                        return try SparseMatrix(
                            CompressedRows(rowOffsets: rows.rowOffsets, columns: rows.columns, values: halves), N: N,
                            K: K,
                            on: context)
                    }
                })
        ]

    private static func sparse(
        _ shape: BenchShape, _ context: Context, percent: Int,
        pack: (_ rows: CompressedRows<Float>, _ N: Int, _ K: Int) throws -> SparseMatrix
    ) throws -> Workload {
        let (M, N, K) = (shape[0], shape[1], shape[2])
        let rows = try pruned(N: N, K: K, percent: percent, on: context)
        let first = try pack(rows, N, K)
        let copies = context.machine.coldCopies(ofBytes: first.bytes)
        let weights = try [first] + (1..<copies).map { _ in try pack(rows, N, K) }
        let a = try ramp(M * K), c = try Memory<Float>(count: M * N)
        return Workload(
            ops: 2 * Double(M) * Double(rows.values.count), bytes: Double(first.bytes + 4 * M * (K + N)), peak: .f32,
            pattern: .read, copies: copies
        ) { copy in try matmul(M: M, a.span, weights[copy], into: c.mutableSpan, on: context) }
    }

    private static let gradientShapes = [
        BenchShape(2048, 384, 384), BenchShape(2048, 1536, 384), BenchShape(512, 4096, 4096),
    ]

    private static func sparseGradient(
        _ shape: BenchShape, _ context: Context, percent: Int
    ) throws -> Workload {
        let (M, N, K) = (shape[0], shape[1], shape[2])
        let rows = try pruned(N: N, K: K, percent: percent, on: context)
        let w = try SparseMatrix(rows, N: N, K: K, on: context)
        let dy = try ramp(M * N), x = try ramp(M * K), dw = try Memory<Float>(count: N * K)
        return Workload(
            ops: 2 * Double(M) * Double(rows.values.count), bytes: Double(4 * (M * (N + K) + N * K)), peak: .f32,
            pattern: .read, copies: 1
        ) { _ in try gradient(M: M, dy.span, x.span, at: w, into: dw.mutableSpan, on: context) }
    }

    /// Random weights, of which so many percent were struck out at random.
    private static func pruned(
        N: Int, K: Int, percent: Int, on context: Context
    ) throws -> CompressedRows<Float> {
        let w = try ramp(N * K), fate = try Memory<Float>(count: N * K)
        try uniform(seed: 1, stream: 1, into: fate.mutableSpan, on: context)
        var values = w.mutableSpan
        let fates = fate.span, threshold = Float(percent) / 100
        for i in 0..<N * K where fates[i] < threshold { values[i] = 0 }
        return try compressRows(w.span, rows: N, columns: K, on: context)
    }
}
