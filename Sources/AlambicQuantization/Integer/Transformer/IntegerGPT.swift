import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// A ``GPT`` that runs in integers alone, 8 bits between layers and for weights (each output's symmetric, with a scale
/// of its own): what runs, and what its integers stand for.
///
/// The functions are those of Kim et al. 2021 (I-BERT), the linear layers those of Jacob et al. 2018. Results are the
/// same bits on every machine, for any number of threads and any batch.
public struct IntegerGPT: Sendable {
    /// What it was made of.
    public let architecture: GPT
    /// What runs.
    public let transformer: IntegerTransformer
    /// What the bytes in each block stand for.
    public let ranges: [IntegerBlockRanges]
    /// What the bytes stand for that the last norm makes.
    public let headInput: AffineParameters
    /// What one step of the residual stream is worth.
    public let residualScale: Float
    /// What one step of the logits is worth.
    public let logitScale: Float

    /// Makes integers of a model's weights, which may be in any form.
    ///
    /// - Parameters:
    ///   - ranges: what is to stand for what flows through each block, levels 0 ... 255 or fewer.
    ///   - headInput: the same for what the last norm makes.
    ///   - greatestResidual: the largest magnitude in the residual stream. Twice that is where it saturates.
    /// - Throws: `badSetting` for a model of another type than GPT-2's; `kernel` for a parameter that is not finite, for
    ///   layers whose sums could leave 32 bits, and for logits of which a step is worth more than a float can say.
    public init(
        _ model: Model, ranges: [IntegerBlockRanges], headInput: AffineParameters, greatestResidual: Float,
        on context: Context = .default
    ) throws(TrainingError) {
        let architecture = try Self.architecture(of: model)
        precondition(
            ranges.count == architecture.layers, "\(ranges.count) ranges for a model of \(architecture.layers) blocks")
        precondition(
            greatestResidual >= 0 && greatestResidual.isFinite, "a residual stream of up to \(greatestResidual)")
        for ranges in ranges { ranges.requireBytes() }
        headInput.requireBytes("inputs of the head in")
        do throws(KernelError) {
            try self.init(model, architecture, ranges, headInput, greatestResidual, on: context)
        } catch {
            throw .kernel(error)
        }
    }

    private init(
        _ model: Model, _ architecture: GPT, _ ranges: [IntegerBlockRanges], _ headInput: AffineParameters,
        _ greatestResidual: Float, on context: Context
    ) throws(KernelError) {
        let names = architecture.parameters.map(\.path)
        let epsilon = architecture.configuration.layerNormEpsilon
        var parameters: [Tensor] = []
        for weight in model.weights { parameters.append(try weight.dense()) }
        // Tables fit as they are: tokens that were not seen may be larger than those that were.
        let tableEnds = try GPT.tables.map { index throws(KernelError) in
            try finiteEnds(of: parameters[index], names[index])
        }
        let greatest = tableEnds.reduce(greatestResidual) { max($0, -$1.lowerBound, $1.upperBound) }
        let residualScale = IntegerResidual.scale(greatest: greatest, epsilon: epsilon)
        var blocks: [IntegerBlock] = []
        for (layer, ranges) in ranges.enumerated() {
            let walk = architecture.places(of: layer).all
            let source = IntegerBlockSource(
                parameters: Array(parameters[walk]), names: Array(names[walk]),
                heads: architecture.configuration.heads(of: layer), epsilon: epsilon, residualScale: residualScale,
                ranges: ranges)
            blocks.append(try source.block(on: context))
        }
        let last = architecture.lastNorm
        let norm = try IntegerLayerNorm(
            gains: parameters[last], biases: parameters[last + 1], epsilon: epsilon, residualScale: residualScale,
            output: headInput, names: names[last...last + 1])
        let head = try LayerSource(
            weight: parameters[architecture.head.index], bias: Tensor([architecture.vocabulary]), input: headInput,
            output: nil, isRectified: false, scheme: IntegerBlockSource.scheme,
            name: IntegerBlockSource.layerName(names[architecture.head.index])
        ).layer(packs: true, on: context)
        self.architecture = architecture
        (self.ranges, self.headInput, self.residualScale) = (ranges, headInput, residualScale)
        logitScale = head.outputScale
        transformer = IntegerTransformer(
            tokens: try Self.table(parameters[GPT.tables.lowerBound], residualScale),
            positions: try Self.table(parameters[GPT.tables.lowerBound + 1], residualScale), blocks: blocks, norm: norm,
            head: head.layer)
    }

    /// The architecture, of the kind that there are integers for.
    static func architecture(of model: Model) throws(TrainingError) -> GPT {
        if let architecture = model.architecture as? GPT { return architecture }
        let type = type(of: model.architecture).modelType
        throw .badSetting(
            "a model of type '\(type)' cannot run in integers alone: there are layer norms, GELU and learned positions, "
                + "and no RMS norms, gated layers or rotary positions: use one of type \(GPT.modelType), or the scheme int8"
        )
    }

    private static func table(_ values: Tensor, _ scale: Float) throws(KernelError) -> DenseTensor<Int32> {
        let table = try DenseTensor<Int32>(values.shape)
        var levels = table.mutableSpan
        let reals = values.span
        for i in reals.indices { levels[i] = IntegerResidual.level(reals[i], scale: scale) }
        return table
    }

    /// The logits [batch, length, vocabulary] of sequences in one array, in steps of ``logitScale``: see
    /// ``IntegerTransformer/logits(of:on:)`` for what it takes.
    ///
    /// - Throws: `.badArgument` for a token outside of the vocabulary or a sequence longer than the context;
    ///   `.noMemory` where there is too little for the pass itself.
    public func logits(of sequences: Tokens, on context: Context = .default) throws(KernelError) -> [Int32] {
        try transformer.logits(of: sequences, on: context)
    }

    /// Hands over the logits of sequences in strips of tokens, in steps of ``logitScale``: see
    /// ``IntegerTransformer/forEachLogits(of:on:_:)``.
    ///
    /// - Throws: `.badArgument` for a token outside of the vocabulary or a sequence longer than the context;
    ///   `.noMemory`; what `body` throws.
    public func forEachLogits(
        of sequences: Tokens, on context: Context = .default,
        _ body: (_ tokens: Range<Int>, _ logits: Span<Int32>) throws(KernelError) -> Void
    ) throws(KernelError) {
        try transformer.forEachLogits(of: sequences, on: context, body)
    }
}
