import AlambicKernels

/// A matrix of 4-bit integers with one f16 scale for each group of 32 or 128 neighbours in a row:
/// w[n, k] = (q[n, k] - 8) * scales[n, k / group], q in 0...15. 4.5 or 4.125 bits a weight, in the layout that the kernels
/// multiply.
public struct GroupedTensor: Sendable {
    /// How many weights can share a scale.
    public static let groups = [32, 128]
    /// How many do unless the maker says otherwise.
    public static let defaultGroup = 32

    /// Number of rows (outputs).
    public let rows: Int
    /// Number of columns (inputs), a multiple of the group.
    public let columns: Int
    /// How many weights share a scale.
    public let group: Int
    /// [rows, columns / 2]; q of an even k in the low half of a byte.
    public let nibbles: Memory<UInt8>
    /// f16 bits, [rows, columns / group].
    public let scales: Memory<UInt16>

    /// A matrix over existing memory.
    public init(rows: Int, columns: Int, group: Int, nibbles: Memory<UInt8>, scales: Memory<UInt16>) {
        precondition(
            Self.groups.contains(group) && columns.isMultiple(of: group) && nibbles.count == rows * columns / 2
                && scales.count == rows * columns / group,
            """
            \(nibbles.count) bytes and \(scales.count) scales for shape [\(rows), \(columns)] in groups of \(group)
            """)
        (self.rows, self.columns, self.group) = (rows, columns, group)
        (self.nibbles, self.scales) = (nibbles, scales)
    }

    /// Rounds to nearest, group by group.
    ///
    /// - Throws: `.badShape` when the group does not divide the columns; `.badArgument` for weights that are not finite or
    ///   beyond what a scale can be (8 * 65504).
    public init(
        _ weights: Tensor, group: Int = defaultGroup, scales choice: GroupScales = .greatest, on context: Context
    ) throws(KernelError) {
        let (rows, columns) = (weights.rows, weights.columns)
        try Self.check(group: group, columns: columns)
        let groups = rows * columns / group
        let (scales, wide) = (try Memory<UInt16>(count: groups), try Memory<Float>(count: groups))
        let source = weights.span
        choice.scales(of: source, group: group, into: wide.mutableSpan)
        try Self.roundScales(wide, to: scales, on: context)
        let levels = try Memory<Int8>(count: rows * columns)
        Self.levels(of: source, scales: wide.span, group: group, into: levels.mutableSpan)
        self.init(
            rows: rows, columns: columns, group: group, nibbles: try Self.packed(levels, count: rows * columns),
            scales: scales)
    }

    /// Whether 4-bit weights of so many inputs can have this group.
    public static func check(group: Int, columns: Int) throws(KernelError) {
        guard groups.contains(group) else {
            throw KernelError(.badShape, "4-bit weights in groups of \(group): use 32 or 128")
        }
        guard columns.isMultiple(of: group) else {
            throw KernelError(.badShape, "4-bit weights of \(columns) inputs, which is no multiple of \(group)")
        }
    }

    /// Rounds scales to f16, in place too: what they stand for from now on.
    ///
    /// - Throws: `.badArgument` for one that is not finite, or too large.
    public static func roundScales(
        _ wide: Memory<Float>, to scales: Memory<UInt16>, on context: Context
    ) throws(KernelError) {
        try convert(wide.span, to: .f16, into: scales.mutableSpan, on: context)
        try convert(scales.span, from: .f16, into: wide.mutableSpan, on: context)
        let rounded = wide.span
        for i in 0..<rounded.count where !rounded[i].isFinite {
            throw KernelError(.badArgument, "4-bit weights: group \(i) has a weight that is not finite, or too large")
        }
    }

    /// The integer, -8...7, that stands for a finite weight: the nearest, halves to even.
    @inline(__always)
    public static func level(_ weight: Float, scale: Float) -> Int8 {
        guard scale != 0 else { return 0 }
        return Int8(min(max((weight / scale).rounded(.toNearestOrEven), -8), 7))
    }

    private static func levels(
        of weights: Span<Float>, scales: Span<Float>, group: Int, into levels: consuming MutableSpan<Int8>
    ) {
        for i in 0..<scales.count {
            for k in i * group..<(i + 1) * group { levels[k] = level(weights[k], scale: scales[i]) }
        }
    }

    /// The integers -8...7 in pairs, with 8 added; an odd one out has 8, a zero, beside it.
    public static func packed(_ levels: Memory<Int8>, count: Int) throws(KernelError) -> Memory<UInt8> {
        let nibbles = try Memory<UInt8>(count: (count + 1) / 2)
        let levels = levels.span
        var target = nibbles.mutableSpan
        for i in 0..<count { target[i / 2] |= UInt8(levels[i] + 8) << UInt8(i % 2 * 4) }
        if !count.isMultiple(of: 2) { target[count / 2] |= 8 << 4 }
        return nibbles
    }

    /// `count` integers -8...7 of nibbles.
    static func unpacked(_ nibbles: Memory<UInt8>, count: Int) throws(KernelError) -> Memory<Int8> {
        let levels = try Memory<Int8>(count: count)
        let nibbles = nibbles.span
        var target = levels.mutableSpan
        for i in 0..<count { target[i] = Int8(nibbles[i / 2] >> UInt8(i % 2 * 4) & 15) - 8 }
        return levels
    }

    /// The integers -8...7, [rows, columns].
    public func levels() throws(KernelError) -> Memory<Int8> {
        try Self.unpacked(nibbles, count: rows * columns)
    }

    /// w[n, k] = (q[n, k] - 8) * scales[n, k / group].
    public func dense(on context: Context = .default) throws(KernelError) -> Tensor {
        let result = try Tensor([rows, columns])
        try dequantizeGroups(
            nibbles.span, scales: scales.span, rows: rows, columns: columns, group: group, into: result.mutableSpan,
            on: context)
        return result
    }
}
