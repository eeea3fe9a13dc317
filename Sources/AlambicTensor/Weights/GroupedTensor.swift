import AlambicKernels

/// A matrix of 4-bit integers with one f16 scale for each group of 32 neighbours in a row:
/// w[n, k] = (q[n, k] - 8) * scales[n, k / 32], q in 0...15. 4.5 bits a weight, in the layout that the kernels multiply.
public struct GroupedTensor: Sendable {
    /// How many weights share a scale.
    public static let group = 32
    /// Number of rows (outputs).
    public let rows: Int
    /// Number of columns (inputs), a multiple of the group.
    public let columns: Int
    /// [rows, columns / 2]; q of an even k in the low half of a byte.
    public let nibbles: Memory<UInt8>
    /// f16 bits, [rows, columns / 32].
    public let scales: Memory<UInt16>

    /// Rounds to nearest, group by group. The weight of the greatest magnitude, m, gets the integer that has no opposite:
    /// scale = m / -8, so that all 16 levels are used.
    ///
    /// - Throws: `.badShape` when the group does not divide the columns; `.badArgument` for weights that are not finite or
    ///   beyond what a scale can be (8 * 65504).
    public init(_ weights: Tensor, on context: Context) throws(KernelError) {
        (rows, columns) = (weights.rows, weights.columns)
        guard columns.isMultiple(of: Self.group) else {
            throw KernelError(.badShape, "4-bit weights of \(columns) inputs, which is no multiple of \(Self.group)")
        }
        let groups = weights.count / Self.group
        nibbles = try Memory(count: weights.count / 2)
        scales = try Memory(count: groups)
        let wide = try Memory<Float>(count: groups)
        let source = weights.span
        Self.greatest(source, into: wide.mutableSpan)
        try convert(wide.span, to: .f16, into: scales.mutableSpan, on: context)
        try convert(scales.span, from: .f16, into: wide.mutableSpan, on: context)
        let rounded = wide.span
        for i in 0..<groups where !rounded[i].isFinite {
            throw KernelError(.badArgument, "4-bit weights: group \(i) has a weight that is not finite, or too large")
        }
        Self.round(source, scales: rounded, into: nibbles.mutableSpan)
    }

    /// The scale of every group, before it is rounded to f16.
    private static func greatest(_ weights: Span<Float>, into scales: consuming MutableSpan<Float>) {
        for i in 0..<scales.count {
            var extreme: Float = 0
            // A NaN is greater than anything, and stays.
            for k in i * group..<(i + 1) * group where !extreme.isNaN && !(abs(weights[k]) <= abs(extreme)) {
                extreme = weights[k]
            }
            scales[i] = extreme / -8
        }
    }

    private static func round(_ weights: Span<Float>, scales: Span<Float>, into nibbles: consuming MutableSpan<UInt8>) {
        func level(_ k: Int) -> UInt8 {
            let scale = scales[k / group]
            guard scale != 0 else { return 8 }
            return UInt8(min(max((weights[k] / scale).rounded(.toNearestOrEven) + 8, 0), 15))
        }
        for i in 0..<nibbles.count { nibbles[i] = level(2 * i) | level(2 * i + 1) << 4 }
    }
}
