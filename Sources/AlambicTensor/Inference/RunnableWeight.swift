import AlambicKernels

/// A weight made ready to run on one context: vectors and tables dense, matrices packed for the kernels.
/// Sparse weights are expanded; 16-bit floats and integers stay what they are.
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
    ///   - form: what it is packed in for products. It changes no bit of the results.
    public init(
        _ weight: PackedWeight, gathers: Bool, multiplies: Bool, form: PackedMatrix.Form = .dense, on context: Context
    ) throws(KernelError) {
        shape = weight.shape
        dense = gathers ? try weight.dense() : nil
        matrix = multiplies ? try weight.packed(as: form, on: context) : nil
    }
}

extension PackedWeight {
    /// The weight of a linear layer, packed for the product that its type runs in.
    ///
    /// - Parameter form: how it lies in memory; 4-bit weights are always dense.
    func packed(as form: PackedMatrix.Form = .dense, on context: Context) throws(KernelError) -> PackedMatrix {
        switch self {
        case .f32(let tensor):
            try PackedMatrix(.f32, tensor.span, N: tensor.rows, K: tensor.columns, form: form, on: context)
        case .bf16(let halves): try halves.packed(.bf16, form, on: context)
        case .f16(let halves): try halves.packed(.f16, form, on: context)
        case .int8(let quantized):
            try PackedMatrix(
                .s8, quantized.values.span, N: quantized.rows, K: quantized.columns, scales: quantized.scales.span,
                form: form, on: context)
        case .int4(let grouped):
            try PackedMatrix(
                grouped.group == 32 ? .s8s4g32 : .s8s4g128, nibbles: grouped.nibbles.span, scales: grouped.scales.span,
                N: grouped.rows, K: grouped.columns, on: context)
        case .bitmask(let sparse): try sparse.expanded().packed(as: form, on: context)
        }
    }
}

extension HalfTensor {
    fileprivate func packed(
        _ product: Product, _ form: PackedMatrix.Form, on context: Context
    ) throws(KernelError) -> PackedMatrix {
        try PackedMatrix(product, span, N: rows, K: columns, form: form, on: context)
    }
}
