import AlambicFiles
import AlambicKernels
import AlambicTensor

/// GPT-2 (Radford et al., 2019): a decoder-only transformer with learned positions and pre-norm blocks,
///
///     x = E[token] + P[position]
///     x += attention(norm(x)), x += W₂ gelu(W₁ norm(x))     for each layer
///     logits = norm(x) Eᵀ
///
/// with dropout on the embeddings and on both residual branches, and stochastic depth where it is asked for, while training. Attention weights are never in memory,
/// so a file's `attn_pdrop` is kept but not applied.
public struct GPT: Architecture {
    /// `gpt2`.
    public static let modelType = "gpt2"
    /// `transformer.`, as files saved from models with a head have it.
    public static let filePrefixes = ["transformer."]

    /// The sizes and rates of the `config.json`.
    public let configuration: GPT2Configuration
    /// Token table, position table, twelve for each block, the last norm, and the head where it is not tied.
    public let parameters: [ParameterDescription]
    /// The token table, or `lm_head.weight` where it is not tied.
    public let head: ParameterID

    /// Number of blocks.
    public var layers: Int { configuration.layers }
    /// Width of the residual stream.
    public var width: Int { configuration.width }
    /// Width of the feed-forward layers.
    public var inner: Int { configuration.innerWidth }
    /// Attention heads of a whole layer.
    public var heads: Int { configuration.heads }
    /// For each layer its heads, without those that are gone, times their width.
    public var attentionWidths: [Int] {
        (0..<layers).map { configuration.heads(of: $0) * configuration.headWidth }
    }
    /// The longest sequence in tokens.
    public var context: Int { configuration.context }
    /// Number of tokens.
    public var vocabulary: Int { configuration.vocabulary }
    /// Dropout rate of both residual branches.
    public var dropout: Double { configuration.residualDropout }

    /// Where a block's parameters are in the walk: a gain or a weight each, whose bias comes next.
    package struct BlockPlaces: Sendable {
        /// How many parameters a block has.
        package static let count = 12
        /// Of the first norm's gain, where the block begins.
        package let firstNorm: Int
        /// Of the weight of queries, keys and values.
        package var attention: Int { firstNorm + 2 }
        /// Of the weight from attention to the residual stream.
        package var projection: Int { firstNorm + 4 }
        /// Of the second norm's gain.
        package var secondNorm: Int { firstNorm + 6 }
        /// Of the first feed-forward layer's weight.
        package var expansion: Int { firstNorm + 8 }
        /// Of the second feed-forward layer's weight.
        package var contraction: Int { firstNorm + 10 }
        /// All of them.
        package var all: Range<Int> { firstNorm..<firstNorm + Self.count }

        /// A block that begins at a place.
        package init(from first: Int) { firstNorm = first }
    }

    /// Where the tables of tokens and of positions are.
    package static let tables = 0..<2
    /// Where the parameters of a block are.
    package func places(of layer: Int) -> BlockPlaces {
        BlockPlaces(from: Self.tables.upperBound + layer * BlockPlaces.count)
    }
    /// Where the last norm's gain is; its bias comes next.
    package var lastNorm: Int { places(of: layers).firstNorm }

    /// A GPT of these sizes. `heads` must divide `width`.
    public init(_ configuration: GPT2Configuration) {
        self.configuration = configuration
        var parameters = Self.embeddings(configuration)
        for layer in 0..<configuration.layers { parameters += Self.block(layer, configuration) }
        parameters.append(Self.vector("ln_f.weight", configuration.width, .ones))
        parameters.append(Self.vector("ln_f.bias", configuration.width, .zeros))
        if !configuration.tiesHead {
            parameters.append(
                ParameterDescription(
                    path: "lm_head.weight", shape: [configuration.vocabulary, configuration.width], kind: .matrix,
                    initialization: .normal(deviation: Float(configuration.initializerRange))))
        }
        self.parameters = parameters
        head = ParameterID(index: configuration.tiesHead ? 0 : parameters.count - 1)
    }

