import AlambicKernels

/// The forward pass alone, on packed weights, with or without a cache of keys and values.
///
/// Without a cache whole batches go through at once (evaluation, teachers). With one, each call continues a single
/// sequence. Row for row both give the same bits, for any number of rows at a time and any number of threads.
/// An inference is used by one thread at a time; several may share weights.
public final class Inference: Graph {
    /// What flows through an inference. Values keep their elements for as long as somebody holds them.
    public typealias Value = Tensor

    /// The model's weights in walk order, made ready for `context`.
    public let weights: [RunnableWeight]
    /// Where the kernels run.
    public let context: Context
    /// What has been seen of the sequence, if this continues one.
    public let cache: KeyValueCache?

    /// Where the last pass found its tokens.
    private(set) var input: PassInput?
    /// Noted passes by their number of tokens.
    var passes: [Int: NotedPass] = [:]
    /// Called with a name before each operation.
    var observer: ((String) -> Void)?

    private let pool = MemoryPool<Float>()
    private let integers = MemoryPool<Int32>()
    private var pending = 0

    /// An inference over weights in walk order.
    public init(_ weights: [RunnableWeight], cache: KeyValueCache? = nil, on context: Context) {
        self.weights = weights
        self.context = context
        self.cache = cache
    }

    /// Starts a pass. A pass before it that was not committed is forgotten.
    public func embedding(
        _ tokens: Tokens, table: ParameterID, positions: ParameterID
    ) throws(KernelError) -> Tensor {
        let (tableValue, positionValue) = (dense(table), dense(positions))
        input = nil
        let ids = try integers.take(tokens.count)
        let input = PassInput(ids: ids, vocabulary: tableValue.rows, positions: positionValue.rows)
        // What is only noted finds its tokens and its place when it runs.
        let offset = context.isRecording ? 0 : cache?.count ?? 0
        precondition(
            cache == nil || tokens.batch == 1, "\(tokens.batch) sequences cannot continue one: \(offset) cached tokens")
        precondition(
            offset + tokens.length <= positionValue.rows,
            "\(tokens.length) tokens after \(offset) cached ones for \(positionValue.rows) positions")
        try input.place(tokens.ids)
        self.input = input
        pending = tokens.length
        observer?("embedding")
        let result = try pool.tensor([tokens.batch, tokens.length, tableValue.columns])
        if let position = cache?.position {
            try AlambicKernels.embedding(
                ids: ids.span, table: tableValue.span, positions: positionValue.span,
                after: position.span, columns: tableValue.columns, into: result.mutableSpan, on: context)
        } else {
            try AlambicKernels.embedding(
                ids: ids.span, table: tableValue.span, positions: positionValue.span, length: tokens.length,
                columns: tableValue.columns, into: result.mutableSpan, on: context)
        }
        return result
    }

    /// See ``Graph/linear(_:weight:bias:)``. The form of the weights decides what is multiplied: int8 and int4 ones meet
    /// activations that are quantized row by row on the way, 16-bit ones activations rounded to the same type.
    public func linear(_ x: Tensor, weight: ParameterID, bias: ParameterID?) throws(KernelError) -> Tensor {
        try linear(x, weight: weight, bias: bias, into: nil)
    }

    /// The same with the result in `target`, when it is given.
    public func linear(
        _ x: Tensor, weight: ParameterID, bias: ParameterID?, into target: Tensor?
    ) throws(KernelError) -> Tensor {
        let result = try self.result(of: x, weight, in: target)
        try multiply(x, weight, adding: bias, into: result, epilogue: Epilogue())
        return result
    }

    /// See ``Graph/linearGELU(_:weight:bias:)``.
    public func linearGELU(_ x: Tensor, weight: ParameterID, bias: ParameterID?) throws(KernelError) -> Tensor {
        let result = try self.result(of: x, weight)
        try multiply(x, weight, adding: bias, into: result, epilogue: Epilogue().function(.geluTanh))
        return result
    }

    /// See ``Graph/linear(_:weight:bias:dropout:addedTo:)``; nothing is dropped.
    public func linear(
        _ x: Tensor, weight: ParameterID, bias: ParameterID?, dropout rate: Float, addedTo residual: Tensor
    ) throws(KernelError) -> Tensor {
        let result = try self.result(of: x, weight)
        precondition(result.shape == residual.shape, "adding \(result.shape) to \(residual.shape)")
        try multiply(x, weight, adding: bias, into: result, epilogue: Epilogue().residual(residual.span))
        return result
    }

    private func result(
        of x: Tensor, _ weight: ParameterID, in target: Tensor? = nil
    ) throws(KernelError) -> Tensor {
        let shape = weights[weight.index].shape
        precondition(shape.rank == 2 && shape.columns == x.columns, "linear of \(x.shape) with weights \(shape)")
        let result = x.shape.replacingColumns(by: shape.rows)
        return if let target { target.reshaped(result) } else { try pool.tensor(result) }
    }

    /// y = epilogue(x Wᵀ + b).
    private func multiply(
        _ x: Tensor, _ weight: ParameterID, adding bias: ParameterID?, into y: Tensor, epilogue: consuming Epilogue
    ) throws(KernelError) {
        guard let bias else { return try multiply(x, weight, into: y, epilogue: epilogue) }
        let biases = dense(bias)
        try multiply(x, weight, into: y, epilogue: epilogue.bias(biases.span))
    }

