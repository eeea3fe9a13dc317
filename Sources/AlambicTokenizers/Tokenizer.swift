import Foundation

/// Turns text into token numbers and back. `decode(encode(x)) == x` for all bytes that it can encode.
///
/// Text may be cut before an ASCII white space that follows a visible ASCII character and its parts encoded one by one:
/// the tokens are those of the whole. (Whatever contains no white space between visible characters is one token or more.)
public protocol Tokenizer: Sendable {
    /// The class name that a model directory's `tokenizer_config.json` gives.
    static var className: String { get }
    /// Tokens are numbered from 0 to below this.
    var vocabularySize: Int { get }
    /// A number that tells tokenizers apart: equal for two that give the same tokens for all text.
    var digest: UInt64 { get }
    /// The tokens of some bytes.
    /// - Throws: `TokenizerError` for text that it has no tokens for.
    func encode(_ bytes: [UInt8]) throws(TokenizerError) -> [Int32]
    /// The bytes of some tokens.
    /// - Throws: `TokenizerError.unknownToken` for a number that is no token.
    func decode(_ tokens: [Int32]) throws(TokenizerError) -> [UInt8]
    /// The files that say, in a model directory, which tokenizer a model uses, by name.
    var files: [(name: String, contents: [UInt8])] { get }
    /// Reads the tokenizer from files of which `tokenizer_config.json` names this class.
    init(files: TokenizerFiles) throws(TokenizerError)
}

extension Tokenizer {
    /// The name to show.
    public var name: String { Self.className }

    /// The tokens of a text.
    /// - Throws: `TokenizerError` for text that it has no tokens for.
    public func encode(_ text: String) throws(TokenizerError) -> [Int32] { try encode(Array(text.utf8)) }

    /// The text of some tokens; bytes that are not UTF-8, as those of a character cut in two, become U+FFFD.
    public func text(_ tokens: [Int32]) throws(TokenizerError) -> String {
        String(decoding: try decode(tokens), as: UTF8.self)
    }

    /// The tokens of a long text, encoded in parts of about `partSize` bytes: the same tokens, and a caller that learns how
    /// far it is.
    ///
    /// - Parameter progress: called after each part with the bytes done; what it throws ends the work.
    public func encode(
        _ bytes: [UInt8], partSize: Int, progress: (_ bytesDone: Int) throws -> Void
    ) throws -> [Int32] {
        precondition(partSize > 0, "parts of \(partSize) bytes")
        var tokens: [Int32] = []
        var start = 0
        while start < bytes.count {
            var end = min(start + partSize, bytes.count)
            // See the protocol: white space after something visible, both ASCII.
            while end < bytes.count,
                !(bytes[end] == 0x20 || bytes[end] == 0x0A) || !(0x21...0x7E).contains(bytes[end - 1])
            {
                end += 1
            }
            tokens += try encode(Array(bytes[start..<end]))
            start = end
            try progress(start)
        }
        return tokens
    }

    /// `tokenizer_config.json`.
    var configurationFile: (name: String, contents: [UInt8]) {
        let text = """
            {
              "tokenizer_class": "\(Self.className)",
              "vocab_size": \(vocabularySize)
            }

            """
        return ("tokenizer_config.json", Array(text.utf8))
    }
}

/// What can be wrong with a tokenizer, in one line.
public enum TokenizerError: Error, Equatable, Sendable, CustomStringConvertible, LocalizedError {
    /// A number that is no token.
    case unknownToken(Int32, vocabularySize: Int)
    /// A character that the tokenizer has no token for.
    case unknownCharacter(UInt32, offset: Int, vocabularySize: Int)
    /// A byte that belongs to no character.
    case notUTF8(UInt8, offset: Int)
    /// There is no text to learn from.
    case noText
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
        case .unknownCharacter(let value, let offset, let size):
            "at byte \(offset): the character \(Self.shown(value)) is not among the \(size) that the tokenizer knows;"
                + " use text of these alone, or another tokenizer"
        case .notUTF8(let byte, let offset):
            "at byte \(offset): byte 0x\(String(byte, radix: 16)) belongs to no character of UTF-8;"
                + " convert the text to UTF-8, or use the byte tokenizer"
        case .noText: "there is no text to count characters in; give a text that is not empty"
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

    /// Control characters would break the line, so they are shown as numbers alone.
    private static func shown(_ value: UInt32) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        let number = "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        guard let scalar = UnicodeScalar(value), value > 0x20 else { return number }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse: return number
        default: return "'\(Character(scalar))' (\(number))"
        }
    }
}
