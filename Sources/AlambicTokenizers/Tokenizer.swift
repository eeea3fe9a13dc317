import Foundation

/// Turns text into token numbers and back. `decode(encode(x)) == x` for all bytes.
public protocol Tokenizer: Sendable {
    /// The class name that a model directory's `tokenizer_config.json` gives.
    static var className: String { get }
    /// Tokens are numbered from 0 to below this.
    var vocabularySize: Int { get }
    /// The tokens of some bytes.
    func encode(_ bytes: [UInt8]) -> [Int32]
    /// The bytes of some tokens.
    /// - Throws: `TokenizerError.unknownToken` for a number that is no token.
    func decode(_ tokens: [Int32]) throws(TokenizerError) -> [UInt8]
    /// The files that say, in a model directory, which tokenizer a model uses, by name.
    var files: [(name: String, contents: [UInt8])] { get }
    /// Reads the tokenizer from a model directory whose `tokenizer_config.json` names this class.
    init(modelDirectory: URL) throws(TokenizerError)
}

extension Tokenizer {
    /// The name to show.
    public var name: String { Self.className }

    /// The tokens of a text.
    public func encode(_ text: String) -> [Int32] { encode(Array(text.utf8)) }

    /// The text of some tokens; bytes that are not UTF-8, as those of a character cut in two, become U+FFFD.
    public func text(_ tokens: [Int32]) throws(TokenizerError) -> String {
        String(decoding: try decode(tokens), as: UTF8.self)
    }
}

/// What can be wrong with a tokenizer, in one line.
public enum TokenizerError: Error, Equatable, Sendable, CustomStringConvertible, LocalizedError {
    /// A number that is no token.
    case unknownToken(Int32, vocabularySize: Int)
    /// The model directory does not say which tokenizer the model uses.
    case missing(path: String)
    /// The tokenizer's file cannot be read or is not what it should be.
    case malformed(path: String, reason: String)
    /// A tokenizer that this library does not have.
    case unsupported(path: String, name: String, known: [String])

    /// The line.
    public var description: String {
        switch self {
        case .unknownToken(let token, let size):
            "token \(token) is not in the vocabulary: expected 0 to \(size - 1); the model and tokenizer do not match"
        case .missing(let path):
            "\(path): there is no tokenizer_config.json; copy the model's tokenizer files beside its config.json"
        case .malformed(let path, let reason):
            "\(path): \(reason); copy the model's tokenizer files again"
        case .unsupported(let path, let name, let known):
            "\(path): the tokenizer '\(name)' is not supported: expected \(known.joined(separator: " or "));"
                + " use a model with one of these"
        }
    }

    /// The same line.
    public var errorDescription: String? { description }
}

/// The tokenizers that a model directory can name.
public enum Tokenizers {
    /// One line per tokenizer.
    public static let all: [any Tokenizer.Type] = [
        ByteTokenizer.self
    ]

    /// The tokenizer of a model directory, as its `tokenizer_config.json` says.
    public static func load(modelDirectory: URL) throws(TokenizerError) -> any Tokenizer {
        let url = modelDirectory.appendingPathComponent("tokenizer_config.json")
        let name = try className(url)
        // Hugging Face names the same tokenizer with and without `Fast`.
        let plain = name.hasSuffix("Fast") ? String(name.dropLast(4)) : name
        guard let type = all.first(where: { $0.className == plain }) else {
            throw .unsupported(path: url.path, name: name, known: all.map { $0.className })
        }
        return try type.init(modelDirectory: modelDirectory)
    }

    private static func className(_ url: URL) throws(TokenizerError) -> String {
        let path = url.path
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw .missing(path: path)
        }
        if isDirectory.boolValue { throw .malformed(path: path, reason: "this is a directory, expected a file") }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw .malformed(path: path, reason: "the file cannot be read")
        }
        guard let json = try? JSONSerialization.jsonObject(with: data), let object = json as? [String: Any] else {
            throw .malformed(path: path, reason: "this is not a JSON object")
        }
        guard let name = object["tokenizer_class"] as? String else {
            throw .malformed(path: path, reason: "key 'tokenizer_class': expected a string")
        }
        return name
    }
}
