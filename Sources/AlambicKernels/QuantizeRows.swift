import CKernels

extension Kernels {
    /// Variants of the quantization of rows, best first.
    public static let quantize: [Variant] = Variant.list(ck_quantize_variants)
}

/// Symmetric 8-bit quantization, row by row: `scales[i] = maxⱼ |x[i, j]| / 127` and
/// `q[i, j] = x[i, j] · (1 / scales[i])`, rounded half to even, in -127 ... 127.
///
/// A row of zeros (or so small that the scale would be below 2⁻¹²⁶) has scale 1 and zeros. A row with a NaN or an infinity has
/// scale NaN and zeros, so that all that comes of it is NaN and can be noticed. Both results are the same on every instruction
/// set, and in matrix products that quantize on the way.
///
/// - Parameters:
///   - x: rows x columns, row-major; bf16 as if they were widened first.
///   - q: rows x columns.
///   - scales: one for each row.
public func quantizeRows<E: FloatElement>(
    _ x: Span<E>, rows: Int, columns: Int, into q: consuming MutableSpan<Int8>,
    scales: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    precondition(
        rows >= 0 && columns >= 0 && x.count == rows * columns && q.count == x.count && scales.count == rows,
        "quantizing \(rows) x \(columns): \(x.count) elements into \(q.count), \(scales.count) scales")
    try check(
        ck_quantize_rows_s8(context.handle, E.code, rows, columns, x.base, q.base, scales.base),
        "quantizing \(rows) x \(columns)")
}

/// The inverse of ``quantizeRows(_:rows:columns:into:scales:on:)``: `y[i, j] = q[i, j] · scales[i]`.
public func dequantizeRows(
    _ q: Span<Int8>, scales: Span<Float>, rows: Int, columns: Int, into y: consuming MutableSpan<Float>,
    on context: Context
) throws(KernelError) {
    precondition(
        rows >= 0 && columns >= 0 && q.count == rows * columns && y.count == q.count && scales.count == rows,
        "dequantizing \(rows) x \(columns): \(q.count) elements into \(y.count), \(scales.count) scales")
    try check(
        ck_dequantize_rows_s8_f32(context.handle, rows, columns, q.base, scales.base, y.base),
        "dequantizing \(rows) x \(columns)")
}
