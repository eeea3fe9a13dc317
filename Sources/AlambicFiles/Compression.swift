/// The `quantization_config` of a `config.json` in the form of compressed-tensors: which modules hold quantized
/// weights, in which format, and how sparse weights are stored.
///
/// Layout, from github.com/vllm-project/compressed-tensors (formerly neuralmagic), files in `src/compressed_tensors`:
/// - `quantization/quant_config.py`, `quant_scheme.py`, `quant_args.py`: `quant_method` is `compressed-tensors`;
///   `format`; `quantization_status`; `ignore` (module names, or `re:` and a pattern); `config_groups`, each with
///   `targets`, `weights`, `input_activations`, `output_activations`, whose `num_bits`, `type`, `symmetric`,
///   `strategy` and `dynamic` say how values become integers.
/// - `compressors/model_compressors/model_compressor.py`: the `sparsity_config` stands *inside* `quantization_config`.
///   If only it, `quant_method` and `version` are there, nothing is quantized.
/// - `config/base.py`: a `sparsity_config` has `format`, `targets`, `ignore`, `global_sparsity`, `sparsity_structure`.
///
/// Tensors of a module `x` whose dense weight is `x.weight` [N, K]:
/// - `int-quantized` (`compressors/quantized_compressors/naive_quantized.py`): `x.weight` I8 [N, K] and
///   `x.weight_scale` [N, 1] for the strategy `channel`; a symmetric scheme has no `x.weight_zero_point`.
///   weight ≈ scale x integer.
/// - `pack-quantized` (`compressors/quantized_compressors/pack_quantized.py`): `x.weight_packed` I32 [N, K/8], eight 4-bit
///   integers in a word, the first column in its lowest bits, -8...7 with 8 added; `x.weight_scale` [N, K/group] for the
///   strategy `group`; `x.weight_shape` I64 [2]. `input_activations` must be null: what runs the model decides about them.
/// - `sparse-bitmask` (`compressors/sparse_compressors/sparse_bitmask.py`): `x.compressed` [nonzeros] the values that
///   are not zero, row by row; `x.bitmask` U8 [N, ceil(K/8)], bit k mod 8 (least significant first) of byte k/8 tells
///   whether column k is stored; `x.row_offsets` I64 [N] where each row begins in `compressed`; `x.shape` I64 [2].
/// - Sparse and `int-quantized` together: the integers are compressed, so `x.compressed` is I8, and `x.weight_scale` stays.
/// - Sparse and `pack-quantized` together exist here alone: `x.compressed` is U8, two integers in a byte.
/// - Groups of several formats: `format` is `mixed-precision`, and each group has its own `format`
///   (`config/base.py`, `quant_scheme.py`).
public struct Compression: Sendable, Equatable {
    /// How values of one kind become integers (`QuantizationArgs`).
    public struct Scheme: Sendable, Equatable {
        /// Bits per value.
        public var bits: Int
        /// `int` or `float`.
        public var type: String
        /// Whether the zero point is 0.
        public var symmetric: Bool
        /// What shares a scale: `tensor`, `channel` (row of a weight), `group`, `block`, `token`.
        public var strategy: String
        /// Whether scales are computed while running.
        public var dynamic: Bool
        /// The size of a group, for `group`.
        public var groupSize: Int?

        /// A scheme.
        public init(
            bits: Int, type: String = "int", symmetric: Bool = true, strategy: String, dynamic: Bool = false,
            groupSize: Int? = nil
        ) {
            self.bits = bits
            self.type = type
            self.symmetric = symmetric
            self.strategy = strategy
            self.dynamic = dynamic
            self.groupSize = groupSize
        }

        init(_ reader: JSONReader, key: String) throws(FileError) {
            bits = try reader.integer("num_bits", default: 8, in: 1...64)
            type = try reader.string("type", default: "int")
            symmetric = try reader.bool("symmetric", default: true)
            let group = try reader.integer("group_size", default: 0, in: -1...(.max))
            groupSize = group > 0 ? group : nil
            strategy = try reader.string(
                "strategy", default: group > 0 ? "group" : group < 0 ? "channel" : "tensor")
            dynamic = try reader.bool("dynamic", default: false)
        }

        var object: JSONObject {
            [
                "num_bits": .number(bits), "type": .string(type), "symmetric": .bool(symmetric),
                "strategy": .string(strategy), "dynamic": .bool(dynamic),
                "group_size": groupSize.map { .number($0) } ?? .null,
            ]
        }

        /// Symmetric int8 weights with one scale per output channel.
        public static let int8Channel = Scheme(bits: 8, strategy: "channel")
        /// Symmetric int8 activations with one scale per token, found while running.
        public static let int8DynamicToken = Scheme(bits: 8, strategy: "token", dynamic: true)
        /// Symmetric int4 weights with one scale for each group of a row.
        public static func int4(group: Int) -> Scheme { Scheme(bits: 4, strategy: "group", groupSize: group) }
    }

    /// Modules that are quantized alike (`config_groups`).
    public struct Group: Sendable, Equatable {
        /// Module names, class names (`Linear`), or `re:` and a pattern.
        public var targets: [String]
        /// How weights are stored.
        public var weights: Scheme?
        /// How inputs are quantized before the product; nil where they stay floats.
        public var inputs: Scheme?
        /// The format of these modules, where others have another one.
        public var format: String?

        /// A group.
        public init(targets: [String], weights: Scheme?, inputs: Scheme?, format: String? = nil) {
            self.targets = targets
            self.weights = weights
            self.inputs = inputs
            self.format = format
        }

        var object: JSONObject {
            var result: JSONObject = [
                "targets": .array(targets.map { .string($0) }), "weights": weights.map { .object($0.object) } ?? .null,
                "input_activations": inputs.map { .object($0.object) } ?? .null, "output_activations": .null,
            ]
            if let format { result["format"] = .string(format) }
            return result
        }
    }

