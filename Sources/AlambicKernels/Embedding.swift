import CKernels

/// Rows of a table, chosen by ids, plus learned positions:
/// `y[i] = table[ids[i]] + positions[positionOffset + i mod length]`.
///
/// - Parameters:
///   - ids: one for each row of `y`. An id outside the table throws `.badArgument` before anything is written. A list reads
///     the ids when it runs, and leaves rows of `y` as they are where ids are outside the table.
///   - table: `[vocabulary, columns]`.
///   - positions: `[positions, columns]`, or nil for none; positions beyond it throw `.badArgument`.
///   - length: positions of a sequence; `y` holds whole sequences, one after the other, or the start of one.
///   - positionOffset: position of the first row of each sequence.
public func embedding(
    ids: Span<Int32>, table: Span<Float>, positions: Span<Float>? = nil, length: Int, positionOffset: Int = 0,
    columns: Int, into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    let positionFloats = positions?.count ?? 0
    precondition(
        columns > 0 && table.count % columns == 0 && positionFloats % columns == 0 && y.count == ids.count * columns,
        "embedding: table of \(table.count), positions of \(positionFloats) and output of \(y.count) for \(ids.count) ids "
            + "and \(columns) columns")
    precondition(length > 0 && positionOffset >= 0, "embedding: length \(length), first position \(positionOffset)")
    try check(
        ck_embedding_f32(
            context.handle, ids.base, ids.count, columns, table.base, table.count / columns, base(positions),
            positionFloats / columns, length, positionOffset, y.base),
        "embedding of \(ids.count) ids in a table of \(table.count / columns) rows and \(positionFloats / columns) "
            + "positions")
}

/// The same for one sequence that goes on: `y[i] = table[ids[i]] + positions[offset[0] + i]`.
///
/// - Parameters:
///   - ids: one for each row of `y`, as above.
///   - positions: `[positions, columns]`.
///   - offset: one number, the position of the first row. A position outside throws `.badArgument`. A list reads it when
///     it runs, and leaves rows of `y` as they are where positions are outside.
public func embedding(
    ids: Span<Int32>, table: Span<Float>, positions: Span<Float>, after offset: Span<Int64>, columns: Int,
    into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    precondition(
        columns > 0 && table.count % columns == 0 && positions.count % columns == 0
            && y.count == ids.count * columns && offset.count == 1,
        "embedding: table of \(table.count), positions of \(positions.count), \(offset.count) offsets and output of "
            + "\(y.count) for \(ids.count) ids and \(columns) columns")
    try check(
        ck_embedding_after_f32(
            context.handle, ids.base, ids.count, columns, table.base, table.count / columns, positions.base,
            positions.count / columns, offset.base, y.base),
        "embedding of \(ids.count) ids in a table of \(table.count / columns) rows and \(positions.count / columns) "
            + "positions")
}

/// Gradient of ``embedding(ids:table:positions:length:positionOffset:columns:into:on:)`` with regard to the table:
/// `dTable[ids[i]] += dY[i]`, in increasing `i`, so with the same bits for any number of threads.
///
/// - Parameter store: what becomes of the rows that `ids` names. To replace is to begin their sums with zero; rows that are
///   not named are never touched, so the time does not depend on the size of the table.
public func embeddingBackward(
    ids: Span<Int32>, dY: Span<Float>, columns: Int, into dTable: consuming MutableSpan<Float>,
    store: Store = .accumulate, on context: Context
) throws(KernelError) {
    try scatter(ids, dY, columns, dTable.base, dTable.count, nil, 0, 1, store, context)
}

/// Gradient of ``embedding(ids:table:positions:length:positionOffset:columns:into:on:)`` with regard to the table and to
/// the positions, which start at 0: also `dPositions[i mod length] += dY[i]`.
public func embeddingBackward(
    ids: Span<Int32>, dY: Span<Float>, columns: Int, into dTable: consuming MutableSpan<Float>,
    dPositions: consuming MutableSpan<Float>, length: Int, store: Store = .accumulate, on context: Context
) throws(KernelError) {
    try scatter(
        ids, dY, columns, dTable.base, dTable.count, dPositions.base, dPositions.count, length, store, context)
}

private func scatter(
    _ ids: Span<Int32>, _ dY: Span<Float>, _ columns: Int, _ dTable: UnsafeMutablePointer<Float>, _ tableCount: Int,
    _ dPositions: UnsafeMutablePointer<Float>?, _ positionCount: Int, _ length: Int, _ store: Store,
    _ context: Context
) throws(KernelError) {
    precondition(
        columns > 0 && tableCount % columns == 0 && positionCount % columns == 0 && dY.count == ids.count * columns
            && length > 0,
        "embeddingBackward: gradients of \(dY.count), table of \(tableCount) and positions of \(positionCount) for "
            + "\(ids.count) ids, \(columns) columns and length \(length)")
    try check(
        ck_embedding_backward_f32(
            context.handle, ids.base, ids.count, columns, dY.base, dTable, tableCount / columns, dPositions,
            positionCount / columns, length, store.value),
        "gradient of an embedding of \(ids.count) ids in a table of \(tableCount / columns) rows")
}

extension Kernels {
    /// Variants of the embedding, forward and backward.
    public static var embedding: [Variant] { Variant.list(ck_embedding_variants) }
}
