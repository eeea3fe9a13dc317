import CKernels

extension Kernels {
    /// Implementations of ``softmax(_:rows:columns:into:on:)`` and its backward pass.
    public static let softmax = Variant.list(ck_softmax_variants)
}

/// y[i,j] = exp(x[i,j] - max x[i]) / Σⱼ of the same, for each row of `rows` x `columns` numbers.
///
/// A row that holds NaN or +∞, or nothing but -∞, gives NaN.
public func softmax(
    _ x: Span<Float>, rows: Int, columns: Int, into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: rows, columns: columns, "softmax: x")
    requireElements(y.count, rows: rows, columns: columns, "softmax: y")
    try check(
        ck_softmax_f32(context.handle, rows, columns, x.base, y.base), "softmax of \(rows) rows x \(columns) columns")
}

/// dx[i,j] = y[i,j] (dy[i,j] - Σₖ dy[i,k] y[i,k]). `y` is the output of the forward pass.
public func softmaxBackward(
    _ dy: Span<Float>, _ y: Span<Float>, rows: Int, columns: Int, into dx: consuming MutableSpan<Float>,
    on context: Context
) throws(KernelError) {
    requireElements(dy.count, rows: rows, columns: columns, "softmaxBackward: dy")
    requireElements(y.count, rows: rows, columns: columns, "softmaxBackward: y")
    requireElements(dx.count, rows: rows, columns: columns, "softmaxBackward: dx")
    try check(
        ck_softmax_backward_f32(context.handle, rows, columns, dy.base, y.base, dx.base),
        "softmaxBackward of \(rows) rows x \(columns) columns")
}