    /// The integers that this library makes weights of.
    public enum Form: Hashable, Comparable, Sendable {
        /// 8 bits, a scale for each output.
        case int8
        /// 4 bits, a scale for each group.
        case int4(group: Int)

        /// The format in files.
        public var format: String {
            switch self {
            case .int8: "int-quantized"
            case .int4: "pack-quantized"
            }
        }

        fileprivate func group(_ targets: [String], format: String?) -> Group {
            switch self {
            case .int8: Group(targets: targets, weights: .int8Channel, inputs: .int8DynamicToken, format: format)
            case .int4(let group): Group(targets: targets, weights: .int4(group: group), inputs: nil, format: format)
            }
        }
    }

    /// How sparse weights are stored (`sparsity_config`).
    public struct Sparsity: Sendable, Equatable {
        /// `sparse-bitmask`, or `dense`: zeros stored like other values.
        public var format: String
        /// Modules that are stored so; names, class names, or `re:` and a pattern.
        public var targets: [String]
        /// Modules that are not.
        public var ignored: [String]
        /// The share of zeros, as a number from 0 to 1.
        public var globalSparsity: Double
        /// `unstructured` or `2:4`.
        public var structure: String

        /// A sparse format.
        public init(
            format: String = "sparse-bitmask", targets: [String], ignored: [String] = [], globalSparsity: Double,
            structure: String = "unstructured"
        ) {
            self.format = format
            self.targets = targets
            self.ignored = ignored
            self.globalSparsity = globalSparsity
            self.structure = structure
        }
    }

    /// The format of quantized weights (`int-quantized`, `pack-quantized`, `mixed-precision`); nil where nothing is
    /// quantized.
    public var format: String?
    /// What is quantized how, in the order of the file.
    public var groups: [Group]
    /// Modules that stay as they are (`ignore`).
    public var ignored: [String]
    /// How sparse weights are stored; nil where they are not.
    public var sparsity: Sparsity?
    /// All keys as they were read, so that unknown ones are kept.
    var original: JSONObject = [:]

    /// A compression made in memory.
    public init(format: String? = nil, groups: [Group] = [], ignored: [String] = [], sparsity: Sparsity? = nil) {
        self.format = format
        self.groups = groups
        self.ignored = ignored
        self.sparsity = sparsity
    }

    /// int8 weights per channel and int8 activations per token, in the modules `targets`.
    public static func int8(targets: [String] = ["Linear"], ignored: [String] = [], sparsity: Sparsity? = nil)
        -> Compression
    {
        Compression(integers: [(.int8, targets)], ignored: ignored, sparsity: sparsity)
    }

    /// Which modules consist of which integers; one pair at least.
    public init(integers: [(form: Form, targets: [String])], ignored: [String] = [], sparsity: Sparsity? = nil) {
        let formats = Set(integers.map(\.form.format))
        let isMixed = formats.count > 1
        self.init(
            format: isMixed ? "mixed-precision" : formats.first,
            groups: integers.map { $0.form.group($0.targets, format: isMixed ? $0.form.format : nil) },
            ignored: ignored, sparsity: sparsity)
    }

    init(_ reader: JSONReader) throws(FileError) {
        original = reader.object
        guard try reader.string("quant_method") == "compressed-tensors" else {
            throw reader.failure(
                "quant_method", expected: "\"compressed-tensors\"",
                fix: "convert the model with llm-compressor, or load an unquantized one")
        }
        groups = []
        ignored = try reader.strings("ignore", default: [])
        if reader.has("config_groups") {
            format = try reader.string("format")
            let all = try reader.reader("config_groups")
            for name in all.object.keys {
                let group = try all.reader(name)
                func scheme(_ key: String) throws(FileError) -> Scheme? {
                    group.has(key) ? try Scheme(try group.reader(key), key: key) : nil
                }
                groups.append(
                    Group(
                        targets: try group.strings("targets"), weights: try scheme("weights"),
                        inputs: try scheme("input_activations"),
                        format: group.has("format") ? try group.string("format") : nil))
            }
        }
        if reader.has("sparsity_config") {
            let part = try reader.reader("sparsity_config")
            sparsity = Sparsity(
                format: try part.string("format"), targets: try part.strings("targets", default: []),
                ignored: try part.strings("ignore", default: []),
                globalSparsity: try part.double("global_sparsity", default: 0),
                structure: try part.string("sparsity_structure", default: "unstructured"))
        }
    }

    /// The `quantization_config` object.
    public var object: JSONObject {
        var result = original
        result["quant_method"] = "compressed-tensors"
        if let format {
            result["format"] = .string(format)
            result["quantization_status"] = "compressed"
            result["config_groups"] = .object(
                JSONObject(
                    groups.enumerated().map { index, group in ("group_\(index)", .object(group.object)) }))
            result["ignore"] = .array(ignored.map { .string($0) })
        } else {
            for key in ["format", "quantization_status", "config_groups", "ignore"] { result[key] = nil }
        }
        result["sparsity_config"] = sparsity.map { sparsity in
            [
                "format": .string(sparsity.format), "targets": .array(sparsity.targets.map { .string($0) }),
                "ignore": .array(sparsity.ignored.map { .string($0) }),
                "global_sparsity": .number(sparsity.globalSparsity),
                "sparsity_structure": .string(sparsity.structure),
            ]
        }
        return result
    }

    /// Two compressions are equal when they say the same; unknown keys do not count.
    public static func == (a: Compression, b: Compression) -> Bool {
        a.format == b.format && a.groups == b.groups && a.ignored == b.ignored && a.sparsity == b.sparsity
    }
}
