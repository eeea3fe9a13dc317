import AlambicKernels

/// A weight made ready to run on one context: vectors and tables dense, matrices packed for the kernels.
/// Sparse weights are expanded; 16-bit floats and integers stay what they are.
public struct RunnableWeight: Sendable {
    /// The extents; [outputs, inputs] for matrices.
    public let shape: Shape
    /// The floats, where something reads them one by one: gains, biases and tables.
    let dense: Tensor?
    /// The packed matrix, where products use it.
    let matrix: Matrix?

    enum Matrix: Sendable {
        case f32(PackedMatrix)
        case int8(PackedMatrix)
        /// The product rounds or quantizes the activations on the way.
        case converting(PackedMatrix)
    }

    /// Prepares a weight for its uses.
    ///
    /// - Parameters:
    ///   - gathers: whether rows or elements of it are read (embedding, bias, gain).
    ///   - multiplies: whether products use it as [outputs, inputs].
    public init(_ weight: PackedWeight, gathers: Bool, multiplies: Bool, on context: Context) throws(KernelError) {
        shape = weight.shape
        dense = gathers ? try weight.dense() : nil
        matrix = multiplies ? try Self.packed(weight, on: context) : nil
    }

    private static func packed(_ weight: PackedWeight, on context: Context) throws(KernelError) -> Matrix {
        switch weight {
        case .f32(let tensor): return try packed(tensor, on: context)
        case .int8(let quantized): return try packed(quantized, on: context)
        case .bf16(let halves): return try packed(halves, .bf16, on: context)
        case .f16(let halves): return try packed(halves, .f16, on: context)
        case .int4(let grouped): return try packed(grouped, on: context)
        case .bitmask(let sparse): return try packed(try sparse.expanded(), on: context)
        }
    }

    private static func packed(
        _ halves: HalfTensor, _ product: Product, on context: Context
    ) throws(KernelError) -> Matrix {
        .converting(try PackedMatrix(product, halves.span, N: halves.rows, K: halves.columns, on: context))
    }

    private static func packed(_ grouped: GroupedTensor, on context: Context) throws(KernelError) -> Matrix {
        .converting(
            try PackedMatrix(
                grouped.group == 32 ? .s8s4g32 : .s8s4g128, nibbles: grouped.nibbles.span, scales: grouped.scales.span,
                N: grouped.rows, K: grouped.columns, on: context))
    }

    private static func packed(_ tensor: Tensor, on context: Context) throws(KernelError) -> Matrix {
        .f32(
            try PackedMatrix(
                f32: tensor.span, N: tensor.rows, K: tensor.columns, orientation: .transposed, on: context))
    }

    private static func packed(_ quantized: QuantizedTensor, on context: Context) throws(KernelError) -> Matrix {
        .int8(
            try PackedMatrix(
                s8: quantized.values.span, N: quantized.rows, K: quantized.columns, scales: quantized.scales.span,
                on: context))
    }
}