    /// Reads and checks a `config.json`.
    public init(_ configuration: ModelConfiguration) throws(FileError) {
        let sizes = try GPT2Configuration(configuration)
        guard sizes.activation == "gelu_new" else {
            throw configuration.reader.failure(
                "activation_function", expected: "\"gelu_new\"", fix: "this variant of GPT-2 is not supported")
        }
        self.init(sizes)
    }

    /// Writes GPT-2's keys into a configuration, leaving others as they are.
    public func write(into configuration: inout ModelConfiguration) { self.configuration.write(into: &configuration) }

    /// The same sizes with this rate on the embeddings and both residual branches.
    public func withDropout(_ rate: Double) -> GPT {
        var changed = configuration
        changed.residualDropout = rate
        changed.embeddingDropout = rate
        return GPT(changed)
    }

    /// The same sizes with stochastic depth: the last residual branch is dropped for this share of the samples while training,
    /// earlier ones less, in a straight line (Huang et al., 2016, section 3).
    public func withStochasticDepth(_ rate: Double) -> GPT {
        var changed = configuration
        changed.stochasticDepth = rate
        return GPT(changed)
    }

    /// The same sizes with another number of blocks.
    public func withLayers(_ layers: Int) -> GPT {
        var changed = configuration.keepingLayers(Array(0..<min(layers, self.layers)))
        changed.layers = layers
        return GPT(changed)
    }

    /// The forward pass up to the last norm, [batch, length, width].
    public func hidden<G: Graph>(_ tokens: Tokens, on graph: G) throws(KernelError) -> G.Value {
        let rate = Float(configuration.residualDropout)
        let epsilon = Float(configuration.layerNormEpsilon)
        func id(_ index: Int) -> ParameterID { ParameterID(index: index) }

        var x = try graph.embedding(tokens, table: id(0), positions: id(1))
        x = try graph.dropout(x, rate: Float(configuration.embeddingDropout))
        for layer in 0..<layers {
            let p = places(of: layer)
            x = try graph.block(x) { x, graph throws(KernelError) in
                var y = try graph.layerNorm(x, gain: id(p.firstNorm), bias: id(p.firstNorm + 1), epsilon: epsilon)
                y = try graph.linear(y, weight: id(p.attention), bias: id(p.attention + 1))
                y = try graph.causalAttention(y, heads: configuration.heads(of: layer), layer: layer)
                let x = try branch(y, id(p.projection), rate, 2 * layer, addedTo: x, on: graph)

                y = try graph.layerNorm(x, gain: id(p.secondNorm), bias: id(p.secondNorm + 1), epsilon: epsilon)
                y = try graph.linearGELU(y, weight: id(p.expansion), bias: id(p.expansion + 1))
                return try branch(y, id(p.contraction), rate, 2 * layer + 1, addedTo: x, on: graph)
            }
        }
        return try graph.layerNorm(x, gain: id(lastNorm), bias: id(lastNorm + 1), epsilon: epsilon)
    }

    /// The end of residual branch `number`: residual + dropout(y Wᵀ + b), or without the branch for some samples where there is
    /// stochastic depth.
    private func branch<G: Graph>(
        _ y: G.Value, _ weight: ParameterID, _ rate: Float, _ number: Int, addedTo residual: G.Value, on graph: G
    ) throws(KernelError) -> G.Value {
        let bias = ParameterID(index: weight.index + 1)
        let depth = stochasticDepthRate(branch: number, of: 2 * layers, last: configuration.stochasticDepth)
        guard depth > 0 else {
            return try graph.linear(y, weight: weight, bias: bias, dropout: rate, addedTo: residual)
        }
        let branch = try graph.dropout(try graph.linear(y, weight: weight, bias: bias), rate: rate)
        return try graph.add(residual, try graph.stochasticDepth(branch, rate: Float(depth)))
    }

