import CKernels

extension Kernels {
    /// Implementations of ``requantize(_:rows:columns:_:zeroPoint:levels:into:on:)`` and its relatives.
    public static let requantize = Variant.list(ck_requantize_variants)
}

/// What turns the 32-bit sums of a column into the integers of the next layer. Borrows what it is given; where it is used in
/// an ``OperationList``, all of it must stay in place.
public struct ColumnMultipliers: ~Escapable {
    fileprivate var raw: ck_requantization
    fileprivate let columns: Int
    fileprivate let rows: Int?

    /// M[j] = multipliers[j] · 2⁻³¹ · 2^-shifts[j], applied to sums[i, j] + bias[j].
    ///
    /// - Parameters:
    ///   - multipliers: 0 ... 2³¹ - 1.
    ///   - shifts: to the right, -30 ... 31.
    @_lifetime(copy bias, copy multipliers, copy shifts)
    public init(bias: Span<Int32>, multipliers: Span<Int32>, shifts: Span<Int32>) {
        columns = bias.count
        rows = nil
        requireElements(multipliers.count, columns, "column multipliers")
        requireElements(shifts.count, columns, "column multipliers: shifts")
        raw = ck_requantization(
            row_sums: nil, column_zeros: nil, bias: bias.base, multipliers: multipliers.base, shifts: shifts.base,
            zero: 0, low: 0, high: 255)
    }

    /// The same with -rowSums[i] · zeroPoints[j] added: weights with zero points (Jacob et al. 2018, equation 7).
    @_lifetime(copy bias, copy multipliers, copy shifts, copy rowSums, copy zeroPoints)
    public init(
        bias: Span<Int32>, multipliers: Span<Int32>, shifts: Span<Int32>, rowSums: Span<Int32>,
        zeroPoints: Span<Int32>
    ) {
        columns = bias.count
        rows = rowSums.count
        requireElements(multipliers.count, columns, "column multipliers")
        requireElements(shifts.count, columns, "column multipliers: shifts")
        requireElements(zeroPoints.count, columns, "column multipliers: zero points")
        raw = ck_requantization(
            row_sums: rowSums.base, column_zeros: zeroPoints.base, bias: bias.base, multipliers: multipliers.base,
            shifts: shifts.base, zero: 0, low: 0, high: 255)
    }

    fileprivate func check(_ sums: Int, _ rows: Int, _ columns: Int, _ y: Int) {
        requireElements(sums, rows: rows, columns: columns, "requantize: sums")
        requireElements(y, sums, "requantize: y")
        precondition(
            columns == self.columns && (self.rows ?? rows) == rows,
            "requantize of \(rows) x \(columns) with multipliers for \(self.rows ?? rows) x \(self.columns)")
    }
}

/// y[i, j] = clamp(zeroPoint + M[j] (sums[i, j] + bias[j] - rowSums[i] zeroPoints[j])), in integers alone, rounded as gemmlowp
/// does: see `ck_requantize.h`. A ReLU is a clamp whose least level is the zero point.
///
/// - Parameters:
///   - sums: rows x columns, the exact sums of a ``Product/u8s8`` product.
///   - levels: where y is clamped, within 0 ... 255.
/// - Throws: `.badArgument` for multipliers, shifts, levels or a zero point out of range.
public func requantize(
    _ sums: Span<Int32>, rows: Int, columns: Int, _ multipliers: borrowing ColumnMultipliers, zeroPoint: Int32,
    levels: ClosedRange<Int32>, into y: consuming MutableSpan<UInt8>, on context: Context
) throws(KernelError) {
    multipliers.check(sums.count, rows, columns, y.count)
    var how = multipliers.raw
    (how.zero, how.low, how.high) = (zeroPoint, levels.lowerBound, levels.upperBound)
    try check(ck_requantize_u8(context.handle, rows, columns, sums.base, how, y.base), "requantize")
}

/// y[i, j] = M[j] (sums[i, j] + bias[j] - rowSums[i] zeroPoints[j]), in 32 bits: logits.
public func requantize(
    _ sums: Span<Int32>, rows: Int, columns: Int, _ multipliers: borrowing ColumnMultipliers,
    into y: consuming MutableSpan<Int32>, on context: Context
) throws(KernelError) {
    multipliers.check(sums.count, rows, columns, y.count)
    try check(ck_requantize_s32(context.handle, rows, columns, sums.base, multipliers.raw, y.base), "requantize")
}

/// sums[i] = Σⱼ x[i, j]
public func rowSums(
    _ x: Span<UInt8>, rows: Int, columns: Int, into sums: consuming MutableSpan<Int32>, on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: rows, columns: columns, "rowSums: x")
    requireElements(sums.count, rows, "rowSums")
    try check(ck_row_sums_u8(context.handle, rows, columns, x.base, sums.base), "rowSums")
}
