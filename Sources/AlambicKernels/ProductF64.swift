// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import CKernels

extension Kernels {
    /// Implementations of ``subtractProduct(M:N:K:_:stride:_:_:stride:from:stride:on:)``.
    public static let productF64 = Variant.list(ck_product_f64_variants)
}

/// `C[i, j] -= Σ A[i, k] B[k, j]` in double precision, for i < M, j < N, k < K: what blocked factorizations are made of.
///
/// Operands may be parts of larger matrices: rows start `stride` elements apart. C may lie between elements of A and B, but
/// shares none with them. The bits do not depend on the number of threads.
///
/// - Parameters:
///   - a: from A's first element to its last.
///   - b: the same for B, stored as `[K, N]`, or as `[N, K]` when transposed.
///   - c: the same for C.
public func subtractProduct(
    M: Int, N: Int, K: Int, _ a: Span<Double>, stride aStride: Int, _ b: Span<Double>, _ orientation: Orientation,
    stride bStride: Int, from c: consuming MutableSpan<Double>, stride cStride: Int, on context: Context
) throws(KernelError) {
    func fits(_ rows: Int, _ columns: Int, _ stride: Int, _ count: Int) -> Bool {
        rows == 0 || columns == 0 || (stride >= columns && (rows - 1) * stride + columns <= count)
    }
    let (bRows, bColumns) = orientation == .asIs ? (K, N) : (N, K)
    precondition(
        M >= 0 && N >= 0 && K >= 0 && fits(M, K, aStride, a.count) && fits(bRows, bColumns, bStride, b.count)
            && fits(M, N, cStride, c.count),
        """
        subtracting a product of \(M)x\(K) by \(K)x\(N): \(a.count) elements of A in rows of \(aStride), \(b.count) of B \
        in \(bStride), \(c.count) of C in \(cStride)
        """)
    try check(
        ck_subtract_product_f64(
            context.handle, M, N, K, a.base, aStride, b.base, bStride, orientation.value, c.base, cStride),
        "subtracting a product of \(M)x\(K) by \(K)x\(N)")
}
