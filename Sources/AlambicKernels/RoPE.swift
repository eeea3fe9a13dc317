import CKernels

extension Kernels {
    /// Implementations of ``rotate(_:_:layout:rows:by:into:_:on:)``, in place and back.
    public static let rope = Variant.list(ck_rope_variants)
}

/// Which elements of a head turn together.
public enum RotaryLayout: Sendable, CaseIterable {
    /// 2k and 2k + 1 (Su et al. 2021, section 3.2.2).
    case interleaved
    /// k and k + width / 2: "rotate_half" of Llama's files.
    case halves

    fileprivate var code: ck_rope_layout {
        switch self {
        case .interleaved: CK_ROPE_INTERLEAVED
        case .halves: CK_ROPE_HALVES
        }
    }
}

/// The angles of a rotary position embedding (Su et al. 2021, section 3.2.2): pair k of a head turns by p · theta^(-2k / width)
/// at position p.
public struct RotaryTables: Sendable {
    /// Elements of a head that turn; even.
    public let width: Int
    /// Positions that have angles: 0 ..< positions.
    public let positions: Int
    /// Cosines and sines, `[positions, width / 2]` each.
    public let cosine, sine: Memory<Float>

    /// Angles for the positions `0 ..< positions`, computed in double precision. An odd width throws `.badShape`.
    public init(width: Int, positions: Int, theta: Double = 10_000, on context: Context) throws(KernelError) {
        precondition(width > 0 && positions >= 0, "rotary tables of width \(width) for \(positions) positions")
        self.width = width
        self.positions = positions
        cosine = try Memory(count: positions * (width / 2))
        sine = try Memory(count: positions * (width / 2))
        try check(
            ck_rope_tables_f32(context.handle, theta, width, positions, cosine.start, sine.start),
            "rotary tables of width \(width) for \(positions) positions with theta \(theta)")
    }
}

/// Where the heads are in an array: head h of row i begins at element `i · rowStride + h · headStride`.
public struct RotaryHeads: Sendable {
    /// How many heads of each row turn.
    public var heads: Int
    /// Distance of the rows, in elements.
    public var rowStride: Int
    /// Distance of the heads of a row, in elements.
    public var headStride: Int

    /// `heads` heads from the start of each row. Queries and keys of packed rows, which hold values too, are heads of one call.
    public init(heads: Int, rowStride: Int, headStride: Int) {
        self.heads = heads
        self.rowStride = rowStride
        self.headStride = headStride
    }

    fileprivate func require(_ count: Int, rows: Int, width: Int, _ operand: String) {
        precondition(
            heads >= 0 && rowStride >= 0 && headStride >= 0 && rows >= 0
                && (rows == 0 || heads == 0
                    || (rows - 1) * rowStride + (heads - 1) * headStride + width <= count),
            "\(operand) has \(count) elements, too few for \(rows) rows of \(heads) heads of \(width), \(rowStride) and "
                + "\(headStride) apart")
    }
}

/// Rows that stand at positions: row i at `first + i mod length`.
public struct RotaryRows: Sendable {
    /// Rows of all sequences.
    public var rows: Int
    /// Rows of one sequence.
    public var length: Int
    /// Position of the first row of each sequence.
    public var first: Int

    /// `rows` rows, which are sequences of `length` rows one after the other, each beginning at position `first`.
    public init(_ rows: Int, length: Int, first: Int = 0) {
        self.rows = rows
        self.length = length
        self.first = first
    }
}

/// Turns each pair (a, b) of each head by the angle of its row's position: (a cos - b sin, b cos + a sin). Elements of `y` that
/// do not turn are not written. A row beyond the tables throws `.badArgument`.
public func rotate<E: FloatElement>(
    _ x: Span<E>, _ heads: RotaryHeads, layout: RotaryLayout, rows: RotaryRows, by tables: RotaryTables,
    into y: consuming MutableSpan<E>, _ outputHeads: RotaryHeads? = nil, on context: Context
) throws(KernelError) {
    try rotate(ck_rope, x.base, x.count, heads, layout, rows, tables, y.base, y.count, outputHeads ?? heads, context)
}

/// ``rotate(_:_:layout:rows:by:into:_:on:)`` in place.
public func rotate<E: FloatElement>(
    in x: consuming MutableSpan<E>, _ heads: RotaryHeads, layout: RotaryLayout, rows: RotaryRows,
    by tables: RotaryTables,
    on context: Context
) throws(KernelError) {
    let (start, count) = (x.base, x.count)
    try rotate(ck_rope, start, count, heads, layout, rows, tables, start, count, heads, context)
}

/// Turns back: the inverse of ``rotate(_:_:layout:rows:by:into:_:on:)``, which is its gradient.
public func rotateBackward<E: FloatElement>(
    _ dY: Span<E>, _ heads: RotaryHeads, layout: RotaryLayout, rows: RotaryRows, by tables: RotaryTables,
    into dX: consuming MutableSpan<E>, _ outputHeads: RotaryHeads? = nil, on context: Context
) throws(KernelError) {
    try rotate(
        ck_rope_backward, dY.base, dY.count, heads, layout, rows, tables, dX.base, dX.count, outputHeads ?? heads,
        context)
}

/// ``rotateBackward(_:_:layout:rows:by:into:_:on:)`` in place.
public func rotateBackward<E: FloatElement>(
    in dY: consuming MutableSpan<E>, _ heads: RotaryHeads, layout: RotaryLayout, rows: RotaryRows,
    by tables: RotaryTables, on context: Context
) throws(KernelError) {
    let (start, count) = (dY.base, dY.count)
    try rotate(ck_rope_backward, start, count, heads, layout, rows, tables, start, count, heads, context)
}

private func rotate<E: FloatElement>(
    _ operation: (
        OpaquePointer?, ck_rope_layout, ck_type, ck_rope_shape, UnsafeRawPointer?, UnsafePointer<Float>?,
        UnsafePointer<Float>?, Int, UnsafeMutableRawPointer?
    ) -> ck_status, _ x: UnsafePointer<E>, _ count: Int, _ heads: RotaryHeads, _ layout: RotaryLayout,
    _ rows: RotaryRows,
    _ tables: RotaryTables, _ y: UnsafeMutablePointer<E>, _ outputCount: Int, _ outputHeads: RotaryHeads,
    _ context: Context
) throws(KernelError) {
    heads.require(count, rows: rows.rows, width: tables.width, "rotate: x")
    outputHeads.require(outputCount, rows: rows.rows, width: tables.width, "rotate: y")
    precondition(
        heads.heads == outputHeads.heads && rows.length > 0 && rows.first >= 0,
        "rotate: \(heads.heads) heads into \(outputHeads.heads), sequences of \(rows.length) from position \(rows.first)"
    )
    let shape = ck_rope_shape(
        rows: rows.rows, length: rows.length, heads: heads.heads, width: tables.width, x_row: heads.rowStride,
        x_head: heads.headStride, y_row: outputHeads.rowStride, y_head: outputHeads.headStride,
        first_position: rows.first)
    try check(
        operation(
            context.handle, layout.code, E.code, shape, x, tables.cosine.start, tables.sine.start, tables.positions, y),
        "rotation of rows at positions \(rows.first) ..< \(rows.first + min(rows.length, rows.rows)) of "
            + "\(tables.positions)")
}
