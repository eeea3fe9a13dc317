import AlambicKernels
import AlambicModels
import AlambicTensor

/// A forward pass that tells what the linear layers of a model are given. It goes through the model block after block, so
/// that what was noted of one block can be used and forgotten before the next.
final class ObservingPass: Graph {
    /// What flows through the pass.
    typealias Value = Tensor

    /// Takes notice of inputs [rows, inputs] of a weight.
    typealias See = (ParameterID, Tensor) throws(KernelError) -> Void
    /// What flows through a pass besides the inputs of weights.
    enum Flow {
        /// The residual stream, as the norms are given it.
        case residual
        /// Queries, keys and values of a layer, side by side in a row.
        case attention(layer: Int)
    }
    /// Takes notice of it.
    typealias Watch = (Flow, Tensor) throws(KernelError) -> Void
    /// Called after each block, and after the head with nil; false stops the pass.
    typealias AfterBlock = (_ block: Int?) throws(KernelError) -> Bool

    let context: Context
    /// Whether the pass was asked to stop.
    private(set) var isStopped = false
    private let model: Model
    private let inference: Inference
    private let see: See
    private let watch: Watch?
    private let afterBlock: AfterBlock
    private var blocks = 0

    /// Rows of activations that go through a block at a time.
    private static let chunk = 4096

    init(
        _ model: Model, on context: Context, watch: Watch? = nil, see: @escaping See, afterBlock: @escaping AfterBlock
    ) throws(KernelError) {
        (self.model, self.context, self.see, self.afterBlock) = (model, context, see, afterBlock)
        self.watch = watch
        inference = try model.makeInference(on: context)
    }

    /// Reads all sequences. Throws, with `isStopped`, when it was asked to stop.
    func run(_ tokens: Tokens) throws(KernelError) {
        let hidden = try model.architecture.hidden(tokens, on: self)
        try see(model.architecture.head, hidden.reshaped([hidden.rows, hidden.columns]))
        _ = try afterBlock(nil)
    }

    func block(
        _ x: Tensor, _ body: @escaping (Tensor, ObservingPass) throws(KernelError) -> Tensor
    ) throws(KernelError) -> Tensor {
        let (length, width) = (x.shape[1], x.shape[2])
        let step = max(1, Self.chunk / length)
        let result = try Tensor(x.shape)
        for start in stride(from: 0, to: x.shape[0], by: step) {
            let count = min(step, x.shape[0] - start)
            let rows = start * length..<(start + count) * length
            let y = try body(x.rows(rows).reshaped([count, length, width]), self)
            result.rows(rows).copy(from: y.reshaped([rows.count, width]))
        }
        blocks += 1
        guard try afterBlock(blocks) else {
            isStopped = true
            throw KernelError(.badArgument, "the observing pass was asked to stop")
        }
        return result
    }

    func linear(_ x: Tensor, weight: ParameterID, bias: ParameterID?) throws(KernelError) -> Tensor {
        try see(weight, x.reshaped([x.rows, x.columns]))
        return try inference.linear(x, weight: weight, bias: bias)
    }

    func embedding(_ tokens: Tokens, table: ParameterID, positions: ParameterID) throws(KernelError) -> Tensor {
        try inference.embedding(tokens, table: table, positions: positions)
    }

    func layerNorm(_ x: Tensor, gain: ParameterID, bias: ParameterID, epsilon: Float) throws(KernelError) -> Tensor {
        try watch?(.residual, x)
        return try inference.layerNorm(x, gain: gain, bias: bias, epsilon: epsilon)
    }

    func gelu(_ x: Tensor) throws(KernelError) -> Tensor { try inference.gelu(x) }

    func add(_ a: Tensor, _ b: Tensor) throws(KernelError) -> Tensor { try inference.add(a, b) }

    func dropout(_ x: Tensor, rate: Float) throws(KernelError) -> Tensor { x }

    func stochasticDepth(_ x: Tensor, rate: Float) throws(KernelError) -> Tensor { x }

    func causalAttention(_ qkv: Tensor, heads: Int, layer: Int) throws(KernelError) -> Tensor {
        try watch?(.attention(layer: layer), qkv)
        return try inference.causalAttention(qkv, heads: heads, layer: layer)
    }
}
