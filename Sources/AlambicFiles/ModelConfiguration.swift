import Foundation

/// A Hugging Face `config.json`. Keys that this library does not know are kept, in their places, when it is saved
/// again.
public struct ModelConfiguration: Sendable {
    /// All keys, with typed access.
    public var reader: JSONReader

    /// The keys and values.
    public var object: JSONObject {
        get { reader.object }
        set { reader.object = newValue }
    }

    /// The file, for messages.
    public var path: String { reader.path }

    /// Reads a `config.json`.
    public init(contentsOf url: URL) throws(FileError) {
        reader = try JSONReader(contentsOf: url)
    }

    /// Reads the `config.json` of a model directory.
    public init(modelDirectory url: URL) throws(FileError) {
        let directory = filePath(url)
        guard let status = try status(directory) else {
            throw FileError(.missing, path: directory, "there is no such model directory", fix: "check the path")
        }
        guard FileType(status) == .directory else {
            throw FileError(
                .notADirectory, path: directory, "this is not a directory", expected: "a model directory",
                fix: "name the directory that holds config.json and model.safetensors")
        }
        let file = url.appendingPathComponent("config.json")
        let adapters = filePath(url.appendingPathComponent("adapter_config.json"))
        if try AlambicFiles.status(filePath(file)) == nil, try AlambicFiles.status(adapters) != nil {
            throw FileError(
                .missing, path: directory, "these are adapters, and not the model that they belong to",
                fix: "name the model's own directory, or one that they have been merged into")
        }
        try self.init(contentsOf: file)
    }

    /// A configuration made in memory.
    public init(_ object: JSONObject, path: String = "config.json") {
        reader = JSONReader(object, path: path, prefix: "")
    }

    /// Writes the configuration to a file, whole or not at all.
    public func write(to url: URL) throws(FileError) {
        try JSON.object(object).write(to: url)
    }

    /// The family of architectures, as `gpt2`.
    public var modelType: String {
        get throws(FileError) { try reader.string("model_type") }
    }

    /// How the tensors are compressed; nil for a dense model. Setting it writes `quantization_config`.
    public var compression: Compression? {
        get throws(FileError) {
            guard reader.has("quantization_config") else { return nil }
            return try Compression(try reader.reader("quantization_config"))
        }
    }

    /// Replaces the `quantization_config`; nil removes it.
    public mutating func setCompression(_ compression: Compression?) {
        object["quantization_config"] = compression.map { .object($0.object) }
    }
}

/// The configuration of a GPT-2 (`model_type` `gpt2`): decoder only, learned positions, pre-norm.
/// Keys and defaults: huggingface/transformers, `GPT2Config`.
public struct GPT2Configuration: Sendable, Equatable {
    /// What a dropout rate can be: masks are drawn in steps of 1/65536, and a rate of 1 would leave nothing.
    public static let dropoutRates = 0...65535.0 / 65536

    /// Number of blocks (`n_layer`).
    public var layers: Int
    /// Width of the residual stream (`n_embd`).
    public var width: Int
    /// Attention heads (`n_head`), a divisor of `width`.
    public var heads: Int
    /// The longest sequence (`n_positions`).
    public var context: Int
    /// Number of tokens (`vocab_size`).
    public var vocabulary: Int
    /// Width of the feed-forward layer (`n_inner`), 4 x `width` unless the file says otherwise.
    public var innerWidth: Int
    /// ε of the layer norms (`layer_norm_epsilon`).
    public var layerNormEpsilon: Double
    /// Dropout after each sub-layer (`resid_pdrop`), 0 up to below 1.
    public var residualDropout: Double
    /// Dropout after the embeddings (`embd_pdrop`).
    public var embeddingDropout: Double
    /// Dropout of attention weights (`attn_pdrop`).
    public var attentionDropout: Double
    /// Share of samples for which the last residual branch is dropped while training; earlier ones less, in a straight line
    /// (`stochastic_depth`, a key of this library's own, 0 unless it is there).
    public var stochasticDepth: Double
    /// `gelu_new` (the tanh form) or `gelu` (the exact one).
    public var activation: String
    /// Whether the head is the token embedding (`tie_word_embeddings`).
    public var tiesHead: Bool
    /// Standard deviation of initial weights (`initializer_range`).
    public var initializerRange: Double
    /// Heads that are gone (`pruned_heads`); none by default.
    public var prunedHeads = PrunedHeads()

    /// Sizes beyond these are damage, and would only fail later with a worse message.
    private static let limit = 1 << 24

    /// A configuration for training.
    public init(
        layers: Int, width: Int, heads: Int, context: Int, vocabulary: Int, dropout: Double = 0, innerWidth: Int? = nil
    ) {
        self.layers = layers
        self.width = width
        self.heads = heads
        self.context = context
        self.vocabulary = vocabulary
        self.innerWidth = innerWidth ?? 4 * width
        layerNormEpsilon = 1e-5
        residualDropout = dropout
        embeddingDropout = dropout
        attentionDropout = 0
        stochasticDepth = 0
        activation = "gelu_new"
        tiesHead = true
        initializerRange = 0.02
    }

