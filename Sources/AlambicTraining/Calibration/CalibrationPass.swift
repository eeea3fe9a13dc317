import AlambicKernels
import AlambicModels
import AlambicTensor

/// A forward pass that quantizes or prunes a model on its way. The whole text goes through block after block: first a block
/// sees it with the weights that it has, and the inputs of its linear layers are noted; then these get their new weights, and
/// the block's output is computed again, with them, for the blocks behind it.
public final class CalibrationPass: Graph {
    /// What flows through the pass.
    public typealias Value = Tensor

    /// The new form of a weight, given what its layer was given.
    public typealias Replace = (PackedWeight, Hessian) throws(KernelError) -> PackedWeight

    /// Where the kernels run.
    public let context: Context
    /// All weights in walk order, those of blocks that are behind us in their new form.
    public private(set) var weights: [PackedWeight]
    private let model: Model
    private let verb: String
    private let newForm: Replace
    private let afterBlock: () -> Bool
    private var inference: Inference
    /// Parameters that wait for their new form.
    private var waiting: Set<Int>
    /// What the layers of the block at hand have seen; nil outside of blocks and once it has its new weights.
    private var seen: [Int: Hessian]?
    private var isInBlock = false

    /// Rows of activations that go through a block at a time.
    private static let chunk = 4096

    /// A pass over a model's weights.
    ///
    /// - Parameters:
    ///   - chosen: indices of the parameters that get a new form.
    ///   - verb: what is done to a weight, for messages.
    ///   - replace: makes the new form of a weight.
    ///   - afterBlock: called after each block; false stops the pass.
    public init(
        _ model: Model, chosen: [Int], on context: Context, verb: String = "quantize", replace: @escaping Replace,
        afterBlock: @escaping () -> Bool
    ) throws(KernelError) {
        (self.model, self.context, self.verb, newForm, self.afterBlock) = (model, context, verb, replace, afterBlock)
        weights = model.weights
        waiting = Set(chosen)
        inference = try model.makeInference(on: context)
    }

    /// Gives all chosen weights their new form. Throws an error that ``KernelError/isStop`` when it was asked to stop.
    public func run(_ tokens: Tokens) throws(KernelError) {
        let hidden = try model.architecture.hidden(tokens, on: self)
        let head = model.architecture.head.index
        if waiting.contains(head) { try replace(head, try hessian(of: hidden)) }
        guard let left = waiting.min() else { return }
        throw KernelError(
            .badArgument, "'\(model.architecture.parameters[left].path)' takes no part in a product: leave it out")
    }

    /// One block: noted, replaced, and computed with its new weights.
    public func block(
        _ x: Tensor, _ body: @escaping (Tensor, CalibrationPass) throws(KernelError) -> Tensor
    ) throws(KernelError) -> Tensor {
        isInBlock = true
        defer { isInBlock = false }
        let (length, width) = (x.shape[1], x.shape[2])
        let step = max(1, Self.chunk / length)
        func sequences(_ start: Int) -> (rows: Range<Int>, part: Tensor) {
            let count = min(step, x.shape[0] - start)
            let rows = start * length..<(start + count) * length
            return (rows, x.rows(rows).reshaped([count, length, width]))
        }
        if !waiting.isEmpty {
            seen = [:]
            for start in stride(from: 0, to: x.shape[0], by: step) { _ = try body(sequences(start).part, self) }
            let all = seen ?? [:]
            seen = nil
            for index in all.keys.sorted() { if let hessian = all[index] { try replace(index, hessian) } }
        }
        let result = try Tensor(x.shape)
        for start in stride(from: 0, to: x.shape[0], by: step) {
            let (rows, part) = sequences(start)
            let y = try body(part, self)
            result.rows(rows).copy(from: y.reshaped([rows.count, width]))
        }
        guard afterBlock() else { throw .stop }
        return result
    }

    /// Notes what the layer is given, and multiplies with the weights that it has by now.
    public func linear(_ x: Tensor, weight: ParameterID, bias: ParameterID?) throws(KernelError) -> Tensor {
        if waiting.contains(weight.index) {
            if isInBlock {
                let known = seen?[weight.index]
                let hessian = if let known { known } else { try Hessian(inputs: x.columns) }
                try hessian.add(x, on: context)
                seen?[weight.index] = hessian
            } else {
                // Outside of blocks the whole text comes at once.
                try replace(weight.index, try hessian(of: x))
            }
        }
        return try inference.linear(x, weight: weight, bias: bias)
    }

    private func hessian(of x: Tensor) throws(KernelError) -> Hessian {
        let hessian = try Hessian(inputs: x.columns)
        try hessian.add(x, on: context)
        return hessian
    }

    /// Gives a parameter its new form.
    private func replace(_ index: Int, _ hessian: Hessian) throws(KernelError) {
        do {
            weights[index] = try newForm(weights[index], hessian)
        } catch {
            throw KernelError(error.code, "cannot \(verb) '\(model.architecture.parameters[index].path)': \(error)")
        }
        waiting.remove(index)
        var runnable = inference.weights
        runnable[index] = try RunnableWeight(weights[index], gathers: false, multiplies: true, on: context)
        inference = Inference(runnable, on: context)
    }

    /// As in inference.
    public func embedding(_ tokens: Tokens, table: ParameterID, positions: ParameterID) throws(KernelError) -> Tensor {
        try inference.embedding(tokens, table: table, positions: positions)
    }

    /// As in inference.
    public func layerNorm(_ x: Tensor, gain: ParameterID, bias: ParameterID, epsilon: Float) throws(KernelError)
        -> Tensor
    {
        try inference.layerNorm(x, gain: gain, bias: bias, epsilon: epsilon)
    }

    /// As in inference.
    public func gelu(_ x: Tensor) throws(KernelError) -> Tensor { try inference.gelu(x) }

    /// As in inference.
    public func add(_ a: Tensor, _ b: Tensor) throws(KernelError) -> Tensor { try inference.add(a, b) }

    /// The identity.
    public func dropout(_ x: Tensor, rate: Float) throws(KernelError) -> Tensor { x }

    /// The identity.
    public func stochasticDepth(_ x: Tensor, rate: Float) throws(KernelError) -> Tensor { x }

    /// As in inference.
    public func causalAttention(_ qkv: Tensor, heads: Int, layer: Int) throws(KernelError) -> Tensor {
        try inference.causalAttention(qkv, heads: heads, layer: layer)
    }
}

extension KernelError {
    /// Thrown through the graph when the pass is asked to stop.
    fileprivate static var stop: KernelError { KernelError(.badArgument, "the calibration pass was asked to stop") }
    /// Whether it is that.
    public var isStop: Bool { self == .stop }
}
