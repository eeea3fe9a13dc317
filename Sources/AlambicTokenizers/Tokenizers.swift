import Foundation

/// The tokenizers that a model directory can name.
public enum Tokenizers {
    /// One line per tokenizer.
    public static let all: [any Tokenizer.Type] = [
        ByteTokenizer.self, CharacterTokenizer.self, GPT2Tokenizer.self,
    ]

    /// The tokenizer of a model directory, as its `tokenizer_config.json` says.
    public static func load(modelDirectory: URL) throws(TokenizerError) -> any Tokenizer {
        try load(TokenizerFiles(directory: modelDirectory))
    }

    /// The tokenizer that some files say. Where no class is named but GPT-2's files are there, as in its own directory, it
    /// is GPT-2's.
    public static func load(_ files: TokenizerFiles) throws(TokenizerError) -> any Tokenizer {
        let configuration = "tokenizer_config.json"
        let looksLikeGPT2 = GPT2Tokenizer.hasVocabulary(files)
        guard try files.contents(of: configuration) != nil else {
            if looksLikeGPT2 { return try GPT2Tokenizer(files: files) }
            throw .missing(path: files.path(of: configuration))
        }
        guard let name = try files.object(configuration)["tokenizer_class"] as? String else {
            if looksLikeGPT2 { return try GPT2Tokenizer(files: files) }
            throw .malformed(path: files.path(of: configuration), reason: "key 'tokenizer_class': expected a string")
        }
        // Hugging Face names the same tokenizer with and without `Fast`.
        let plain = name.hasSuffix("Fast") ? String(name.dropLast(4)) : name
        guard let type = all.first(where: { $0.className == plain }) else {
            throw .unsupported(path: files.path(of: configuration), name: name, known: all.map { $0.className })
        }
        return try type.init(files: files)
    }
}
