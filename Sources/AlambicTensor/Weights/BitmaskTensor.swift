import AlambicKernels

/// A sparse matrix that stores its nonzero elements row after row and one bit for each position, in
/// compressed-tensors' sparse-bitmask layout.
///
/// Bit (k mod 8) of byte k / 8 of row n (least significant first) says whether w[n, k] is stored. Dense it takes
/// 1 bit + density * (4, 2, 1 or 1/2) bytes for each element.
public struct BitmaskTensor: Sendable {
    /// The stored elements.
    public enum Values: Sendable {
        /// 32-bit floats.
        case f32(Memory<Float>)
        /// bf16.
        case bf16(Memory<UInt16>)
        /// f16.
        case f16(Memory<UInt16>)
        /// 8-bit integers with one scale for each row.
        case int8(Memory<Int8>, scales: Memory<Float>)
        /// 4-bit integers in pairs, q of an even one in the low half of a byte, w = (q - 8) * scale; and the f16 scales of all
        /// groups, [rows, columns / group], those without stored elements too.
        case int4(Memory<UInt8>, scales: Memory<UInt16>, group: Int)

        /// What an element is called.
        var name: String {
            switch self {
            case .f32: "f32"
            case .bf16: "bf16"
            case .f16: "f16"
            case .int8: "int8"
            case .int4: "int4"
            }
        }
    }

    /// Number of rows (outputs).
    public let rows: Int
    /// Number of columns (inputs).
    public let columns: Int
    /// [rows, (columns + 7) / 8]; unused bits are zero.
    public let bitmask: Memory<UInt8>
    /// [rows]: how many elements are stored before each row's first.
    public let rowOffsets: Memory<Int64>
    /// How many elements are stored.
    public let nonzeroCount: Int
    /// The stored elements, in row-major order; the memory may have room for more than `nonzeroCount`.
    public let values: Values

    /// Keeps the nonzero elements of a dense matrix.
    public init(_ dense: Tensor) throws(KernelError) {
        let pattern = try Pattern(rows: dense.rows, columns: dense.columns, elements: dense.span)
        let kept = try Memory<Float>(count: max(1, pattern.nonzeroCount))
        gather(dense.span, into: kept.mutableSpan)
        self.init(pattern, .f32(kept))
    }

    /// Keeps the nonzero integers of a quantized matrix, with its scales.
    public init(_ quantized: QuantizedTensor) throws(KernelError) {
        let pattern = try Pattern(
            rows: quantized.rows, columns: quantized.columns, elements: quantized.values.span)
        let kept = try Memory<Int8>(count: max(1, pattern.nonzeroCount))
        gather(quantized.values.span, into: kept.mutableSpan)
        self.init(pattern, .int8(kept, scales: quantized.scales))
    }

    /// Keeps the nonzero elements of a matrix of 16-bit floats. A negative zero is one.
    public init(_ halves: HalfTensor, _ format: HalfFormat) throws(KernelError) {
        let unsigned = try HalfTensor(halves.shape, halves.elements.map { $0 == 0x8000 ? 0 : $0 })
        let pattern = try Pattern(rows: halves.rows, columns: halves.columns, elements: unsigned.span)
        let kept = try Memory<UInt16>(count: max(1, pattern.nonzeroCount))
        gather(unsigned.span, into: kept.mutableSpan)
        self.init(pattern, format == .bf16 ? .bf16(kept) : .f16(kept))
    }

    /// Keeps the nonzero integers of a matrix of 4-bit weights, with all of its scales.
    public init(_ grouped: GroupedTensor) throws(KernelError) {
        let levels = try grouped.levels()
        let pattern = try Pattern(rows: grouped.rows, columns: grouped.columns, elements: levels.span)
        let kept = try Memory<Int8>(count: max(1, pattern.nonzeroCount))
        gather(levels.span, into: kept.mutableSpan)
        let nibbles = try GroupedTensor.packed(kept, count: pattern.nonzeroCount)
        self.init(pattern, .int4(nibbles, scales: grouped.scales, group: grouped.group))
    }

