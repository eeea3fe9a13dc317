import AlambicKernels

// The forms as named tensors, in compressed-tensors' layouts. For a weight named `x.weight` of [N, K]:
//   f32, bf16, f16  x.weight F32, BF16 or F16 [N, K]
//   int8            x.weight I8 [N, K], x.weight_scale F32 [N, 1]                        (format int-quantized)
//   int4            x.weight_packed I32 [N, K / 8], x.weight_scale F16 [N, K / group], x.weight_shape I64 [2]
//                                                                                        (format pack-quantized)
//   bitmask         x.compressed F32, BF16 or F16 [nonzeros], x.bitmask U8 [N, (K + 7) / 8], x.row_offsets I64 [N],
//                   x.shape I64 [2]                                                      (format sparse-bitmask)
//   bitmask int8    the same with x.compressed I8, and x.weight_scale F32 [N, 1]
//   bitmask int4    the same with x.compressed U8 [(nonzeros + 1) / 2], two in a byte, the first in the low half, an
//                   odd one out beside an 8; and x.weight_scale F16 [N, K / group]; compressed-tensors has no such form
// A word of x.weight_packed holds eight columns, the first in its lowest four bits, each -8...7 with 8 added: in
// little-endian memory these are the bytes of a `GroupedTensor`.
extension PackedWeight {
    /// The tensors that hold this weight in a file.
    ///
    /// - Parameter name: the parameter's path, such as `h.0.mlp.c_fc.weight`.
    public func stored(as name: String) -> [StoredTensor] {
        switch self {
        case .f32(let tensor): return [Self.stored(name, .f32, tensor)]
        case .bf16(let tensor): return [Self.stored(name, .bf16, tensor)]
        case .f16(let tensor): return [Self.stored(name, .f16, tensor)]
        case .int8(let quantized):
            return [
                StoredTensor(
                    name: name, type: .s8, shape: [quantized.rows, quantized.columns],
                    copying: quantized.values.span),
                Self.rowScales(name, quantized.scales),
            ]
        case .int4(let grouped):
            return [
                StoredTensor(
                    name: name + "_packed", type: .s32, shape: [grouped.rows, grouped.columns / 8],
                    copying: grouped.nibbles.span),
                Self.groupScales(name, grouped.scales, rows: grouped.rows),
                Self.extents(name + "_shape", grouped.rows, grouped.columns),
            ]
        case .bitmask(let sparse): return Self.stored(name, sparse)
        }
    }

    private static func stored<Element>(_ name: String, _ type: DType, _ tensor: DenseTensor<Element>) -> StoredTensor {
        StoredTensor(name: name, type: type, shape: tensor.shape.dimensions, copying: tensor.span)
    }

    private static func stored(_ name: String, _ sparse: BitmaskTensor) -> [StoredTensor] {
        let (prefix, stride, count) = (prefix(of: name), (sparse.columns + 7) / 8, sparse.nonzeroCount)
        var tensors = [
            StoredTensor(
                name: prefix + ".bitmask", type: .u8, shape: [sparse.rows, stride],
                copying: sparse.bitmask.span(0..<sparse.rows * stride)),
            StoredTensor(
                name: prefix + ".row_offsets", type: .s64, shape: [sparse.rows],
                copying: sparse.rowOffsets.span(0..<sparse.rows)),
            extents(prefix + ".shape", sparse.rows, sparse.columns),
        ]
        func append<Element: BitwiseCopyable>(_ type: DType, _ count: Int, _ kept: Memory<Element>) {
            tensors.append(
                StoredTensor(name: prefix + ".compressed", type: type, shape: [count], copying: kept.span(0..<count)))
        }
        switch sparse.values {
        case .f32(let kept): append(.f32, count, kept)
        case .bf16(let kept): append(.bf16, count, kept)
        case .f16(let kept): append(.f16, count, kept)
        case .int8(let kept, let scales):
            append(.s8, count, kept)
            tensors.append(rowScales(name, scales))
        case .int4(let kept, let scales, _):
            append(.u8, (count + 1) / 2, kept)
            tensors.append(groupScales(name, scales, rows: sparse.rows))
        }
        return tensors
    }

    private static func rowScales(_ name: String, _ scales: Memory<Float>) -> StoredTensor {
        StoredTensor(name: name + "_scale", type: .f32, shape: [scales.count, 1], copying: scales.span)
    }

    private static func groupScales(_ name: String, _ scales: Memory<UInt16>, rows: Int) -> StoredTensor {
        StoredTensor(name: name + "_scale", type: .f16, shape: [rows, scales.count / rows], copying: scales.span)
    }

    private static func extents(_ name: String, _ rows: Int, _ columns: Int) -> StoredTensor {
        StoredTensor(name: name, type: .s64, shape: [2], copying: [Int64(rows), Int64(columns)].span)
    }

    /// `x` of `x.weight`: what the names of sparse tensors start with.
    static func prefix(of name: String) -> String {
        name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
    }

    /// Every name that some form of the weight `name` uses in a file.
    public static func names(of name: String) -> [String] {
        let prefix = prefix(of: name)
        return ["", "_scale", "_packed", "_shape"].map { name + $0 }
            + ["compressed", "bitmask", "row_offsets", "shape"].map { "\(prefix).\($0)" }
    }
}