    /// Reads and checks the keys of a `config.json`.
    public init(_ configuration: ModelConfiguration) throws(FileError) {
        let reader = configuration.reader
        guard try configuration.modelType == "gpt2" else { throw reader.failure("model_type", expected: "\"gpt2\"") }
        let sizes = 1...Self.limit
        layers = try reader.integer("n_layer", in: 1...65536)
        width = try reader.integer("n_embd", in: sizes)
        heads = try reader.integer("n_head", in: sizes)
        context = try reader.integer(reader.has("n_positions") ? "n_positions" : "n_ctx", in: sizes)
        vocabulary = try reader.integer("vocab_size", in: sizes)
        innerWidth = try reader.integer("n_inner", default: 4 * width, in: 1...(4 * Self.limit))
        guard width.isMultiple(of: heads) else {
            throw reader.failure("n_head", expected: "a divisor of n_embd (\(width))")
        }
        prunedHeads = try PrunedHeads(reader, layers: layers, heads: heads)
        layerNormEpsilon = try reader.double("layer_norm_epsilon", default: 1e-5)
        guard layerNormEpsilon > 0 else { throw reader.failure("layer_norm_epsilon", expected: "a positive number") }
        func rate(_ key: String, default standard: Double = 0.1) throws(FileError) -> Double {
            let rate = try reader.double(key, default: standard)
            guard Self.dropoutRates.contains(rate) else {
                throw reader.failure(key, expected: "a number from 0 to below 1 (at most 65535/65536)")
            }
            return rate
        }
        residualDropout = try rate("resid_pdrop")
        embeddingDropout = try rate("embd_pdrop")
        attentionDropout = try rate("attn_pdrop")
        stochasticDepth = try rate("stochastic_depth", default: 0)
        activation = try reader.string("activation_function", default: "gelu_new")
        guard ["gelu_new", "gelu"].contains(activation) else {
            throw reader.failure("activation_function", expected: "\"gelu_new\" or \"gelu\"")
        }
        tiesHead = try reader.bool("tie_word_embeddings", default: true)
        initializerRange = try reader.double("initializer_range", default: 0.02)
        // Variants that change the mathematics; to ignore them would give wrong numbers without a word.
        for key in ["scale_attn_by_inverse_layer_idx", "add_cross_attention"] where try reader.bool(key, default: false)
        {
            throw reader.failure(key, expected: "false", fix: "this variant of GPT-2 is not supported")
        }
        guard try reader.bool("scale_attn_weights", default: true) else {
            throw reader.failure("scale_attn_weights", expected: "true", fix: "this variant of GPT-2 is not supported")
        }
    }

    /// Writes the keys into a configuration, leaving its others as they are.
    public func write(into configuration: inout ModelConfiguration) {
        var object = configuration.object
        let pairs: JSONObject = [
            "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_layer": .number(layers),
            "n_embd": .number(width), "n_head": .number(heads), "n_positions": .number(context),
            "n_inner": .number(innerWidth), "vocab_size": .number(vocabulary),
            "activation_function": .string(activation), "layer_norm_epsilon": .number(layerNormEpsilon),
            "resid_pdrop": .number(residualDropout), "embd_pdrop": .number(embeddingDropout),
            "attn_pdrop": .number(attentionDropout), "tie_word_embeddings": .bool(tiesHead),
            "initializer_range": .number(initializerRange),
        ]
        for (key, value) in pairs.pairs { object[key] = value }
        object["pruned_heads"] = prunedHeads.json
        // Without an entry, Hugging Face assumes GPT-2's own 50256, which a small vocabulary does not have.
        for key in ["bos_token_id", "eos_token_id"] where object[key] == nil { object[key] = .null }
        if stochasticDepth > 0 || object["stochastic_depth"] != nil {
            object["stochastic_depth"] = .number(stochasticDepth)
        }
        if object["n_ctx"] != nil { object["n_ctx"] = .number(context) }
        configuration.object = object
    }

    /// A configuration with these keys alone.
    public var modelConfiguration: ModelConfiguration {
        var result = ModelConfiguration([:])
        write(into: &result)
        return result
    }
}

/// A Hugging Face `generation_config.json`: how to sample when the caller does not say. Unknown keys are kept.
public struct GenerationConfiguration: Sendable, Equatable {
    /// All keys.
    public var object: JSONObject = [:]
    /// Divides the logits before the softmax (`temperature`), above 0.
    public var temperature: Double = 1
    /// Only the k most probable tokens (`top_k`); 0 for all.
    public var topK: Int = 0
    /// Only the most probable tokens that together have this probability (`top_p`), above 0 up to 1.
    public var topP: Double = 1
    /// Whether to sample (`do_sample`) or to take the most probable token.
    public var samples: Bool = true
    /// The most tokens to add (`max_new_tokens`).
    public var maximumTokens: Int?

    /// The defaults above.
    public init() {}

    /// Reads a file.
    public init(contentsOf url: URL) throws(FileError) {
        let reader = try JSONReader(contentsOf: url)
        object = reader.object
        temperature = try reader.double("temperature", default: 1)
        guard temperature > 0 else { throw reader.failure("temperature", expected: "a positive number") }
        topK = try reader.integer("top_k", default: 0, in: 0...(.max))
        topP = try reader.double("top_p", default: 1)
        guard topP > 0, topP <= 1 else { throw reader.failure("top_p", expected: "a number above 0 up to 1") }
        samples = try reader.bool("do_sample", default: false)
        maximumTokens = reader.has("max_new_tokens") ? try reader.integer("max_new_tokens", in: 1...(.max)) : nil
    }

    /// Writes the file, whole or not at all.
    public func write(to url: URL) throws(FileError) {
        var object = object
        object["do_sample"] = .bool(samples)
        object["temperature"] = .number(temperature)
        object["top_k"] = .number(topK)
        object["top_p"] = .number(topP)
        object["max_new_tokens"] = maximumTokens.map { .number($0) }
        try JSON.object(object).write(to: url)
    }
}