    /// Behind each norm (the last one where the head is its own), and from values to the projection of attention, whose inputs
    /// are weighted means of values. Behind GELU there is no such place.
    public var inputScalings: [InputScaling] {
        func id(_ index: Int) -> ParameterID { ParameterID(index: index) }
        var all: [InputScaling] = []
        for layer in 0..<layers {
            let p = places(of: layer)
            all.append(
                InputScaling(.norm(gain: id(p.firstNorm), bias: id(p.firstNorm + 1)), into: [id(p.attention)]))
            let attention = configuration.heads(of: layer) * configuration.headWidth
            let values = 2 * attention..<3 * attention
            all.append(
                InputScaling(
                    .linear(weight: id(p.attention), bias: id(p.attention + 1), outputs: values),
                    into: [id(p.projection)]))
            all.append(
                InputScaling(.norm(gain: id(p.secondNorm), bias: id(p.secondNorm + 1)), into: [id(p.expansion)]))
        }
        if !configuration.tiesHead {
            all.append(InputScaling(.norm(gain: id(lastNorm), bias: id(lastNorm + 1)), into: [head]))
        }
        return all
    }

    /// `h.3.mlp.c_fc.weight` with another number for its block.
    public func path(_ path: String, withLayer layer: (Int) -> Int) -> String {
        let parts = path.split(separator: ".", maxSplits: 2)
        guard parts.count == 3, parts[0] == "h", let number = Int(parts[1]) else { return path }
        return "h.\(layer(number)).\(parts[2])"
    }

    /// The causal masks that older checkpoints store, and the head where it is the token table.
    public func ignores(fileName name: String) -> Bool {
        if name == "lm_head.weight" { return configuration.tiesHead }
        let parts = name.split(separator: ".")
        return parts.count == 4 && parts[0] == "h" && parts[2] == "attn"
            && (parts[3] == "bias" || parts[3] == "masked_bias")
    }
}

// The walk. Weights start normal with `initializer_range`, those of the residual projections smaller by the root of
// the number of residual branches (Radford et al., 2019, section 2.3).
extension GPT {
    private static func embeddings(_ c: GPT2Configuration) -> [ParameterDescription] {
        let initialization = Initialization.normal(deviation: Float(c.initializerRange))
        return [
            ParameterDescription(
                path: "wte.weight", shape: [c.vocabulary, c.width], kind: .embedding, initialization: initialization),
            ParameterDescription(
                path: "wpe.weight", shape: [c.context, c.width], kind: .positions, initialization: initialization),
        ]
    }

    private static func block(_ layer: Int, _ c: GPT2Configuration) -> [ParameterDescription] {
        let deviation = Float(c.initializerRange)
        let residual = deviation / Float(2 * c.layers).squareRoot()
        let attention = c.heads(of: layer) * c.headWidth
        func matrix(_ name: String, _ outputs: Int, _ inputs: Int, _ deviation: Float) -> ParameterDescription {
            ParameterDescription(
                path: "h.\(layer).\(name).weight", shape: [outputs, inputs], kind: .matrix,
                initialization: .normal(deviation: deviation), storedTransposed: true, layer: layer)
        }
        func vector(_ name: String, _ count: Int, _ initialization: Initialization) -> ParameterDescription {
            self.vector("h.\(layer).\(name)", count, initialization, layer: layer)
        }
        return [
            vector("ln_1.weight", c.width, .ones), vector("ln_1.bias", c.width, .zeros),
            matrix("attn.c_attn", 3 * attention, c.width, deviation), vector("attn.c_attn.bias", 3 * attention, .zeros),
            matrix("attn.c_proj", c.width, attention, residual), vector("attn.c_proj.bias", c.width, .zeros),
            vector("ln_2.weight", c.width, .ones), vector("ln_2.bias", c.width, .zeros),
            matrix("mlp.c_fc", c.innerWidth, c.width, deviation), vector("mlp.c_fc.bias", c.innerWidth, .zeros),
            matrix("mlp.c_proj", c.width, c.innerWidth, residual), vector("mlp.c_proj.bias", c.width, .zeros),
        ]
    }

    private static func vector(
        _ path: String, _ count: Int, _ initialization: Initialization, layer: Int? = nil
    ) -> ParameterDescription {
        ParameterDescription(path: path, shape: [count], kind: .vector, initialization: initialization, layer: layer)
    }
}
