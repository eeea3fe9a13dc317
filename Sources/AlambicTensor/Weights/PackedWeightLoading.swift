import AlambicKernels

extension PackedWeight {
    /// Reads a weight in whichever form is there, and checks all of it: element types, extents, counts, and that
    /// every float is finite.
    ///
    /// - Parameters:
    ///   - name: the parameter's path.
    ///   - shape: what the model expects; forms other than dense floats need two dimensions.
    ///   - tensor: gives the stored tensor of a name, or nil when there is none.
    /// - Throws: `WeightFormatError`, or whatever `tensor` or the lack of memory throws.
    public init(_ name: String, shape: Shape, from tensor: (String) throws -> StoredTensor?) throws {
        self = try withoutActuallyEscaping(tensor) { tensor in
            try PackedWeightReader(name: name, shape: shape, tensor: tensor).read()
        }
    }
}

/// Makes one weight of the tensors that hold it.
private struct PackedWeightReader {
    let name: String
    let shape: Shape
    let tensor: (String) throws -> StoredTensor?

    private var rows: Int { shape.rows }
    private var columns: Int { shape.columns }

    func read() throws -> PackedWeight {
        if let stored = try tensor(name) { return try whole(stored) }
        if shape.rank == 2, let packed = try tensor(name + "_packed") { return .int4(try grouped(packed)) }
        if shape.rank == 2, let compressed = try tensor(PackedWeight.prefix(of: name) + ".compressed") {
            return .bitmask(try bitmask(compressed))
        }
        throw WeightFormatError(tensor: name, reason: "missing; expected shape \(shape)")
    }

    private func require(_ name: String) throws -> StoredTensor {
        guard let stored = try tensor(name) else { throw WeightFormatError(tensor: name, reason: "missing") }
        return stored
    }

    /// Every element of the weight, as floats or as 8-bit integers.
    private func whole(_ stored: StoredTensor) throws -> PackedWeight {
        switch stored.type {
        case .s8:
            let scales = try rowScales()
            let values: Memory<Int8> = try elements(stored, .s8, shape.dimensions)
            return .int8(QuantizedTensor(rows: rows, columns: columns, values: values, scales: scales))
        case .bf16: return .bf16(HalfTensor(shape, storage: try halves(stored, .bf16, shape.dimensions)))
        case .f16: return .f16(HalfTensor(shape, storage: try halves(stored, .f16, shape.dimensions)))
        default: return .f32(Tensor(shape, storage: try floats(stored, shape.dimensions)))
        }
    }

    private func grouped(_ stored: StoredTensor) throws -> GroupedTensor {
        let (scales, group) = try groupScales()
        try stored.check(type: .s32, shape: [rows, columns / 8])
        let nibbles = try Memory<UInt8>(count: rows * columns / 2)
        stored.copy(into: nibbles.mutableSpan)
        try checkExtents(name + "_shape")
        return GroupedTensor(rows: rows, columns: columns, group: group, nibbles: nibbles, scales: scales)
    }

    private func bitmask(_ compressed: StoredTensor) throws -> BitmaskTensor {
        let (prefix, stride) = (PackedWeight.prefix(of: name), (columns + 7) / 8)
        try checkExtents(prefix + ".shape")
        let mask = try require(prefix + ".bitmask")
        let bitmask: Memory<UInt8> = try elements(mask, .u8, [rows, stride])
        let offsets = try require(prefix + ".row_offsets")
        let rowOffsets: Memory<Int64> = try elements(offsets, .s64, [rows])
        let count = try checkedCount(bitmask.span, rowOffsets.span, maskName: mask.name, offsetsName: offsets.name)
        let pattern = BitmaskTensor.Pattern(
            rows: rows, columns: columns, bitmask: bitmask, rowOffsets: rowOffsets, nonzeroCount: count)
        return BitmaskTensor(pattern, try values(compressed, count))
    }

    private func values(_ stored: StoredTensor, _ count: Int) throws -> BitmaskTensor.Values {
        switch stored.type {
        case .s8: return .int8(try elements(stored, .s8, [count]), scales: try rowScales())
        case .u8:
            let nibbles: Memory<UInt8> = try elements(stored, .u8, [(count + 1) / 2])
            // Elements that are kept are not zero, and an odd one out has a zero beside it: a mask of one element more or less
            // does not go unnoticed.
            guard count == 0 || count.isMultiple(of: 2) == (nibbles.span[(count - 1) / 2] >> 4 != 8) else {
                throw WeightFormatError(tensor: stored.name, reason: "does not end after \(count) elements")
            }
            let (scales, group) = try groupScales()
            return .int4(nibbles, scales: scales, group: group)
        case .bf16: return .bf16(try halves(stored, .bf16, [count]))
        case .f16: return .f16(try halves(stored, .f16, [count]))
        default: return .f32(try floats(stored, [count]))
        }
    }

