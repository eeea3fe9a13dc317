import AlambicKernels

/// A weight made ready to run on one context: vectors and tables dense, matrices packed for the kernels.
/// Sparse weights are expanded, or stay sparse where that is asked for; 16-bit floats and integers stay what they are.
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
    ///   - form: what it is packed in for products; see ``FormPolicy``. It changes no bit of the results.
    public init(
        _ weight: PackedWeight, gathers: Bool, multiplies: Bool, form: PackedMatrix.Form = .dense, on context: Context
    ) throws(KernelError) {
        shape = weight.shape
        dense = gathers ? try weight.dense() : nil
        matrix = multiplies ? try weight.packed(as: form, on: context) : nil
    }
}
