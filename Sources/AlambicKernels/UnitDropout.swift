import CKernels

extension Kernels {
    /// Variants of dropout by units, best first.
    public static let unitDropout: [Variant] = Variant.list(ck_unitdropout_variants)
}

/// Dropout with a rate for every column of `x`, `[rows, columns]` (Srivastava et al. 2014, section 4): element (i, j), number
/// e = firstElement + i · columns + j of the stream, is kept iff its half of 16 bits, the one that ``dropout(_:rate:seed:stream:firstElement:into:on:)``
/// compares, is at least `thresholds[j]`; then it is multiplied by `scales[j]`. The gradient is the same call on dy.
///
/// - Parameters:
///   - thresholds: one for each column: 65536 times the rate.
///   - scales: one for each column: 65536 / (65536 - threshold), so that the mean is exactly x, or 1 for the paper's form.
///   - firstElement: a multiple of 8, else `.badArgument` is thrown.
public func unitDropout(
    _ x: Span<Float>, rows: Int, columns: Int, thresholds: Span<UInt16>, scales: Span<Float>, seed: UInt64,
    stream: UInt64, firstElement: UInt64 = 0, into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: rows, columns: columns, "unitDropout: x")
    requireElements(y.count, x.count, "unitDropout: y")
    requireElements(thresholds.count, columns, "unitDropout: thresholds")
    requireElements(scales.count, columns, "unitDropout: scales")
    try check(
        ck_unit_dropout_f32(
            context.handle, seed, stream, firstElement, rows, columns, thresholds.base, scales.base, x.base, y.base),
        "dropout of \(rows)x\(columns) by units, from element \(firstElement)")
}

/// `y[i, j] = x[i, j] · scales[j]`.
public func scaleColumns(
    _ x: Span<Float>, rows: Int, columns: Int, by scales: Span<Float>, into y: consuming MutableSpan<Float>,
    on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: rows, columns: columns, "scaleColumns: x")
    requireElements(y.count, x.count, "scaleColumns: y")
    requireElements(scales.count, columns, "scaleColumns: scales")
    try check(
        ck_scale_columns_f32(context.handle, rows, columns, scales.base, x.base, y.base), "scaleColumns")
}

/// Drops whole rows (stochastic depth, Huang et al. 2016): row i of `x` is multiplied by 65536 / (65536 - t), with t = round(65536 · rate),
/// where half i of the stream is at least t, and zero elsewhere, so that the mean over all masks is exactly x. The
/// gradient is the same call on dy.
///
/// - Parameter rate: the share that is dropped, 0 ..< 1, not rounding to 1, else `.badArgument` is thrown.
public func dropRows(
    _ x: Span<Float>, rows: Int, columns: Int, rate: Double, seed: UInt64, stream: UInt64,
    into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: rows, columns: columns, "dropRows: x")
    requireElements(y.count, x.count, "dropRows: y")
    let (threshold, scale) = try dropoutThreshold(rate)
    try check(
        ck_drop_rows_f32(context.handle, seed, stream, rows, columns, threshold, scale, x.base, y.base),
        "dropRows of \(rows)x\(columns)")
}

/// What 16 random bits must reach for an element to be kept at a dropout rate, `round(65536 · rate)`, and what keeps the mean: 65536 /
/// (65536 - threshold). Throws `.badArgument` for rates outside 0 ..< 1, or that round to 1.
public func dropoutThreshold(_ rate: Double) throws(KernelError) -> (threshold: UInt16, scale: Float) {
    guard rate >= 0, rate < 1, let threshold = UInt16(exactly: (65536 * rate + 0.5).rounded(.down)) else {
        throw KernelError(.badArgument, "a dropout rate of \(rate) is not in 0...65535/65536")
    }
    return (threshold, Float(65536.0 / (65536 - Double(threshold))))
}