    private func multiply(
        _ x: Tensor, _ weight: ParameterID, into y: Tensor, epilogue: borrowing Epilogue
    ) throws(KernelError) {
        guard let matrix = weights[weight.index].matrix else {
            preconditionFailure(
                "parameter \(weight) of shape \(weights[weight.index].shape) was not prepared for products")
        }
        observer?("linear \(matrix.N) x \(matrix.K)")
        try matmul(M: x.rows, x.span, matrix, into: y.mutableSpan, epilogue: epilogue, on: context)
    }

    /// See ``Graph/layerNorm(_:gain:bias:epsilon:)``.
    public func layerNorm(
        _ x: Tensor, gain: ParameterID, bias: ParameterID, epsilon: Float
    ) throws(KernelError) -> Tensor {
        let (gains, biases) = (dense(gain), dense(bias))
        precondition(
            gains.count == x.columns && biases.count == x.columns,
            "layer norm of \(x.shape) with gain \(gains.shape) and bias \(biases.shape)")
        observer?("layer norm")
        let result = try pool.tensor(x.shape)
        try AlambicKernels.layerNorm(
            x.span, gain: gains.span, bias: biases.span, epsilon: epsilon, rows: x.rows, columns: x.columns,
            into: result.mutableSpan, on: context)
        return result
    }

    /// See ``Graph/gelu(_:)``.
    public func gelu(_ x: Tensor) throws(KernelError) -> Tensor {
        observer?("gelu")
        let result = try pool.tensor(x.shape)
        try AlambicKernels.gelu(x.span, form: .tanh, into: result.mutableSpan, on: context)
        return result
    }

    /// See ``Graph/add(_:_:)``.
    public func add(_ a: Tensor, _ b: Tensor) throws(KernelError) -> Tensor {
        precondition(a.shape == b.shape, "adding \(a.shape) and \(b.shape)")
        observer?("add")
        let result = try pool.tensor(a.shape)
        try AlambicKernels.add(a.span, b.span, into: result.mutableSpan, on: context)
        return result
    }

    /// The identity.
    public func dropout(_ x: Tensor, rate: Float) throws(KernelError) -> Tensor { x }

    /// The identity.
    public func stochasticDepth(_ x: Tensor, rate: Float) throws(KernelError) -> Tensor { x }

    /// See ``Graph/causalAttention(_:heads:layer:)``. With a cache, all tokens in it come before those of `qkv`.
    public func causalAttention(_ qkv: Tensor, heads: Int, layer: Int) throws(KernelError) -> Tensor {
        let shape = qkv.shape
        precondition(
            shape.rank == 3 && shape[2].isMultiple(of: 3 * heads),
            "attention with \(heads) heads over \(shape), which should be [batch, length, 3 * width]")
        observer?("attention")
        let width = shape[2] / 3
        let result = try pool.tensor([shape[0], shape[1], width])
        guard let cache else {
            try AlambicKernels.causalAttention(
                qkv: qkv.span, batch: shape[0], length: shape[1], heads: heads, headWidth: width / heads,
                into: result.mutableSpan, on: context)
            return result
        }
        precondition(
            width == cache.widths[layer] && (context.isRecording || cache.count + shape[1] <= cache.capacity),
            "\(shape) into a cache of width \(cache.widths[layer]) with \(cache.count) of \(cache.capacity) tokens")
        let (position, keys, values) = (cache.position, cache.keys[layer], cache.values[layer])
        try cachedAttention(
            qkv: qkv.span, after: position.span, keys: keys.mutableSpan, values: values.mutableSpan,
            capacity: cache.capacity, queries: shape[1], heads: heads, headWidth: width / heads,
            into: result.mutableSpan, on: context)
        return result
    }

    /// Makes the tokens of the last pass part of the cached sequence.
    public func commit() {
        cache?.advance(by: pending)
        pending = 0
    }

    /// Logits of the given rows of `hidden`: [rows.count, vocabulary].
    ///
    /// - Parameter target: where to put them; memory of the inference's own by default.
    public func logits(
        _ hidden: Tensor, rows: Range<Int>, head: ParameterID, into target: Tensor? = nil
    ) throws(KernelError) -> Tensor {
        try linear(hidden.rows(rows), weight: head, bias: nil, into: target)
    }

    /// The cross-entropy in nats of each row's target (0 where that is negative), a chunk of rows at a time.
    public func losses(
        _ hidden: Tensor, head: ParameterID, targets: [Int32]
    ) throws(KernelError) -> [Float] {
        precondition(targets.count == hidden.rows, "\(targets.count) targets for hidden \(hidden.shape)")
        let vocabulary = weights[head.index].shape.rows
        let chunk = max(16, (1 << 20) / vocabulary)
        var losses: [Float] = []
        losses.reserveCapacity(targets.count)
        for start in stride(from: 0, to: targets.count, by: chunk) {
            let range = start..<min(start + chunk, targets.count)
            let logits = try logits(hidden, rows: range, head: head)
            let part = try pool.tensor([range.count])
            try crossEntropyLosses(
                logits.span, targets: targets.span.extracting(range), rows: range.count, vocabulary: vocabulary,
                into: part.mutableSpan, on: context)
            losses.append(contentsOf: part.elements)
        }
        return losses
    }

    private func dense(_ id: ParameterID) -> Tensor {
        guard let tensor = weights[id.index].dense else {
            preconditionFailure("parameter \(id) of shape \(weights[id.index].shape) was not prepared for gathering")
        }
        return tensor
    }
}
