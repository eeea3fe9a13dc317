import AlambicKernels

/// A weight in the form in which it is stored and deployed. Methods (pruning, quantization) make such weights; every
/// model loads, saves and runs all of them.
public enum PackedWeight: Sendable {
    /// Dense 32-bit floats, of any shape.
    case f32(Tensor)
    /// 8-bit integers with one scale for each row.
    case int8(QuantizedTensor)
    /// Only the nonzero elements, floats or integers. Stored sparse, run dense.
    case bitmask(BitmaskTensor)

    /// The extents; [outputs, inputs] for matrices.
    public var shape: Shape {
        switch self {
        case .f32(let tensor): tensor.shape
        case .int8(let quantized): [quantized.rows, quantized.columns]
        case .bitmask(let sparse): [sparse.rows, sparse.columns]
        }
    }

    /// Number of elements, zeros included.
    public var count: Int { shape.count }

    /// Number of elements that are not zero.
    public var nonzeroCount: Int {
        switch self {
        case .f32(let tensor): countNonzero(tensor.span)
        case .int8(let quantized): countNonzero(quantized.values.span)
        case .bitmask(let sparse): sparse.nonzeroCount
        }
    }

    /// How many bytes the form takes, in memory as in a file (names and headers not counted).
    public var byteCount: Int {
        switch self {
        case .f32(let tensor): return tensor.count * 4
        case .int8(let quantized): return quantized.values.count + quantized.rows * 4
        case .bitmask(let sparse):
            let pattern = sparse.rows * ((sparse.columns + 7) / 8) + sparse.rows * 8 + 16
            switch sparse.values {
            case .f32: return pattern + sparse.nonzeroCount * 4
            case .int8: return pattern + sparse.nonzeroCount + sparse.rows * 4
            }
        }
    }

    /// What the form is called: `f32`, `int8`, `bitmask-f32` or `bitmask-int8`.
    public var formName: String {
        switch self {
        case .f32: "f32"
        case .int8: "int8"
        case .bitmask(let sparse):
            switch sparse.values {
            case .f32: "bitmask-f32"
            case .int8: "bitmask-int8"
            }
        }
    }

    /// The weight as dense floats; shares memory where it already is that.
    public func dense() throws(KernelError) -> Tensor {
        switch self {
        case .f32(let tensor): return tensor
        case .int8(let quantized): return try quantized.dense()
        case .bitmask(let sparse):
            switch try sparse.expanded() {
            case .f32(let tensor): return tensor
            case .int8(let quantized): return try quantized.dense()
            }
        }
    }
}

private func countNonzero<Element: BitwiseCopyable & Numeric>(_ elements: Span<Element>) -> Int {
    var count = 0
    for i in 0..<elements.count where elements[i] != 0 { count += 1 }
    return count
}
