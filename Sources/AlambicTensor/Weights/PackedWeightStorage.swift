import AlambicKernels

// The forms as named tensors, in compressed-tensors' layouts. For a weight named `x.weight` of [N, K]:
//   f32           x.weight F32 [N, K]
//   int8          x.weight I8 [N, K], x.weight_scale F32 [N, 1]                        (format int-quantized)
//   bitmask       x.compressed F32 [nonzeros], x.bitmask U8 [N, (K + 7) / 8], x.row_offsets I64 [N], x.shape I64 [2]
//                                                                                      (format sparse-bitmask)
//   bitmask int8  the same with x.compressed I8, and x.weight_scale F32 [N, 1]
extension PackedWeight {
    /// The tensors that hold this weight in a file.
    ///
    /// - Parameter name: the parameter's path, such as `h.0.mlp.c_fc.weight`.
    public func stored(as name: String) -> [StoredTensor] {
        let prefix = Self.prefix(of: name)
        switch self {
        case .f32(let tensor):
            return [StoredTensor(name: name, type: .f32, shape: tensor.shape.dimensions, copying: tensor.span)]
        case .int8(let quantized):
            return [
                StoredTensor(
                    name: name, type: .s8, shape: [quantized.rows, quantized.columns],
                    copying: quantized.values.span),
                StoredTensor(
                    name: name + "_scale", type: .f32, shape: [quantized.rows, 1], copying: quantized.scales.span),
            ]
        case .bitmask(let sparse):
            let stride = (sparse.columns + 7) / 8
            var tensors = [
                StoredTensor(
                    name: prefix + ".bitmask", type: .u8, shape: [sparse.rows, stride],
                    copying: sparse.bitmask.span(0..<sparse.rows * stride)),
                StoredTensor(
                    name: prefix + ".row_offsets", type: .s64, shape: [sparse.rows],
                    copying: sparse.rowOffsets.span(0..<sparse.rows)),
                StoredTensor(
                    name: prefix + ".shape", type: .s64, shape: [2],
                    copying: [Int64(sparse.rows), Int64(sparse.columns)].span),
            ]
            let count = sparse.nonzeroCount
            switch sparse.values {
            case .f32(let kept):
                tensors.append(
                    StoredTensor(
                        name: prefix + ".compressed", type: .f32, shape: [count], copying: kept.span(0..<count)))
            case .int8(let kept, let scales):
                tensors.append(
                    StoredTensor(
                        name: prefix + ".compressed", type: .s8, shape: [count], copying: kept.span(0..<count)))
                tensors.append(
                    StoredTensor(
                        name: name + "_scale", type: .f32, shape: [sparse.rows, 1], copying: scales.span))
            }
            return tensors
        }
    }

    /// `x` of `x.weight`: what the names of sparse tensors start with.
    static func prefix(of name: String) -> String {
        name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
    }

    /// Every name that some form of the weight `name` uses in a file.
    public static func names(of name: String) -> [String] {
        let prefix = prefix(of: name)
        return [name, name + "_scale"] + ["compressed", "bitmask", "row_offsets", "shape"].map { "\(prefix).\($0)" }
    }

    /// Reads a weight in whichever form is there, and checks all of it: element types, extents, counts, and that
    /// every float is finite.
    ///
    /// - Parameters:
    ///   - name: the parameter's path.
    ///   - shape: what the model expects; forms other than f32 need two dimensions.
    ///   - tensor: gives the stored tensor of a name, or nil when there is none.
    /// - Throws: `WeightFormatError`, or whatever `tensor` or the lack of memory throws.
    public init(_ name: String, shape: Shape, from tensor: (String) throws -> StoredTensor?) throws {
        let prefix = Self.prefix(of: name)
        if let stored = try tensor(name) {
            switch stored.type {
            case .s8:
                let scales = try Self.scales(name, rows: shape.rows, from: tensor)
                try stored.check(type: .s8, shape: shape.dimensions)
                let values = try Memory<Int8>(count: shape.count)
                stored.copy(into: values.mutableSpan)
                self = .int8(
                    QuantizedTensor(rows: shape.rows, columns: shape.columns, values: values, scales: scales))
            default:
                try stored.check(type: .f32, shape: shape.dimensions)
                let weights = try Tensor(shape)
                stored.copy(into: weights.mutableSpan)
                try requireFinite(weights.span, name)
                self = .f32(weights)
            }
        } else if shape.rank == 2, let compressed = try tensor(prefix + ".compressed") {
            self = .bitmask(try Self.bitmask(name, shape: shape, compressed, from: tensor))
        } else {
            throw WeightFormatError(tensor: name, reason: "missing; expected shape \(shape)")
        }
    }

