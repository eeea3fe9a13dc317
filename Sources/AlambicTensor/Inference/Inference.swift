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

    private let pool = MemoryPool<Float>()
    private let integers = MemoryPool<Int8>()
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
        let offset = cache?.count ?? 0
        precondition(
            offset + tokens.length <= positionValue.rows && (cache == nil || tokens.batch == 1),
            "\(tokens.batch) x \(tokens.length) tokens after \(offset) cached ones for \(positionValue.rows) positions")
        pending = tokens.length
        let result = try pool.tensor([tokens.batch, tokens.length, tableValue.columns])
        try AlambicKernels.embedding(
            ids: tokens.ids.span, table: tableValue.span, positions: positionValue.span, length: tokens.length,
            positionOffset: offset, columns: tableValue.columns, into: result.mutableSpan, on: context)
        return result
    }

    /// See ``Graph/linear(_:weight:bias:)``. Int8 and int4 weights run in integer kernels, on activations
    /// quantized row by row; 16-bit ones on activations rounded to the same type.
    public func linear(_ x: Tensor, weight: ParameterID, bias: ParameterID?) throws(KernelError) -> Tensor {
        try linear(x, weight: weight, bias: bias, into: nil)
    }

    /// The same with the result in `target`, when it is given.
    public func linear(
        _ x: Tensor, weight: ParameterID, bias: ParameterID?, into target: Tensor?
    ) throws(KernelError) -> Tensor {
        let runnable = weights[weight.index]
        precondition(
            runnable.shape.columns == x.columns, "linear of \(x.shape) with weights \(runnable.shape)")
        let shape = x.shape.replacingColumns(by: runnable.shape.rows)
        let result = if let target { target.reshaped(shape) } else { try pool.tensor(shape) }
        let biases = bias.map { dense($0) }
        switch runnable.matrix {
        case .f32(let matrix):
            try matmul(
                M: x.rows, x.span, matrix, into: result.mutableSpan, store: .replace, bias: biases?.span, on: context)
        case .int8(let matrix):
            let quantized = try integers.take(x.count)
            let scales = try pool.tensor([x.rows])
            try quantizeRows(
                x.span, rows: x.rows, columns: x.columns, into: quantized.mutableSpan, scales: scales.mutableSpan,
                on: context)
            try matmul(
                M: x.rows, quantized.span, rowScales: scales.span, matrix, into: result.mutableSpan,
                bias: biases?.span, on: context)
        case .converting(let matrix):
            if let biases {
                try matmul(
                    M: x.rows, x.span, matrix, into: result.mutableSpan, epilogue: Epilogue().bias(biases.span),
                    on: context)
            } else {
                try matmul(M: x.rows, x.span, matrix, into: result.mutableSpan, epilogue: Epilogue(), on: context)
            }
        case nil:
            preconditionFailure("parameter \(weight) of shape \(runnable.shape) was not prepared for products")
        }
        return result
    }

    /// See ``Graph/layerNorm(_:gain:bias:epsilon:)``.
    public func layerNorm(
        _ x: Tensor, gain: ParameterID, bias: ParameterID, epsilon: Float
    ) throws(KernelError) -> Tensor {
        let (gains, biases) = (dense(gain), dense(bias))
        precondition(
            gains.count == x.columns && biases.count == x.columns,
            "layer norm of \(x.shape) with gain \(gains.shape) and bias \(biases.shape)")
        let result = try pool.tensor(x.shape)
        try AlambicKernels.layerNorm(
            x.span, gain: gains.span, bias: biases.span, epsilon: epsilon, rows: x.rows, columns: x.columns,
            into: result.mutableSpan, on: context)
        return result
    }

    /// See ``Graph/gelu(_:)``.
    public func gelu(_ x: Tensor) throws(KernelError) -> Tensor {
        let result = try pool.tensor(x.shape)
        try AlambicKernels.gelu(x.span, form: .tanh, into: result.mutableSpan, on: context)
        return result
    }

    /// See ``Graph/add(_:_:)``.
    public func add(_ a: Tensor, _ b: Tensor) throws(KernelError) -> Tensor {
        precondition(a.shape == b.shape, "adding \(a.shape) and \(b.shape)")
        let result = try pool.tensor(a.shape)
        try AlambicKernels.add(a.span, b.span, into: result.mutableSpan, on: context)
        return result
    }

    /// The identity.
    public func dropout(_ x: Tensor, rate: Float) throws(KernelError) -> Tensor { x }

    /// See ``Graph/causalAttention(_:heads:layer:)``. With a cache, all tokens in it come before those of `qkv`.
    public func causalAttention(_ qkv: Tensor, heads: Int, layer: Int) throws(KernelError) -> Tensor {
        let shape = qkv.shape
        precondition(
            shape.rank == 3 && shape[2].isMultiple(of: 3 * heads),
            "attention with \(heads) heads over \(shape), which should be [batch, length, 3 * width]")
        let width = shape[2] / 3
        let result = try pool.tensor([shape[0], shape[1], width])
        guard let cache else {
            try AlambicKernels.causalAttention(
                qkv: qkv.span, batch: shape[0], length: shape[1], heads: heads, headWidth: width / heads,
                into: result.mutableSpan, on: context)
            return result
        }
        cache.store(qkv, layer: layer)
        let known = cache.count + shape[1]
        let (keys, values) = (cache.keys[layer], cache.values[layer])
        try cachedAttention(
            query: qkv.span, queryStride: shape[2], keys: keys.span(0..<known * width),
            values: values.span(0..<known * width), queries: shape[1], keyCount: known, heads: heads,
            headWidth: width / heads, into: result.mutableSpan, on: context)
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
