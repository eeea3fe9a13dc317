import AlambicKernels

/// A weight made ready to run on one context: vectors and tables dense, matrices packed for the kernels.
/// Sparse weights are expanded, or stay sparse where that is asked for; int8 ones stay int8.
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
    }

    /// Prepares a weight for its uses.
    ///
    /// - Parameters:
    ///   - gathers: whether rows or elements of it are read (embedding, bias, gain).
    ///   - multiplies: whether products use it as [outputs, inputs].
    ///   - form: what it is packed in for products; see ``FormPolicy``. It changes no bit of the results.
    public init(
        _ weight: PackedWeight, gathers: Bool, multiplies: Bool, form: PackedMatrix.Form = .dense, on context: Context
    ) throws(KernelError) {
        shape = weight.shape
        dense = gathers ? try weight.dense() : nil
        matrix = multiplies ? try Self.packed(weight, form, on: context) : nil
    }

    private static func packed(
        _ weight: PackedWeight, _ form: PackedMatrix.Form, on context: Context
    ) throws(KernelError) -> Matrix {
        let matrix = try weight.packed(as: form, on: context)
        return matrix.product == .s8 ? .int8(matrix) : .f32(matrix)
    }
}
