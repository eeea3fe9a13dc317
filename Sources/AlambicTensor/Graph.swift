import AlambicKernels

/// The operations that a model's forward pass is written in, once: training runs it on a `Tape`, which can go
/// backward, inference on an `Inference`, which holds packed weights and no gradients.
///
/// Values have shapes [batch, length, width].
public protocol Graph: AnyObject {
    /// What flows through the graph.
    associatedtype Value

    /// Where the kernels run.
    var context: Context { get }

    /// y[b, t, :] = table[ids[b, t], :] + positions[offset + t, :], where offset counts the tokens already cached.
    /// Token numbers must lie within the table and positions within theirs.
    func embedding(_ tokens: Tokens, table: ParameterID, positions: ParameterID) throws(KernelError) -> Value
    /// y = x Wᵀ + b over the innermost dimension; W is [outputs, inputs].
    func linear(_ x: Value, weight: ParameterID, bias: ParameterID?) throws(KernelError) -> Value
    /// gelu(x Wᵀ + b), which some graphs compute in one pass.
    func linearGELU(_ x: Value, weight: ParameterID, bias: ParameterID?) throws(KernelError) -> Value
    /// residual + dropout(x Wᵀ + b): the end of a residual branch, which some graphs compute in one pass.
    func linear(
        _ x: Value, weight: ParameterID, bias: ParameterID?, dropout rate: Float, addedTo residual: Value
    ) throws(KernelError) -> Value
    /// A block of a model: a function of a value (and of weights), of which a graph may keep the argument alone and
    /// compute the rest again when it is needed.
    func block(
        _ x: Value, _ body: @escaping (Value, Self) throws(KernelError) -> Value
    ) throws(KernelError) -> Value
    /// y = gain * (x - mean) / sqrt(variance + epsilon) + bias over the innermost dimension (Ba et al., 2016).
    func layerNorm(_ x: Value, gain: ParameterID, bias: ParameterID, epsilon: Float) throws(KernelError) -> Value
    /// The Gaussian error linear unit in GPT-2's tanh form (Hendrycks and Gimpel, 2016, section 2).
    func gelu(_ x: Value) throws(KernelError) -> Value
    /// a + b, of equal shapes.
    func add(_ a: Value, _ b: Value) throws(KernelError) -> Value
    /// Zeroes elements with probability `rate` and scales the others (Srivastava et al., 2014) while training;
    /// the identity otherwise.
    func dropout(_ x: Value, rate: Float) throws(KernelError) -> Value
    /// Zeroes the whole of a sample, the outermost dimension, with probability `rate` and scales the others (stochastic depth, Huang
    /// et al., 2016) while training; the identity otherwise.
    func stochasticDepth(_ x: Value, rate: Float) throws(KernelError) -> Value
    /// Multi-head attention over the positions up to one's own (Vaswani et al., 2017, section 3.2).
    /// qkv is [batch, length, 3 width] (queries, keys, values; heads side by side in each), the result
    /// [batch, length, width]; `layer` tells whose cache it is.
    func causalAttention(_ qkv: Value, heads: Int, layer: Int) throws(KernelError) -> Value
}

extension Graph {
    /// By the operations that it is made of.
    public func linearGELU(_ x: Value, weight: ParameterID, bias: ParameterID?) throws(KernelError) -> Value {
        try gelu(try linear(x, weight: weight, bias: bias))
    }

    /// By the operations that it is made of.
    public func linear(
        _ x: Value, weight: ParameterID, bias: ParameterID?, dropout rate: Float, addedTo residual: Value
    ) throws(KernelError) -> Value {
        try add(residual, try dropout(try linear(x, weight: weight, bias: bias), rate: rate))
    }

    /// Computes the block and keeps what the graph keeps.
    public func block(
        _ x: Value, _ body: @escaping (Value, Self) throws(KernelError) -> Value
    ) throws(KernelError) -> Value {
        try body(x, self)
    }
}
