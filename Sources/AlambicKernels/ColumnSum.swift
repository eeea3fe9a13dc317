import CKernels

extension Kernels {
    /// Implementations of ``columnSum(_:rows:columns:into:store:on:)``.
    public static let columnSum = Variant.list(ck_columnsum_variants)
}

/// y[j] = Σᵢ x[i,j]: the gradient of a bias. `x` is `rows` x `columns`, `y` has `columns` elements.
///
/// Rows are summed in fixed chunks, then chunks by a tree: the bits depend on the shape alone. `store` says whether the
/// sums replace what is in `y`, or are added to it.
public func columnSum<E: FloatElement>(
    _ x: Span<E>, rows: Int, columns: Int, into y: consuming MutableSpan<Float>, store: Store = .accumulate,
    on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: rows, columns: columns, "columnSum: x")
    requireElements(y.count, columns, "columnSum: y")
    try check(
        ck_columnsum(context.handle, rows, columns, x.base, E.code, y.base, store.value),
        "columnSum of \(rows) rows x \(columns) columns")
}