    /// Counts the bits, and checks that every row starts where the rows before it end and that spare bits are zero.
    private func checkedCount(
        _ bitmask: Span<UInt8>, _ rowOffsets: Span<Int64>, maskName: String, offsetsName: String
    ) throws -> Int {
        let stride = (columns + 7) / 8
        let spare: UInt8 = columns.isMultiple(of: 8) ? 0 : ~((1 << UInt8(columns % 8)) - 1)
        var count = 0
        for row in 0..<rows {
            guard rowOffsets[row] == Int64(count) else {
                throw WeightFormatError(
                    tensor: offsetsName, reason: "row \(row): expected \(count), found \(rowOffsets[row])")
            }
            for byte in row * stride..<(row + 1) * stride { count += bitmask[byte].nonzeroBitCount }
            guard stride == 0 || bitmask[(row + 1) * stride - 1] & spare == 0 else {
                throw WeightFormatError(
                    tensor: maskName, reason: "row \(row) has bits beyond its \(columns) columns")
            }
        }
        return count
    }

    private func checkExtents(_ name: String) throws {
        let extents = try require(name)
        try extents.check(type: .s64, shape: [2])
        let found = extents.bytes.withUnsafeBytes { bytes in
            [bytes.loadUnaligned(as: Int64.self), bytes.loadUnaligned(fromByteOffset: 8, as: Int64.self)]
        }
        guard found == [Int64(rows), Int64(columns)] else {
            throw WeightFormatError(tensor: name, reason: "expected \(shape), found \(found)")
        }
    }

    private func rowScales() throws -> Memory<Float> { try floats(try require(name + "_scale"), [rows, 1]) }

    /// The scales of groups, whose size their number tells. Other programs store them as bf16 or f32 too: those that f16
    /// holds exactly are taken.
    private func groupScales() throws -> (Memory<UInt16>, group: Int) {
        let stored = try require(name + "_scale")
        let groups = GroupedTensor.groups.filter { columns.isMultiple(of: $0) }
        guard let group = groups.first(where: { stored.shape == [rows, columns / $0] }) else {
            let wanted =
                groups.isEmpty
                ? "\(columns) inputs, which no group of 32 or 128 divides"
                : groups.map { "[\(rows), \(columns / $0)] (groups of \($0))" }.joined(separator: " or ")
            throw WeightFormatError(
                tensor: stored.name, reason: "4-bit weights: expected \(wanted), found shape \(stored.shape)")
        }
        if stored.type == .f16 { return (try halves(stored, .f16, stored.shape), group) }
        return (try narrowed(try wideScales(stored), stored.name), group)
    }

    private func wideScales(_ stored: StoredTensor) throws -> Memory<Float> {
        guard stored.type == .bf16 else { return try floats(stored, stored.shape) }
        let halves = try halves(stored, .bf16, stored.shape)
        let wide = try Memory<Float>(count: halves.count)
        try convert(halves.span, from: .bf16, into: wide.mutableSpan, on: .default)
        return wide
    }

    private func narrowed(_ wide: Memory<Float>, _ name: String) throws -> Memory<UInt16> {
        let scales = try Memory<UInt16>(count: wide.count)
        let back = try Memory<Float>(count: wide.count)
        try convert(wide.span, to: .f16, into: scales.mutableSpan, on: .default)
        try convert(scales.span, from: .f16, into: back.mutableSpan, on: .default)
        let (before, after) = (wide.span, back.span)
        for i in 0..<wide.count where before[i] != after[i] {
            throw WeightFormatError(
                tensor: name, reason: "element \(i) is \(before[i]), which F16 does not hold exactly")
        }
        return scales
    }

    private func elements<Element: BitwiseCopyable>(
        _ stored: StoredTensor, _ type: DType, _ shape: [Int]
    ) throws -> Memory<Element> {
        try stored.check(type: type, shape: shape)
        // A sparse weight may have no element at all.
        let memory = try Memory<Element>(count: max(1, shape.reduce(1, *)))
        if !stored.bytes.isEmpty { stored.copy(into: memory.mutableSpan) }
        return memory
    }

    private func floats(_ stored: StoredTensor, _ shape: [Int]) throws -> Memory<Float> {
        let memory: Memory<Float> = try elements(stored, .f32, shape)
        let values = memory.span
        for i in 0..<values.count where !values[i].isFinite {
            throw WeightFormatError.notFinite(stored.name, i, values[i])
        }
        return memory
    }

    private func halves(_ stored: StoredTensor, _ format: HalfFormat, _ shape: [Int]) throws -> Memory<UInt16> {
        let memory: Memory<UInt16> = try elements(stored, format == .bf16 ? .bf16 : .f16, shape)
        if let (place, value) = format.firstNotFinite(in: memory.span) {
            throw WeightFormatError.notFinite(stored.name, place, value)
        }
        return memory
    }
}

extension WeightFormatError {
    fileprivate static func notFinite(_ name: String, _ place: Int, _ value: Float) -> WeightFormatError {
        WeightFormatError(tensor: name, reason: "element \(place) is \(value), not a finite number")
    }
}

extension HalfFormat {
    /// The first infinity or NaN, if there is one, and its place.
    public func firstNotFinite(in halves: Span<UInt16>) -> (place: Int, value: Float)? {
        let (exponent, fraction): (UInt16, UInt16) = self == .bf16 ? (0x7f80, 0x7f) : (0x7c00, 0x3ff)
        for i in 0..<halves.count where halves[i] & exponent == exponent {
            return (i, halves[i] & fraction != 0 ? .nan : halves[i] < 0x8000 ? .infinity : -.infinity)
        }
        return nil
    }
}
