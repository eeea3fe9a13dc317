import CKernels

// Unstructured sparsity in the sparse-bitmask layout of compressed-tensors: `mask` has rows x ⌈columns / 8⌉ bytes, column j in
// bit j mod 8 (least significant first) of byte j / 8 of its row, padding bits 0; `values` are the elements whose bit is set,
// row-major and without gaps; `rowOffsets[i]` is where row i's values start.

extension Kernels {
    /// Variants of the bit masks, best first.
    public static let bitmask: [Variant] = Variant.list(ck_bitmask_variants)
}

/// Bytes of the mask of a rows x columns matrix: rows · ⌈columns / 8⌉.
public func bitmaskByteCount(rows: Int, columns: Int) -> Int { rows * ((columns + 7) / 8) }

/// The mask of the elements of x that are not zero, and where each row's values will start. Returns how many there are.
///
/// -0 counts as zero, NaN does not. Cannot be noted in an ``OperationList``, since it returns a number.
///
/// - Parameters:
///   - x: rows x columns, row-major.
///   - mask: ``bitmaskByteCount(rows:columns:)`` bytes.
///   - rowOffsets: one for each row.
public func bitmask(
    _ x: Span<Float>, rows: Int, columns: Int, into mask: consuming MutableSpan<UInt8>,
    rowOffsets: consuming MutableSpan<Int64>, on context: Context
) throws(KernelError) -> Int {
    checkBitmask("mask of", rows, columns, x.count, mask.count, rowOffsets.count)
    precondition(!context.isRecording, "bitmask returns a number: it cannot be noted in a list")
    var total: Int64 = 0
    try check(
        ck_bitmask_f32(context.handle, rows, columns, x.base, mask.base, rowOffsets.base, &total),
        "mask of \(rows) x \(columns)")
    return Int(total)
}

/// ``bitmask(_:rows:columns:into:rowOffsets:on:)-(Span<Float>,_,_,_,_,_)`` of bytes.
public func bitmask(
    _ x: Span<Int8>, rows: Int, columns: Int, into mask: consuming MutableSpan<UInt8>,
    rowOffsets: consuming MutableSpan<Int64>, on context: Context
) throws(KernelError) -> Int {
    checkBitmask("mask of", rows, columns, x.count, mask.count, rowOffsets.count)
    precondition(!context.isRecording, "bitmask returns a number: it cannot be noted in a list")
    var total: Int64 = 0
    try check(
        ck_bitmask_s8(context.handle, rows, columns, x.base, mask.base, rowOffsets.base, &total),
        "mask of \(rows) x \(columns)")
    return Int(total)
}

/// The elements of x whose bit is set, in order. `values` has exactly as many elements as the mask has bits.
///
/// Throws `.badArgument`, and writes nothing, if a padding bit is set, or the offsets are not the running sum of the rows'
/// set bits, or that sum is not the number of values.
public func compressBitmask(
    _ x: Span<Float>, mask: Span<UInt8>, rowOffsets: Span<Int64>, rows: Int, columns: Int,
    into values: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    checkBitmask("compressing", rows, columns, x.count, mask.count, rowOffsets.count)
    let count = values.count
    try check(
        ck_bitmask_compress_f32(
            context.handle, rows, columns, x.base, mask.base, rowOffsets.base, count, values.base),
        "compressing \(rows) x \(columns) to \(count) values")
}

/// ``compressBitmask(_:mask:rowOffsets:rows:columns:into:on:)-(Span<Float>,_,_,_,_,_,_)`` of bytes.
public func compressBitmask(
    _ x: Span<Int8>, mask: Span<UInt8>, rowOffsets: Span<Int64>, rows: Int, columns: Int,
    into values: consuming MutableSpan<Int8>, on context: Context
) throws(KernelError) {
    checkBitmask("compressing", rows, columns, x.count, mask.count, rowOffsets.count)
    let count = values.count
    try check(
        ck_bitmask_compress_s8(context.handle, rows, columns, x.base, mask.base, rowOffsets.base, count, values.base),
        "compressing \(rows) x \(columns) to \(count) values")
}

/// The dense matrix: values where the bit is set, 0 elsewhere. Throws as compression does, so files need no other check.
public func expandBitmask(
    _ values: Span<Float>, mask: Span<UInt8>, rowOffsets: Span<Int64>, rows: Int, columns: Int,
    into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    checkBitmask("expanding to", rows, columns, y.count, mask.count, rowOffsets.count)
    try check(
        ck_bitmask_expand_f32(
            context.handle, rows, columns, values.base, values.count, mask.base, rowOffsets.base, y.base),
        "expanding \(values.count) values to \(rows) x \(columns)")
}

/// ``expandBitmask(_:mask:rowOffsets:rows:columns:into:on:)-(Span<Float>,_,_,_,_,_,_)`` of bytes.
public func expandBitmask(
    _ values: Span<Int8>, mask: Span<UInt8>, rowOffsets: Span<Int64>, rows: Int, columns: Int,
    into y: consuming MutableSpan<Int8>, on context: Context
) throws(KernelError) {
    checkBitmask("expanding to", rows, columns, y.count, mask.count, rowOffsets.count)
    try check(
        ck_bitmask_expand_s8(
            context.handle, rows, columns, values.base, values.count, mask.base, rowOffsets.base, y.base),
        "expanding \(values.count) values to \(rows) x \(columns)")
}

/// Sets the elements of y whose bit is clear to 0, whatever they were, in place: the mask of a pruned weight applied to the
/// weight, its gradient or its moments. Padding bits are ignored.
///
/// - Parameters:
///   - mask: ``bitmaskByteCount(rows:columns:)`` bytes.
///   - y: rows x columns, row-major.
public func applyBitmask(
    _ mask: Span<UInt8>, rows: Int, columns: Int, to y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    checkBitmask("masking", rows, columns, y.count, mask.count, rows)
    try check(
        ck_bitmask_apply_f32(context.handle, rows, columns, mask.base, y.base), "masking \(rows) x \(columns)")
}

private func checkBitmask(
    _ what: String, _ rows: Int, _ columns: Int, _ elements: Int, _ bytes: Int, _ offsets: Int
) {
    precondition(
        rows >= 0 && columns >= 0 && elements == rows * columns
            && bytes == bitmaskByteCount(rows: rows, columns: columns)
            && offsets == rows,
        "\(what) \(rows) x \(columns): \(elements) elements, \(bytes) mask bytes, \(offsets) row offsets")
}
