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

    /// The configurations that have names: sizes that are useful to start with.
    public static let presets: [(name: String, configuration: ModelConfiguration)] = [
        ("gpt-nano", .gpt(layers: 4, width: 128, heads: 4, context: 128)),
        ("gpt-small", .gpt(layers: 6, width: 384, heads: 6, context: 256)),
        ("gpt2-124m", .gpt(layers: 12, width: 768, heads: 12, context: 1024, vocabulary: 50257, dropout: 0.1)),
    ]

    /// A preset's configuration, or that of a `config.json` when `name` ends in `.json`.
    ///
    /// - Throws: `ModelError.unknownPreset`, or `FileError`.
    public static func named(_ name: String) throws -> ModelConfiguration {
        if name.hasSuffix(".json") { return try ModelConfiguration(contentsOf: URL(fileURLWithPath: name)) }
        guard let preset = presets.first(where: { $0.name == name }) else {
            throw ModelError.unknownPreset(name, known: presets.map(\.name))
        }
        return preset.configuration
    }

    /// The same model with another number of blocks.
    public func withLayers(_ layers: Int) throws(FileError) -> ModelConfiguration {
        var configuration = self
        try ArchitectureRegistry.architecture(for: self).withLayers(layers).write(into: &configuration)
        return configuration
    }
}
