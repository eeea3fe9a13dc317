import AlambicKernels

/// The element types that activations have: operations are written once, over either. Here is what differs.
protocol Activation: FloatElement, Sendable {
    /// The matrix product of two such operands.
    static var product: Product { get }
    /// A tensor with arbitrary contents.
    static func tensor(_ shape: Shape, in arena: ActivationArena) throws(KernelError) -> DenseTensor<Self>
    /// Wraps a tensor.
    static func elements(_ tensor: DenseTensor<Self>) -> Variable.Elements
    /// Unwraps one; nil when it is of the other type.
    static func tensor(_ elements: Variable.Elements) -> DenseTensor<Self>?

    /// a + b.
    static func add(
        _ a: DenseTensor<Self>, _ b: DenseTensor<Self>, into sum: DenseTensor<Self>, on tape: Tape
    ) throws(KernelError)
    /// The gradient of a residual branch's end, from that of the sum (and its rounded copy, if there is one).
    static func branchGradient(
        _ gradient: Tensor, rounded: HalfTensor?, dropout: DropoutMask?, on tape: Tape
    ) throws(KernelError) -> DenseTensor<Self>
}

/// Which elements a dropout leaves.
struct DropoutMask {
    let rate: Float
    let seed: UInt64
    let stream: UInt64
}
