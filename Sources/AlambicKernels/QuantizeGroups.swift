import CKernels

/// 4-bit weights in groups along the columns, to f32: `y[n, k] = (q[n, k] - 8) · scales[n, k / group]`.
///
/// Can be noted in an ``OperationList``. The bits are the same on every instruction set and for any number of threads.
///
/// - Parameters:
///   - nibbles: `[rows, columns / 2]`; q of an even k in the low half of a byte.
///   - scales: f16 bits, `[rows, columns / group]`.
///   - group: a multiple of 32 that divides the columns, else `.badShape` is thrown.
///   - y: `[rows, columns]`.
public func dequantizeGroups(
    _ nibbles: Span<UInt8>, scales: Span<UInt16>, rows: Int, columns: Int, group: Int,
    into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    precondition(
        rows >= 0 && columns >= 0 && group > 0 && nibbles.count == rows * (columns / 2)
            && scales.count == rows * (columns / group) && y.count == rows * columns,
        """
        widening \(rows) x \(columns) in groups of \(group): \(nibbles.count) bytes and \(scales.count) scales into \
        \(y.count)
        """)
    try check(
        ck_dequantize_groups_s4_f32(context.handle, rows, columns, group, nibbles.base, scales.base, y.base),
        "widening \(rows) x \(columns) in groups of \(group)")
}
