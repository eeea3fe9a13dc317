import AlambicKernels

/// A weight in the form in which it is stored and deployed. Methods (pruning, quantization) make such weights; every
/// model loads, saves and runs all of them.
public enum PackedWeight: Sendable {
    /// Dense 32-bit floats, of any shape.
    case f32(Tensor)
    /// Dense bf16, of any shape.
    case bf16(HalfTensor)
    /// Dense f16, of any shape.
    case f16(HalfTensor)
    /// 8-bit integers with one scale for each row.
    case int8(QuantizedTensor)
    /// 4-bit integers with one scale for each group of 32 or 128.
    case int4(GroupedTensor)
    /// Only the nonzero elements, floats or integers. They run in the form that is measured to be faster (``FormPolicy``).
    case bitmask(BitmaskTensor)

    /// 16-bit floats of a format.
    public init(_ halves: HalfTensor, _ format: HalfFormat) {
        switch format {
        case .bf16: self = .bf16(halves)
        case .f16: self = .f16(halves)
        }
    }

    /// The extents; [outputs, inputs] for matrices.
    public var shape: Shape {
        switch self {
        case .f32(let tensor): tensor.shape
        case .bf16(let tensor), .f16(let tensor): tensor.shape
        case .int8(let quantized): [quantized.rows, quantized.columns]
        case .int4(let grouped): [grouped.rows, grouped.columns]
        case .bitmask(let sparse): [sparse.rows, sparse.columns]
        }
    }

    /// Number of elements, zeros included.
    public var count: Int { shape.count }

    /// Number of elements that are not zero.
    public var nonzeroCount: Int {
        switch self {
        case .f32(let tensor): countNonzero(tensor.span)
        case .bf16(let tensor), .f16(let tensor): tensor.elements.count { $0 & 0x7fff != 0 }
        case .int8(let quantized): countNonzero(quantized.values.span)
        case .int4(let grouped): countNonzero(grouped.nibbles.span)
        case .bitmask(let sparse): sparse.nonzeroCount
        }
    }

    /// How many bytes the form takes, in memory as in a file (names and headers not counted).
    public var byteCount: Int {
        switch self {
        case .f32(let tensor): return tensor.count * 4
        case .bf16(let tensor), .f16(let tensor): return tensor.count * 2
        case .int8(let quantized): return quantized.values.count + quantized.rows * 4
        case .int4(let grouped): return grouped.nibbles.count + grouped.scales.count * 2 + 16
        case .bitmask(let sparse):
            let pattern = sparse.rows * ((sparse.columns + 7) / 8) + sparse.rows * 8 + 16
            switch sparse.values {
            case .f32: return pattern + sparse.nonzeroCount * 4
            case .bf16, .f16: return pattern + sparse.nonzeroCount * 2
            case .int8: return pattern + sparse.nonzeroCount + sparse.rows * 4
            case .int4(_, let scales, _): return pattern + (sparse.nonzeroCount + 1) / 2 + scales.count * 2
            }
        }
    }

    /// What the form is called: `f32`, `bf16`, `f16`, `int8` or `int4`, or one of these after `bitmask-`.
    public var formName: String {
        switch self {
        case .f32: "f32"
        case .bf16: "bf16"
        case .f16: "f16"
        case .int8: "int8"
        case .int4: "int4"
        case .bitmask(let sparse): "bitmask-\(sparse.values.name)"
        }
    }

    /// The same weight stored sparse, with only its nonzero elements.
    public func sparse() throws(KernelError) -> PackedWeight {
        switch self {
        case .f32(let tensor): .bitmask(try BitmaskTensor(tensor))
        case .bf16(let tensor): .bitmask(try BitmaskTensor(tensor, .bf16))
        case .f16(let tensor): .bitmask(try BitmaskTensor(tensor, .f16))
        case .int8(let quantized): .bitmask(try BitmaskTensor(quantized))
        case .int4(let grouped): .bitmask(try BitmaskTensor(grouped))
        case .bitmask: self
        }
    }

    /// The weight as dense floats; shares memory where it already is that.
    public func dense() throws(KernelError) -> Tensor {
        switch self {
        case .f32(let tensor): return tensor
        case .bf16(let tensor): return try widened(tensor, .bf16)
        case .f16(let tensor): return try widened(tensor, .f16)
        case .int8(let quantized): return try quantized.dense()
        case .int4(let grouped): return try grouped.dense()
        case .bitmask(let sparse): return try sparse.expanded().dense()
        }
    }
}

private func widened(_ halves: HalfTensor, _ format: HalfFormat) throws(KernelError) -> Tensor {
    let result = try Tensor(halves.shape)
    try convert(halves.span, from: format, into: result.mutableSpan, on: .default)
    return result
}

private func countNonzero<Element: BitwiseCopyable & Numeric>(_ elements: Span<Element>) -> Int {
    var count = 0
    for i in 0..<elements.count where elements[i] != 0 { count += 1 }
    return count
}

/// Of 4-bit weights in pairs, which are 0 where the nibble is 8.
private func countNonzero(_ nibbles: Span<UInt8>) -> Int {
    var count = 0
    for i in 0..<nibbles.count { count += (nibbles[i] & 15 == 8 ? 0 : 1) + (nibbles[i] >> 4 == 8 ? 0 : 1) }
    return count
}
