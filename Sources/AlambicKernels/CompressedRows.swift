import CKernels

/// A sparse matrix as compressed sparse rows (CSR), as other programs exchange it.
///
/// Row i has the elements `rowOffsets[i] ..< rowOffsets[i + 1]` of `columns` and `values`; columns ascend in each row.
public struct CompressedRows<Element: MatrixElement & Sendable>: Sendable {
    /// One more than there are rows; the first is 0, the last is the number of elements.
    public var rowOffsets: [Int64]
    /// The column of each element.
    public var columns: [Int32]
    /// Each element: `Float`, or the bits of bf16 as `UInt16`.
    public var values: [Element]

    /// Three arrays as they are; they are checked where they are used.
    public init(rowOffsets: [Int64], columns: [Int32], values: [Element]) {
        (self.rowOffsets, self.columns, self.values) = (rowOffsets, columns, values)
    }

    /// The rows of the transposed matrix, whose number the argument is. The arrays must be without fault.
    public func transposed(columns count: Int) -> CompressedRows {
        var offsets = [Int64](repeating: 0, count: count + 1)
        for column in columns { offsets[Int(column) + 1] += 1 }
        for column in 0..<count { offsets[column + 1] += offsets[column] }
        var next = offsets
        var newColumns = [Int32](repeating: 0, count: columns.count)
        var newValues = values
        for row in 0..<rowOffsets.count - 1 {
            for element in Int(rowOffsets[row])..<Int(rowOffsets[row + 1]) {
                let column = Int(columns[element])
                let place = Int(next[column])
                next[column] += 1
                newColumns[place] = Int32(row)
                newValues[place] = values[element]
            }
        }
        return CompressedRows(rowOffsets: offsets, columns: newColumns, values: newValues)
    }
}

/// The elements of a dense matrix that are not zero: -0 is left out, NaN is kept.
///
/// Cannot be noted in an ``OperationList``, since the size of what it returns depends on the numbers.
///
/// - Parameter x: rows x columns, row-major.
/// - Throws: `.badShape` for more columns than 32 bits can number; `.noMemory`.
public func compressRows(
    _ x: Span<Float>, rows: Int, columns: Int, on context: Context
) throws(KernelError) -> CompressedRows<Float> {
    precondition(holds(x.count, rows, columns), "compressing \(rows) x \(columns): \(x.count) elements")
    precondition(!context.isRecording, "compressed rows are made at once, not by a list of operations")
    let what = "compressing \(rows) x \(columns)"
    var rowOffsets = [Int64](repeating: 0, count: rows + 1)
    var offsets = rowOffsets.mutableSpan
    try check(ck_csr_count_f32(context.handle, rows, columns, x.base, offsets.base), what)
    let count = Int(rowOffsets[rows])
    var columnIndices = [Int32](repeating: 0, count: count)
    var values = [Float](repeating: 0, count: count)
    var newColumns = columnIndices.mutableSpan
    var newValues = values.mutableSpan
    try check(
        ck_csr_fill_f32(
            context.handle, rows, columns, x.base, rowOffsets.span.base, count, newColumns.base, newValues.base),
        what)
    return CompressedRows(rowOffsets: rowOffsets, columns: columnIndices, values: values)
}

/// The dense matrix of f32: +0 where there is no element.
///
/// - Parameters:
///   - rowOffsets: rows + 1 of them.
///   - columnIndices: as many as values, ascending in each row.
///   - values: `Float`, or the bits of bf16.
///   - y: rows x columns, row-major.
/// - Throws: `.badArgument`, which names the first row that is wrong and how, and then nothing is written.
public func expandRows<Element: MatrixElement>(
    rowOffsets: Span<Int64>, columnIndices: Span<Int32>, values: Span<Element>, rows: Int, columns: Int,
    into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    let arrays = sparseArrays("expanding to", rowOffsets, columnIndices, values, rows, columns)
    precondition(holds(y.count, rows, columns), "expanding to \(rows) x \(columns): room for \(y.count) elements")
    let status = ck_csr_expand_f32(context.handle, rows, columns, arrays, y.base)
    try checkSparse(status, "expanding to \(rows) x \(columns)", arrays, rows, columns)
}

/// The arrays for C, which must hold together as arrays; what is in them is checked there.
func sparseArrays<Element: MatrixElement>(
    _ what: String, _ rowOffsets: Span<Int64>, _ columnIndices: Span<Int32>, _ values: Span<Element>, _ rows: Int,
    _ columns: Int
) -> ck_csr_arrays {
    precondition(
        rows >= 0 && columns >= 0 && rowOffsets.count == rows + 1 && columnIndices.count == values.count,
        """
        \(what) \(rows) x \(columns): \(rowOffsets.count) row offsets, \(columnIndices.count) columns, \
        \(values.count) values
        """)
    precondition(
        Element.self == Float.self || Element.self == UInt16.self, "\(what) a matrix of \(Element.self) elements")
    return ck_csr_arrays(
        row_offsets: rowOffsets.base, columns: columnIndices.base, values: UnsafeRawPointer(values.base),
        type: Element.type(halves: .bf16).raw, count: values.count)
}

/// Throws unless the status is `CK_OK`, and says which row of the arrays is to blame if one is.
func checkSparse(
    _ status: ck_status, _ what: String, _ arrays: ck_csr_arrays, _ rows: Int, _ columns: Int
) throws(KernelError) {
    guard status == CK_BAD_ARGUMENT else { return try check(status, what) }
    var row = 0
    let fault: String
    switch ck_csr_check(rows, columns, arrays, &row) {
    case CK_CSR_FIRST_OFFSET: fault = "the first row offset is not 0"
    case CK_CSR_LAST_OFFSET: fault = "the last row offset is not the number of elements, \(arrays.count)"
    case CK_CSR_OFFSET_ORDER: fault = "row \(row) ends before it starts, or after the last of \(arrays.count) elements"
    case CK_CSR_COLUMN_RANGE: fault = "row \(row) has a column outside of 0 ..< \(columns)"
    case CK_CSR_COLUMN_ORDER: fault = "the columns of row \(row) do not ascend"
    default: return try check(status, what)
    }
    throw KernelError(.badArgument, "\(what): \(fault)")
}
