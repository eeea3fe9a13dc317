// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import CKernels

extension Kernels {
    /// Variants of products with sparse matrices, best first.
    public static let csr: [Variant] = Variant.list(ck_csr_variants)
}

/// The weights of a linear layer, `[N, K]`, of which few are left, packed to be multiplied with.
///
/// Any pattern of elements will do. It pays at high sparsity, and at any number of tokens: these are what fills the vectors.
/// It can be used with every context. It is immutable but for ``update(from:orientation:on:)``: whoever calls that sees to it
/// that no product with the same matrix runs meanwhile.
public final class SparseMatrix: @unchecked Sendable {
    /// Outputs of the linear layer: columns of the product.
    public let N: Int
    /// Its inputs: what is summed over.
    public let K: Int
    /// Elements that are stored, zeros among them included.
    public let count: Int
    let handle: OpaquePointer

    /// Bytes of memory that one copy of the packed form takes: about 6.3 for an element of f32, 4.3 for one of bf16.
    public var bytes: Int { ck_csr_bytes(handle) }

    /// Packs compressed sparse rows.
    ///
    /// - Parameters:
    ///   - rowOffsets: N + 1 of them: row n has the elements `rowOffsets[n] ..< rowOffsets[n + 1]`.
    ///   - columns: of the elements, strictly ascending in each row.
    ///   - values: `Float`, or the bits of bf16 as `UInt16`, which are widened when they are multiplied.
    ///   - context: may not be that of an ``OperationList``.
    /// - Throws: `.badArgument`, which names the first row that is wrong and how; `.badShape` for extents beyond what memory
    ///   can hold; `.noMemory`.
    public init<Element: MatrixElement>(
        rowOffsets: Span<Int64>, columns: Span<Int32>, values: Span<Element>, N: Int, K: Int,
        location: PackedMatrix.Location = .partitioned, on context: Context
    ) throws(KernelError) {
        precondition(!context.isRecording, "matrices are packed at once, not by a list of operations")
        let arrays = sparseArrays("packing of sparse", rowOffsets, columns, values, N, K)
        var packed: OpaquePointer?
        let status = ck_csr_create(context.handle, N, K, arrays, location.raw, &packed)
        guard let packed else {
            let what = "packing of sparse \(N) x \(K)"
            try checkSparse(status, what, arrays, N, K)
            throw KernelError(status, what)
        }
        (self.N, self.K, count, handle) = (N, K, values.count, packed)
    }

    /// Packs compressed sparse rows.
    public convenience init<Element>(
        _ rows: CompressedRows<Element>, N: Int, K: Int, location: PackedMatrix.Location = .partitioned,
        on context: Context
    ) throws(KernelError) {
        try self.init(
            rowOffsets: rows.rowOffsets.span, columns: rows.columns.span, values: rows.values.span, N: N, K: K,
            location: location, on: context)
    }

    /// Packs the elements of a dense `[N, K]` that are not zero.
    public convenience init(
        f32 w: Span<Float>, N: Int, K: Int, location: PackedMatrix.Location = .partitioned, on context: Context
    ) throws(KernelError) {
        try self.init(
            compressRows(w, rows: N, columns: K, on: context), N: N, K: K, location: location, on: context)
    }

    /// Gives the same elements new values, those of a dense f32 matrix, zeros among them included; what else is in it is not
    /// read. Values of bf16 are rounded to nearest, ties to even.
    ///
    /// Can be noted in an ``OperationList``, which keeps this matrix; the memory of `w` must stay in place.
    ///
    /// - Parameters:
    ///   - w: stored as `[N, K]` when transposed (a linear layer's weights), else as `[K, N]`.
    ///   - orientation: which of the two.
    public func update(
        from w: Span<Float>, orientation: Orientation = .transposed, on context: Context
    ) throws(KernelError) {
        precondition(holds(w.count, N, K), "update of a sparse matrix of \(N)x\(K) from \(w.count) elements")
        context.keep(self)
        try check(
            ck_csr_update(context.handle, handle, w.base, orientation.value),
            "update of a sparse matrix of \(N)x\(K)")
    }

    deinit { ck_csr_destroy(handle) }
}

/// `C[i, n] = epilogue(Σ A[i, k] W[n, k])` over the elements (n, k) of a sparse W, for i < M.
///
/// Each sum is one chain of multiply-adds in f32 over k in increasing order: row i of the result depends on row i of A and on W
/// alone, bit for bit, not on M nor on the number of threads. What W has no element for is not multiplied.
///
/// - Parameters:
///   - a: `[M, K]`: f32, or bf16 as `UInt16`.
///   - w: the weights.
///   - c: `[M, N]`: f32, 16-bit floats or int8.
///   - format: what `UInt16` elements of c stand for.
/// - Throws: `.badArgument` for an epilogue that C's type does not allow; `.noMemory`.
public func matmul<A: MatrixElement, C: MatrixElement>(
    M: Int, _ a: Span<A>, _ w: SparseMatrix, into c: consuming MutableSpan<C>, as format: HalfFormat = .bf16,
    epilogue: borrowing Epilogue, on context: Context
) throws(KernelError) {
    let (N, K) = (w.N, w.K)
    precondition(
        holds(a.count, M, K) && holds(c.count, M, N),
        "matmul of \(M)x\(K) by sparse \(K)x\(N): A has \(a.count) elements, C \(c.count)")
    precondition(
        A.self == Float.self || A.self == UInt16.self, "a product of \(A.self) elements with a sparse matrix")
    context.keep(w)
    let left = ck_left(
        data: UnsafeRawPointer(a.base), type: A.type(halves: .bf16).raw, orientation: CK_AS_IS)
    let status = withUnsafePointer(to: epilogue.raw(M: M, N: N, halves: format)) { raw in
        ck_csr_matmul(
            context.handle, M, left, w.handle,
            ck_result(
                data: UnsafeMutableRawPointer(c.base), type: C.type(halves: format).raw, store: CK_REPLACE,
                epilogue: raw))
    }
    try check(status, "matmul of \(M)x\(K) by sparse \(K)x\(N)")
}

/// The same in f32 throughout, with a bias or without.
///
/// - Parameters:
///   - a: `[M, K]`.
///   - w: the weights.
///   - c: `[M, N]`.
///   - bias: N elements, or nil.
public func matmul(
    M: Int, _ a: Span<Float>, _ w: SparseMatrix, into c: consuming MutableSpan<Float>, bias: Span<Float>? = nil,
    on context: Context
) throws(KernelError) {
    switch bias {
    case .some(let bias): try matmul(M: M, a, w, into: c, epilogue: Epilogue().bias(bias), on: context)
    case .none: try matmul(M: M, a, w, into: c, epilogue: Epilogue(), on: context)
    }
}
