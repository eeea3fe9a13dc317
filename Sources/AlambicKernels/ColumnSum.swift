import CKernels

extension Kernels {
    /// Implementations of ``columnSum(_:rows:columns:into:store:on:)``.
    public static let columnSum = Variant.list(ck_columnsum_variants)
}

/// y[j] = Σᵢ x[i,j]: the gradient of a bias. `x` is `rows` x `columns`, `y` has `columns` elements.
///
/// Rows are summed in fixed chunks, then chunks by a tree: the bits depend on the shape alone. `store` says whether the
/// sums replace what is in `y`, or are added to it.
public func columnSum(
    _ x: Span<Float>, rows: Int, columns: Int, into y: consuming MutableSpan<Float>, store: Store = .accumulate,
    on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: rows, columns: columns, "columnSum: x")
    try columnSum(x.base, CK_F32, rows, columns, y, store, on: context)
}

/// The sums down the columns, as above, of an `x` in bf16, as its bits. Sums are in f32.
public func columnSum(
    _ x: Span<UInt16>, rows: Int, columns: Int, into y: consuming MutableSpan<Float>, store: Store = .accumulate,
    on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: rows, columns: columns, "columnSum: x")
    try columnSum(x.base, CK_BF16, rows, columns, y, store, on: context)
}

private func columnSum(
    _ x: UnsafeRawPointer, _ type: ck_type, _ rows: Int, _ columns: Int, _ y: consuming MutableSpan<Float>,
    _ store: Store, on context: Context
) throws(KernelError) {
    requireElements(y.count, columns, "columnSum: y")
    try check(
        ck_columnsum(context.handle, rows, columns, x, type, y.base, store.value),
        "columnSum of \(rows) rows x \(columns) columns")
}
