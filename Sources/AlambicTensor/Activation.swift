import AlambicKernels

/// The element types that activations have, with the kernels that depend on them: operations are written once, and call
/// the kernels of their element type.
protocol Activation: MatrixElement, Sendable {
    /// The matrix product of two such operands.
    static var product: Product { get }
    /// A tensor with arbitrary contents.
    static func tensor(_ shape: Shape, in arena: ActivationArena) throws(KernelError) -> DenseTensor<Self>
    /// Wraps a tensor.
    static func elements(_ tensor: DenseTensor<Self>) -> Variable.Elements
    /// Unwraps one; nil when it is of the other type.
    static func tensor(_ elements: Variable.Elements) -> DenseTensor<Self>?

    /// The norm of f32 rows, with its statistics.
    static func layerNorm(
        _ inputs: LayerNormOperation.Inputs, weights tape: Tape, into y: DenseTensor<Self>, on context: Context
    ) throws(KernelError)
    /// dx = residual + the norm's gradient, in f32, and rounded to bf16 too where that is wanted.
    static func layerNormBackward(
        _ dy: DenseTensor<Self>, _ inputs: LayerNormOperation.Inputs, tape: Tape, residual: Tensor?, into dx: Tensor,
        rounded: HalfTensor?, store: Store
    ) throws(KernelError)
    /// gelu, tanh form.
    static func gelu(_ x: DenseTensor<Self>, into y: DenseTensor<Self>, on context: Context) throws(KernelError)
    /// dx = dy gelu'(x), tanh form.
    static func geluBackward(
        _ dy: DenseTensor<Self>, _ x: DenseTensor<Self>, into dx: DenseTensor<Self>, on context: Context
    ) throws(KernelError)
    /// What a mask leaves of x, scaled.
    static func dropout(
        _ x: DenseTensor<Self>, _ mask: DropoutMask, into y: DenseTensor<Self>, on context: Context
    ) throws(KernelError)
    /// a + b.
    static func add(
        _ a: DenseTensor<Self>, _ b: DenseTensor<Self>, into sum: DenseTensor<Self>, on tape: Tape
    ) throws(KernelError)
    /// y[j] (+)= sum over i of x[i, j].
    static func columnSum(
        _ x: DenseTensor<Self>, into y: Tensor, store: Store, on context: Context
    ) throws(KernelError)
    /// The gradient of a residual branch's end, from that of the sum (and its rounded copy, if there is one).
    static func branchGradient(
        _ gradient: Tensor, rounded: HalfTensor?, dropout: DropoutMask?, on tape: Tape
    ) throws(KernelError) -> DenseTensor<Self>
    /// Self-attention of whole sequences.
    static func causalAttention(
        _ qkv: DenseTensor<Self>, heads: Int, into output: DenseTensor<Self>, logSumExp: Tensor, on context: Context
    ) throws(KernelError)
    /// Its gradient.
    static func causalAttentionBackward(
        _ gradient: DenseTensor<Self>, qkv: DenseTensor<Self>, output: DenseTensor<Self>, logSumExp: Tensor, heads: Int,
        into target: DenseTensor<Self>, on context: Context
    ) throws(KernelError)
    /// Losses of the rows; logits become their gradient.
    static func crossEntropy(
        _ logits: DenseTensor<Self>, targets: Span<Int32>, gradientScale: Float, losses: Tensor, on context: Context
    ) throws(KernelError)
}

/// Which elements a dropout leaves.
struct DropoutMask {
    let rate: Float
    let seed: UInt64
    let stream: UInt64
}