    init(_ pattern: Pattern, _ values: Values) {
        rows = pattern.rows
        columns = pattern.columns
        bitmask = pattern.bitmask
        rowOffsets = pattern.rowOffsets
        nonzeroCount = pattern.nonzeroCount
        self.values = values
    }

    /// Which positions are stored.
    struct Pattern {
        let rows: Int
        let columns: Int
        let bitmask: Memory<UInt8>
        let rowOffsets: Memory<Int64>
        let nonzeroCount: Int

        init(rows: Int, columns: Int, bitmask: Memory<UInt8>, rowOffsets: Memory<Int64>, nonzeroCount: Int) {
            self.rows = rows
            self.columns = columns
            self.bitmask = bitmask
            self.rowOffsets = rowOffsets
            self.nonzeroCount = nonzeroCount
        }

        init<Element: BitwiseCopyable & Numeric>(
            rows: Int, columns: Int, elements: Span<Element>
        ) throws(KernelError) {
            let stride = (columns + 7) / 8
            let bitmask = try Memory<UInt8>(count: max(1, rows * stride))
            let rowOffsets = try Memory<Int64>(count: max(1, rows))
            var bits = bitmask.mutableSpan
            var offsets = rowOffsets.mutableSpan
            var count = 0
            for row in 0..<rows {
                offsets[row] = Int64(count)
                for column in 0..<columns where elements[row * columns + column] != 0 {
                    bits[row * stride + column / 8] |= 1 << UInt8(column % 8)
                    count += 1
                }
            }
            self.init(
                rows: rows, columns: columns, bitmask: bitmask, rowOffsets: rowOffsets, nonzeroCount: count)
        }
    }

    /// The matrix with its zeros, dense. Integers stay integers.
    public func expanded() throws(KernelError) -> PackedWeight {
        switch values {
        case .f32(let kept): return .f32(try scattered(kept))
        case .bf16(let kept): return .bf16(try scattered(kept))
        case .f16(let kept): return .f16(try scattered(kept))
        case .int8(let kept, let scales):
            let dense = try scattered(kept)
            return .int8(QuantizedTensor(rows: rows, columns: columns, values: dense.storage, scales: scales))
        case .int4(let kept, let scales, let group):
            return .int4(try expanded(kept, scales, group))
        }
    }

    private func expanded(
        _ kept: Memory<UInt8>, _ scales: Memory<UInt16>, _ group: Int
    ) throws(KernelError) -> GroupedTensor {
        let levels = try scattered(try GroupedTensor.unpacked(kept, count: nonzeroCount)).storage
        let nibbles = try GroupedTensor.packed(levels, count: rows * columns)
        return GroupedTensor(rows: rows, columns: columns, group: group, nibbles: nibbles, scales: scales)
    }

    private func scattered<Element: BitwiseCopyable & Sendable>(
        _ kept: Memory<Element>
    ) throws(KernelError) -> DenseTensor<Element> {
        let dense = try DenseTensor<Element>([rows, columns])
        scatter(kept.span, into: dense.mutableSpan)
        return dense
    }

    private func scatter<Element: BitwiseCopyable>(_ kept: Span<Element>, into target: consuming MutableSpan<Element>) {
        let stride = (columns + 7) / 8
        let bits = bitmask.span
        var next = 0
        for row in 0..<rows {
            for byte in 0..<stride {
                var rest = bits[row * stride + byte]
                while rest != 0 {
                    target[row * columns + byte * 8 + rest.trailingZeroBitCount] = kept[next]
                    next += 1
                    rest &= rest - 1
                }
            }
        }
    }
}

/// Copies the nonzero elements in order.
private func gather<Element: BitwiseCopyable & Numeric>(
    _ elements: Span<Element>, into target: consuming MutableSpan<Element>
) {
    var next = 0
    for i in 0..<elements.count where elements[i] != 0 {
        target[next] = elements[i]
        next += 1
    }
}
