import CKernels

extension Kernels {
    /// Implementations of ``columnSum(_:rows:columns:into:on:)``.
    public static let columnSum = Variant.list(ck_columnsum_variants)
}

/// y[j] += Σᵢ x[i,j]: the gradient of a bias. `x` is `rows` x `columns`, `y` has `columns` elements.
///
/// Rows are summed in fixed chunks, then chunks by a tree: the bits depend on the shape alone.
public func columnSum(
    _ x: Span<Float>, rows: Int, columns: Int, into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: rows, columns: columns, "columnSum: x")
    requireElements(y.count, columns, "columnSum: y")
    try check(
        ck_columnsum_f32(context.handle, rows, columns, x.base, y.base),
        "columnSum of \(rows) rows x \(columns) columns")
}