    private static func scales(
        _ name: String, rows: Int, from tensor: (String) throws -> StoredTensor?
    ) throws -> Memory<Float> {
        let stored = try require(name + "_scale", from: tensor)
        try stored.check(type: .f32, shape: [rows, 1])
        let scales = try Memory<Float>(count: rows)
        stored.copy(into: scales.mutableSpan)
        try requireFinite(scales.span, name + "_scale")
        return scales
    }

    private static func bitmask(
        _ name: String, shape: Shape, _ compressed: StoredTensor, from tensor: (String) throws -> StoredTensor?
    ) throws -> BitmaskTensor {
        let (rows, columns, stride) = (shape.rows, shape.columns, (shape.columns + 7) / 8)
        let prefix = prefix(of: name)
        let extents = try require(prefix + ".shape", from: tensor)
        try extents.check(type: .s64, shape: [2])
        let found = extents.bytes.withUnsafeBytes { bytes in
            [bytes.loadUnaligned(as: Int64.self), bytes.loadUnaligned(fromByteOffset: 8, as: Int64.self)]
        }
        guard found == [Int64(rows), Int64(columns)] else {
            throw WeightFormatError(tensor: extents.name, reason: "expected \(shape), found \(found)")
        }
        let mask = try require(prefix + ".bitmask", from: tensor)
        try mask.check(type: .u8, shape: [rows, stride])
        let offsets = try require(prefix + ".row_offsets", from: tensor)
        try offsets.check(type: .s64, shape: [rows])

        let bitmask = try Memory<UInt8>(count: max(1, rows * stride))
        let rowOffsets = try Memory<Int64>(count: max(1, rows))
        if !mask.bytes.isEmpty { mask.copy(into: bitmask.mutableSpan) }
        if !offsets.bytes.isEmpty { offsets.copy(into: rowOffsets.mutableSpan) }
        let count = try checkedCount(
            bitmask.span, rowOffsets.span, rows: rows, columns: columns, maskName: mask.name,
            offsetsName: offsets.name)
        let pattern = BitmaskTensor.Pattern(
            rows: rows, columns: columns, bitmask: bitmask, rowOffsets: rowOffsets, nonzeroCount: count)

        if compressed.type == .s8 {
            try compressed.check(type: .s8, shape: [count])
            let kept = try Memory<Int8>(count: max(1, count))
            if count > 0 { compressed.copy(into: kept.mutableSpan) }
            return BitmaskTensor(pattern, .int8(kept, scales: try scales(name, rows: rows, from: tensor)))
        }
        try compressed.check(type: .f32, shape: [count])
        let kept = try Memory<Float>(count: max(1, count))
        if count > 0 { compressed.copy(into: kept.mutableSpan) }
        try requireFinite(kept.span, compressed.name)
        return BitmaskTensor(pattern, .f32(kept))
    }

    /// Counts the bits, and checks that every row starts where the rows before it end and that spare bits are zero.
    private static func checkedCount(
        _ bitmask: Span<UInt8>, _ rowOffsets: Span<Int64>, rows: Int, columns: Int, maskName: String,
        offsetsName: String
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

    private static func require(
        _ name: String, from tensor: (String) throws -> StoredTensor?
    ) throws -> StoredTensor {
        guard let stored = try tensor(name) else { throw WeightFormatError(tensor: name, reason: "missing") }
        return stored
    }
}

private func requireFinite(_ elements: Span<Float>, _ name: String) throws(WeightFormatError) {
    for i in 0..<elements.count where !elements[i].isFinite {
        throw WeightFormatError(tensor: name, reason: "element \(i) is \(elements[i]), not a finite number")
    }
}
