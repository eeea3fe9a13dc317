import AlambicKernels
import AlambicModels
import AlambicTensor

/// What the bytes stand for that flow through an ``IntegerBlock``, up to 8 bits each.
public struct IntegerBlockRanges: Sendable, Hashable {
    /// What the first norm makes: inputs of queries, keys and values.
    public var attentionInput: AffineParameters
    /// Queries.
    public var query: AffineParameters
    /// Keys.
    public var key: AffineParameters
    /// Values.
    public var value: AffineParameters
    /// What attention makes: inputs of the projection.
    public var attended: AffineParameters
    /// What the second norm makes: inputs of the first feed-forward layer.
    public var feedForwardInput: AffineParameters
    /// What GELU makes: inputs of the second feed-forward layer.
    public var activated: AffineParameters

    /// Ranges of levels 0 ... 255 or fewer.
    public init(
        attentionInput: AffineParameters, query: AffineParameters, key: AffineParameters, value: AffineParameters,
        attended: AffineParameters, feedForwardInput: AffineParameters, activated: AffineParameters
    ) {
        (self.attentionInput, self.query, self.key, self.value) = (attentionInput, query, key, value)
        (self.attended, self.feedForwardInput, self.activated) = (attended, feedForwardInput, activated)
    }

    /// Stops the program for other integers than bytes.
    func requireBytes() {
        let all = [attentionInput, query, key, value, attended, feedForwardInput, activated]
        for parameters in all { parameters.requireBytes("ranges of a block in") }
    }
}

/// The real numbers that an ``IntegerBlock`` is made of.
struct IntegerBlockSource {
    /// Those of a block, in the order of a GPT's walk.
    var parameters: [Tensor]
    /// Their names, for errors.
    var names: [String]
    var heads: Int
    var epsilon: Double
    /// What a step of the residual stream is worth.
    var residualScale: Float
    var ranges: IntegerBlockRanges

    /// 8 bits, weights with a symmetric scale for each output.
    static let scheme = IntegerScheme(weights: .perChannel)
    /// Where the parameters are.
    private static let places = GPT.BlockPlaces(from: 0)

    /// The block.
    ///
    /// - Throws: `.badArgument` for parameters that are not finite or a head too wide; `.badShape` where sums could
    ///   leave 32 bits.
    func block(on context: Context) throws(KernelError) -> IntegerBlock {
        ranges.requireBytes()
        let places = Self.places
        precondition(
            parameters.count == places.all.count && names.count == places.all.count,
            "\(parameters.count) parameters, \(names.count) names")
        let width = parameters[places.attention].rows / 3
        guard width / heads <= IntegerAttention.greatestHeadWidth else {
            throw KernelError(
                .badArgument,
                "\(names[places.attention]): scores of heads of \(width / heads) columns may not fit in 32 bits: "
                    + "use at most \(IntegerAttention.greatestHeadWidth)")
        }
        let (attentionInput, feedForwardInput) = (ranges.attentionInput, ranges.feedForwardInput)
        return IntegerBlock(
            firstNorm: try norm(places.firstNorm, attentionInput),
            query: try part(0, ranges.query, on: context), key: try part(1, ranges.key, on: context),
            value: try part(2, ranges.value, on: context),
            attention: IntegerAttention(
                heads: heads, headWidth: width / heads, query: ranges.query, key: ranges.key, value: ranges.value,
                output: ranges.attended),
            projection: try wide(places.projection, ranges.attended, scale: residualScale, on: context),
            secondNorm: try norm(places.secondNorm, feedForwardInput),
            expansion: try wide(
                places.expansion, feedForwardInput, scale: Float(IntegerGELULevels.inputScale), on: context),
            activation: IntegerGELULevels(scale: IntegerGELULevels.inputScale, output: ranges.activated),
            contraction: try wide(places.contraction, ranges.activated, scale: residualScale, on: context))
    }

    private func norm(_ index: Int, _ output: AffineParameters) throws(KernelError) -> IntegerLayerNorm {
        try IntegerLayerNorm(
            gains: parameters[index], biases: parameters[index + 1], epsilon: epsilon, residualScale: residualScale,
            output: output, names: names[index...index + 1])
    }

    /// Queries, keys or values: a third of the outputs of a layer.
    private func part(
        _ third: Int, _ output: AffineParameters, on context: Context
    ) throws(KernelError) -> IntegerLinear {
        let place = Self.places.attention
        let (weight, bias) = (parameters[place], parameters[place + 1])
        let count = weight.rows / 3
        let rows = third * count..<(third + 1) * count
        return try layer(
            place, weight.rows(rows), Tensor([count], storage: bias.storage, offset: bias.offset + rows.lowerBound),
            input: ranges.attentionInput, output: output, wideScale: nil, on: context)
    }

    private func wide(
        _ index: Int, _ input: AffineParameters, scale: Float, on context: Context
    ) throws(KernelError) -> IntegerLinear {
        try layer(
            index, parameters[index], parameters[index + 1], input: input, output: nil, wideScale: scale, on: context)
    }

    private func layer(
        _ index: Int, _ weight: Tensor, _ bias: Tensor, input: AffineParameters, output: AffineParameters?,
        wideScale: Float?, on context: Context
    ) throws(KernelError) -> IntegerLinear {
        let source = LayerSource(
            weight: weight, bias: bias, input: input, output: output, isRectified: false, scheme: Self.scheme,
            name: Self.layerName(names[index]), wideScale: wideScale)
        return try source.layer(packs: true, on: context).layer
    }

    /// `h.0.attn.c_attn` of `h.0.attn.c_attn.weight`.
    static func layerName(_ path: String) -> String {
        path.hasSuffix(".weight") ? String(path.dropLast(".weight".count)) : path
    }
}

extension IntegerLayerNorm {
    /// A norm of the residual stream.
    ///
    /// - Parameter names: of gains and biases, for errors.
    /// - Throws: `.badArgument` for a gain or bias that is not finite or too many of them.
    init(
        gains: Tensor, biases: Tensor, epsilon: Double, residualScale: Float, output: AffineParameters,
        names: ArraySlice<String>
    ) throws(KernelError) {
        for (values, name) in zip([gains, biases], names) { try finiteEnds(of: values, name) }
        guard gains.shape.count <= Self.greatestColumns else {
            throw KernelError(
                .badArgument,
                "\(names.first ?? "norm"): sums of squares of \(gains.shape.count) columns may not fit in 64 bits: "
                    + "use at most \(Self.greatestColumns)")
        }
        self.init(
            gains: gains.elements, biases: biases.elements, epsilon: epsilon, inputScale: Double(residualScale),
            inputBits: IntegerResidual.bits, output: output)
    }

    /// Stops the program unless its inputs have the bits of a residual stream.
    func requireStream() {
        precondition(
            inputBits == IntegerResidual.bits,
            "a norm of integers of \(inputBits) bits for a residual stream of \(IntegerResidual.bits)")
    }
}
