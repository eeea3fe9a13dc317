import AlambicKernels
import AlambicTensor

/// What the bytes stand for that flow through an ``IntegerBlock``, 8 bits each.
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

    /// Ranges of levels 0 ... 255.
    public init(
        attentionInput: AffineParameters, query: AffineParameters, key: AffineParameters, value: AffineParameters,
        attended: AffineParameters, feedForwardInput: AffineParameters, activated: AffineParameters
    ) {
        (self.attentionInput, self.query, self.key, self.value) = (attentionInput, query, key, value)
        (self.attended, self.feedForwardInput, self.activated) = (attended, feedForwardInput, activated)
    }
}

/// The real numbers that an ``IntegerBlock`` is made of.
struct IntegerBlockSource {
    /// Gain and bias of the first norm; weight and bias of queries, keys and values together and of the projection;
    /// gain and bias of the second norm; weight and bias of both feed-forward layers: the order of a GPT's walk.
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

    /// The block.
    ///
    /// - Throws: `.badArgument` for parameters that are not finite or a head too wide; `.badShape` where sums could
    ///   leave 32 bits.
    func block(on context: Context) throws(KernelError) -> IntegerBlock {
        precondition(
            parameters.count == 12 && names.count == 12, "\(parameters.count) parameters, \(names.count) names")
        let width = parameters[2].rows / 3
        guard width / heads <= IntegerAttention.greatestHeadWidth else {
            throw KernelError(
                .badArgument,
                "\(names[2]): scores of heads of \(width / heads) columns may not fit in 32 bits: "
                    + "use at most \(IntegerAttention.greatestHeadWidth)")
        }
        let (attentionInput, feedForwardInput) = (ranges.attentionInput, ranges.feedForwardInput)
        return IntegerBlock(
            firstNorm: try norm(0, attentionInput),
            query: try part(0, ranges.query, on: context), key: try part(1, ranges.key, on: context),
            value: try part(2, ranges.value, on: context),
            attention: IntegerAttention(
                heads: heads, headWidth: width / heads, query: ranges.query, key: ranges.key, value: ranges.value,
                output: ranges.attended),
            projection: try wide(4, ranges.attended, scale: residualScale, on: context),
            secondNorm: try norm(6, feedForwardInput),
            expansion: try wide(8, feedForwardInput, scale: Float(IntegerGELULevels.inputScale), on: context),
            activation: IntegerGELULevels(scale: IntegerGELULevels.inputScale, output: ranges.activated),
            contraction: try wide(10, ranges.activated, scale: residualScale, on: context))
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
        let (weight, bias) = (parameters[2], parameters[3])
        let count = weight.rows / 3
        let rows = third * count..<(third + 1) * count
        return try layer(
            2, weight.rows(rows), Tensor([count], storage: bias.storage, offset: bias.offset + rows.lowerBound),
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
    /// - Throws: `.badArgument` for a gain or bias that is not finite.
    init(
        gains: Tensor, biases: Tensor, epsilon: Double, residualScale: Float, output: AffineParameters,
        names: ArraySlice<String>
    ) throws(KernelError) {
        for (values, name) in zip([gains, biases], names) { try requireFinite(values, name) }
        self.init(
            gains: gains.elements, biases: biases.elements, epsilon: epsilon, inputScale: Double(residualScale),
            inputBits: IntegerResidual.bits, output: output)
    }
}

/// The ends of a parameter's values. Throws `.badArgument` for one that is not finite.
@discardableResult
func requireFinite(_ values: Tensor, _ name: String) throws(KernelError) -> ClosedRange<Float> {
    do throws(CalibrationError) {
        return try ends(of: values.span, name) ?? 0...0
    } catch {
        throw KernelError(.badArgument, "\(error)")
    }
}
