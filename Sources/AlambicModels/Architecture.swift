import AlambicFiles
import AlambicKernels
import AlambicTensor

/// How a parameter's values start.
public enum Initialization: Sendable, Equatable {
    /// All zero.
    case zeros
    /// All one.
    case ones
    /// Normal with mean 0 and this standard deviation.
    case normal(deviation: Float)
}

/// One parameter of an architecture: everything that optimizers, checkpoints, pruning, quantization and loading need
/// to know about it.
public struct ParameterDescription: Sendable {
    /// The path, as Hugging Face names the tensor: `h.0.attn.c_attn.weight`.
    public let path: String
    /// The extents in memory; [outputs, inputs] for matrices.
    public let shape: Shape
    /// What it is to the model.
    public let kind: ParameterKind
    /// How it starts.
    public let initialization: Initialization
    /// Whether weight decay applies.
    public let decays: Bool
    /// Whether files hold the dense form as [inputs, outputs] (GPT-2's Conv1D).
    public let storedTransposed: Bool
    /// The layer that it belongs to, if any.
    public let layer: Int?

    /// A description; by default matrices and token tables decay.
    public init(
        path: String, shape: Shape, kind: ParameterKind, initialization: Initialization, decays: Bool? = nil,
        storedTransposed: Bool = false, layer: Int? = nil
    ) {
        self.path = path
        self.shape = shape
        self.kind = kind
        self.initialization = initialization
        self.decays = decays ?? (kind == .matrix || kind == .embedding)
        self.storedTransposed = storedTransposed
        self.layer = layer
    }
}

/// What a kind of model is made of, and its forward pass, written once for training and inference.
///
/// To add one, write a file in `Architectures/` and add it to `ArchitectureRegistry.all`.
public protocol Architecture: Sendable {
    /// The `model_type` of its `config.json`.
    static var modelType: String { get }

    /// Reads and checks a `config.json`.
    init(_ configuration: ModelConfiguration) throws(FileError)
    /// Writes its keys into a configuration, leaving others as they are.
    func write(into configuration: inout ModelConfiguration)

    /// Number of blocks.
    var layers: Int { get }
    /// Width of the residual stream.
    var width: Int { get }
    /// Width of the feed-forward layers.
    var inner: Int { get }
    /// Attention heads of a whole layer.
    var heads: Int { get }
    /// For each layer its heads times their width: `width`, unless heads have been removed.
    var attentionWidths: [Int] { get }
    /// The longest sequence in tokens.
    var context: Int { get }
    /// Number of tokens.
    var vocabulary: Int { get }
    /// Dropout rate of the residual branches while training.
    var dropout: Double { get }

    /// The same architecture with another dropout rate everywhere.
    func withDropout(_ rate: Double) -> Self
    /// The same architecture with another number of blocks.
    func withLayers(_ layers: Int) -> Self

    /// The walk: all parameters in their order. `ParameterID`s are indices into it.
    var parameters: [ParameterDescription] { get }
    /// The weights [vocabulary, width] that turn hidden states into logits.
    var head: ParameterID { get }

    /// Where inputs of linear layers can be scaled without a change of what the model computes; nowhere by default.
    var inputScalings: [InputScaling] { get }

    /// The forward pass up to the last hidden states, [batch, length, width].
    func hidden<G: Graph>(_ tokens: Tokens, on graph: G) throws(KernelError) -> G.Value

    /// The path of the parameter that has the same place in another layer; paths outside of layers stay.
    func path(_ path: String, withLayer layer: (Int) -> Int) -> String
    /// What names in files may start with (`transformer.`), besides nothing.
    static var filePrefixes: [String] { get }
    /// Whether a tensor in a file, named without prefix, says nothing that the model needs.
    func ignores(fileName name: String) -> Bool
}

extension Architecture {
    /// Nowhere.
    public var inputScalings: [InputScaling] { [] }

    /// Number of trainable values.
    public var parameterCount: Int { parameters.reduce(0) { $0 + $1.shape.count } }

    /// The width in every layer.
    public var attentionWidths: [Int] { [Int](repeating: width, count: layers) }
}

/// The architectures that a `config.json` can name.
public enum ArchitectureRegistry {
    /// Every architecture there is. A new one is one line here.
    public static let all: [any Architecture.Type] = [GPT.self]

    /// The architecture that a configuration describes.
    public static func architecture(for configuration: ModelConfiguration) throws(FileError) -> any Architecture {
        let name = try configuration.modelType
        guard let type = all.first(where: { $0.modelType == name }) else {
            let known = all.map { $0.modelType }.joined(separator: " or ")
            throw FileError(
                .unsupported, path: configuration.path, "the model type '\(name)' is not supported", expected: known,
                found: name, fix: "use a model of type \(known)")
        }
        return try type.init(configuration)
    }
}
