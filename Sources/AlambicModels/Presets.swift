import AlambicFiles
import Foundation

extension ModelConfiguration {
    /// A GPT of these sizes.
    ///
    /// - Parameters:
    ///   - width: a multiple of `heads`.
    ///   - dropout: rate on the embeddings and on both residual branches while training.
    public static func gpt(
        layers: Int, width: Int, heads: Int, context: Int = 128, vocabulary: Int = 256, dropout: Double = 0
    ) -> ModelConfiguration {
        GPT2Configuration(
            layers: layers, width: width, heads: heads, context: context, vocabulary: vocabulary, dropout: dropout
        ).modelConfiguration
    }

    /// The configurations that have names: sizes that are useful to start with. `nanogpt-cpu` and `nanogpt-char` are the
    /// character models of nanoGPT (`train_shakespeare_char`), with biases.
    public static let presets: [ModelPreset] = [
        ModelPreset("gpt-nano", .gpt(layers: 4, width: 128, heads: 4, context: 128)),
        ModelPreset("gpt-small", .gpt(layers: 6, width: 384, heads: 6, context: 256)),
        ModelPreset("nanogpt-cpu", .gpt(layers: 4, width: 128, heads: 4, context: 64)),
        ModelPreset("nanogpt-char", .gpt(layers: 6, width: 384, heads: 6, context: 256, dropout: 0.2)),
        ModelPreset(
            "gpt2-124m", .gpt(layers: 12, width: 768, heads: 12, context: 1024, vocabulary: 50257, dropout: 0.1),
            takesVocabulary: false),
    ]

    /// A preset's configuration, or that of a `config.json` when `name` ends in `.json`.
    ///
    /// - Parameter vocabulary: the tokenizer's, which presets take over, but for those that are named after their size.
    /// - Throws: `ModelError.unknownPreset`, or `FileError`.
    public static func named(_ name: String, vocabulary: Int? = nil) throws -> ModelConfiguration {
        if name.hasSuffix(".json") { return try ModelConfiguration(contentsOf: URL(fileURLWithPath: name)) }
        guard let preset = presets.first(where: { $0.name == name }) else {
            throw ModelError.unknownPreset(name, known: presets.map(\.name))
        }
        guard let vocabulary, preset.takesVocabulary else { return preset.configuration }
        var sizes = try GPT2Configuration(preset.configuration)
        sizes.vocabulary = vocabulary
        return sizes.modelConfiguration
    }

    /// The same model with another number of blocks.
    public func withLayers(_ layers: Int) throws(FileError) -> ModelConfiguration {
        var configuration = self
        try ArchitectureRegistry.architecture(for: self).withLayers(layers).write(into: &configuration)
        return configuration
    }
}

/// A configuration with a name.
public struct ModelPreset: Sendable {
    /// The name.
    public let name: String
    /// The sizes, with a vocabulary of bytes unless the name says another.
    public let configuration: ModelConfiguration
    /// Whether the vocabulary becomes that of the tokenizer.
    public let takesVocabulary: Bool

    init(_ name: String, _ configuration: ModelConfiguration, takesVocabulary: Bool = true) {
        self.name = name
        self.configuration = configuration
        self.takesVocabulary = takesVocabulary
    }
}
