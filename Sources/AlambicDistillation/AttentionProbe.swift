import AlambicKernels
import AlambicTensor

/// A graph that passes everything on to another and remembers the queries, keys and values of one layer.
///
/// The block of that layer is not computed again in the backward pass, whatever the graph does with others: a gradient that
/// joins in the middle of a block has to find it on the tape. Architectures have one block for each layer.
final class AttentionProbe<Base: Graph>: Graph {
    typealias Value = Base.Value

    private let base: Base
    private let layer: Int
    private var blocks = 0
    /// Queries, keys and values of the layer, [batch, length, 3 width], once it has been passed.
    private(set) var qkv: Value?

    init(_ base: Base, layer: Int) { (self.base, self.layer) = (base, layer) }

    var context: Context { base.context }

    func embedding(_ tokens: Tokens, table: ParameterID, positions: ParameterID) throws(KernelError) -> Value {
        try base.embedding(tokens, table: table, positions: positions)
    }

    func linear(_ x: Value, weight: ParameterID, bias: ParameterID?) throws(KernelError) -> Value {
        try base.linear(x, weight: weight, bias: bias)
    }

    func linearGELU(_ x: Value, weight: ParameterID, bias: ParameterID?) throws(KernelError) -> Value {
        try base.linearGELU(x, weight: weight, bias: bias)
    }

    func linear(
        _ x: Value, weight: ParameterID, bias: ParameterID?, dropout rate: Float, addedTo residual: Value
    ) throws(KernelError) -> Value {
        try base.linear(x, weight: weight, bias: bias, dropout: rate, addedTo: residual)
    }

    func block(
        _ x: Value, _ body: @escaping (Value, AttentionProbe) throws(KernelError) -> Value
    ) throws(KernelError) -> Value {
        defer { blocks += 1 }
        if blocks == layer { return try body(x, self) }
        return try base.block(x) { x, _ throws(KernelError) in try body(x, self) }
    }

    func layerNorm(_ x: Value, gain: ParameterID, bias: ParameterID, epsilon: Float) throws(KernelError) -> Value {
        try base.layerNorm(x, gain: gain, bias: bias, epsilon: epsilon)
    }

    func gelu(_ x: Value) throws(KernelError) -> Value { try base.gelu(x) }

    func add(_ a: Value, _ b: Value) throws(KernelError) -> Value { try base.add(a, b) }

    func dropout(_ x: Value, rate: Float) throws(KernelError) -> Value { try base.dropout(x, rate: rate) }

    func stochasticDepth(_ x: Value, rate: Float) throws(KernelError) -> Value {
        try base.stochasticDepth(x, rate: rate)
    }

    func causalAttention(_ qkv: Value, heads: Int, layer: Int) throws(KernelError) -> Value {
        if layer == self.layer { self.qkv = qkv }
        return try base.causalAttention(qkv, heads: heads, layer: layer)
    }
}
