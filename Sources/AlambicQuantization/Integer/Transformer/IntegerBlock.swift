import AlambicKernels

/// A pre-norm transformer block of integers alone, as GPT-2 has them (Radford et al. 2019) with the functions of Kim et
/// al. 2021:
///
///     x += projection(attention(norm₁(x))),  x += contraction(gelu(expansion(norm₂(x))))
///
/// x, the residual stream, is 32-bit integers at one scale for the whole model. Norms write bytes, linear layers read
/// bytes; those at the end of a branch write 32 bits at the scale of the stream, and `expansion` 32 bits for GELU.
public struct IntegerBlock: Sendable {
    /// Before attention.
    public let firstNorm: IntegerLayerNorm
    /// The layers of queries, keys and values, whose ranges differ.
    public let query: IntegerLinear, key: IntegerLinear, value: IntegerLinear
    /// Between them.
    public let attention: IntegerAttention
    /// From attention to the residual stream.
    public let projection: IntegerLinear
    /// Before the feed-forward layers.
    public let secondNorm: IntegerLayerNorm
    /// The first feed-forward layer.
    public let expansion: IntegerLinear
    /// Between the two.
    public let activation: IntegerGELULevels
    /// The second feed-forward layer.
    public let contraction: IntegerLinear

    /// Width of the residual stream.
    public var width: Int { firstNorm.columns }

    /// A block of parts that fit together.
    public init(
        firstNorm: IntegerLayerNorm, query: IntegerLinear, key: IntegerLinear, value: IntegerLinear,
        attention: IntegerAttention, projection: IntegerLinear, secondNorm: IntegerLayerNorm,
        expansion: IntegerLinear, activation: IntegerGELULevels, contraction: IntegerLinear
    ) {
        let width = firstNorm.columns
        precondition(secondNorm.columns == width, "norms of \(width) and \(secondNorm.columns) columns in a block")
        let layers = [
            (query, width, attention.width), (key, width, attention.width), (value, width, attention.width),
            (projection, attention.width, width), (expansion, width, contraction.inputs),
            (contraction, expansion.outputs, width),
        ]
        for (layer, inputs, outputs) in layers {
            precondition(
                layer.inputs == inputs && layer.outputs == outputs,
                "a layer [\(layer.outputs), \(layer.inputs)] in a block where [\(outputs), \(inputs)] fits")
        }
        precondition(
            [projection, expansion, contraction].allSatisfy { $0.output == .logits },
            "in a block the projection and the feed-forward layers make 32 bits")
        precondition(
            query.makes(attention.query) && key.makes(attention.key) && value.makes(attention.value),
            """
            attention was made for queries \(attention.query), keys \(attention.key) and values \(attention.value): the \
            layers before it make \(query.output), \(key.output) and \(value.output)
            """)
        for norm in [firstNorm, secondNorm] { norm.requireStream() }
        let givers: [(AffineLevels, [IntegerLinear])] = [
            (firstNorm.output, [query, key, value]), (attention.output, [projection]),
            (secondNorm.output, [expansion]), (activation.output, [contraction]),
        ]
        for (levels, takers) in givers {
            for layer in takers { layer.requireInputs(levels) }
        }
        (self.firstNorm, self.secondNorm) = (firstNorm, secondNorm)
        (self.query, self.key, self.value, self.projection) = (query, key, value, projection)
        (self.expansion, self.contraction) = (expansion, contraction)
        (self.attention, self.activation) = (attention, activation)
    }

    /// What the block makes of a residual stream [batch, length, width], which saturates at ±(2¹⁹ - 1).
    public func callAsFunction(
        _ x: [Int32], batch: Int, length: Int, on context: Context = .default
    ) throws(KernelError) -> [Int32] {
        precondition(
            x.count == batch * length * width, "\(x.count) integers for [\(batch), \(length), \(width)] of a block")
        guard !x.isEmpty else { return [] }
        let workspace = try IntegerTransformerWorkspace(width: width, blocks: [self], rows: batch * length)
        let residual = workspace.residual
        var stream = residual.mutableSpan
        for i in x.indices { stream[i] = IntegerResidual.sum(x[i], 0) }
        try run(in: workspace, batch: batch, length: length, on: context)
        let result = residual.span
        return x.indices.map { result[$0] }
    }

    /// Both branches, on the stream of a workspace.
    func run(
        in w: IntegerTransformerWorkspace, batch: Int, length: Int, on context: Context
    ) throws(KernelError) {
        let rows = batch * length
        try w.normalize(firstNorm, rows: rows, on: context)
        let normalized = w.normalized
        for (layer, target) in [(query, w.query), (key, w.key), (value, w.value)] {
            try layer.multiply(normalized.span(0..<rows * width), rows: rows, into: w.scratch, on: context)
            try layer.requantize(rows: rows, w.scratch, levels: target, on: context)
        }
        let count = rows * attention.width
        let (queries, keys, values, attended) = (w.query, w.key, w.value, w.attended)
        try attention(
            query: queries.span(0..<count), key: keys.span(0..<count), value: values.span(0..<count), batch: batch,
            length: length, into: attended, on: context)
        try projection.multiply(attended.span(0..<count), rows: rows, into: w.scratch, on: context)
        try projection.requantize(rows: rows, w.scratch, logits: w.wide, on: context)
        try w.addBranch(rows: rows, on: context)

        try w.normalize(secondNorm, rows: rows, on: context)
        try expansion.multiply(normalized.span(0..<rows * width), rows: rows, into: w.scratch, on: context)
        try expansion.requantize(rows: rows, w.scratch, logits: w.wide, on: context)
        try w.activate(activation, rows: rows, columns: expansion.outputs, on: context)
        let activated = w.activated
        try contraction.multiply(
            activated.span(0..<rows * contraction.inputs), rows: rows, into: w.scratch, on: context)
        try contraction.requantize(rows: rows, w.scratch, logits: w.wide, on: context)
        try w.addBranch(rows: rows, on: context)
    }
}
