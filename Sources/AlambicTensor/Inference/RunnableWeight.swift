import AlambicKernels

/// A weight made ready to run on one context: vectors and tables dense, matrices packed for the kernels.
/// Sparse weights are expanded; int8 ones stay int8.
public struct RunnableWeight: Sendable {
    /// The extents; [outputs, inputs] for matrices.
    public let shape: Shape
    /// The floats, where something reads them one by one: gains, biases and tables.
    let dense: Tensor?
    /// The packed matrix, where products use it. What it is packed for decides what is multiplied: activations are f32,
    /// and converted on the way where the product takes others.
    let matrix: PackedMatrix?

    /// Bytes that a product with it reads; 0 where none does.
    public var productByteCount: Int { matrix?.bytes ?? 0 }

    /// Prepares a weight for its uses.
    ///
    /// - Parameters:
    ///   - gathers: whether rows or elements of it are read (embedding, bias, gain).
    ///   - multiplies: whether products use it as [outputs, inputs].
    public init(_ weight: PackedWeight, gathers: Bool, multiplies: Bool, on context: Context) throws(KernelError) {
        shape = weight.shape
        dense = gathers ? try weight.dense() : nil
        matrix = multiplies ? try weight.packed(on: context) : nil
    }
}

extension PackedWeight {
    /// The weight of a linear layer, packed for the product that its form runs in.
    fileprivate func packed(on context: Context) throws(KernelError) -> PackedMatrix {
        switch self {
        case .f32(let tensor): try tensor.packed(on: context)
        case .int8(let quantized): try quantized.packed(on: context)
        case .bitmask(let sparse):
            switch try sparse.expanded() {
            case .f32(let tensor): try tensor.packed(on: context)
            case .int8(let quantized): try quantized.packed(on: context)
            }
        }
    }
}

extension Tensor {
    fileprivate func packed(on context: Context) throws(KernelError) -> PackedMatrix {
        try PackedMatrix(.f32, span, N: rows, K: columns, on: context)
    }
}

extension QuantizedTensor {
    fileprivate func packed(on context: Context) throws(KernelError) -> PackedMatrix {
        try PackedMatrix(.s8, values.span, N: rows, K: columns, scales: scales.span, on: context)
    }
}
