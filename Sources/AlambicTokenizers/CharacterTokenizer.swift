import Foundation

/// Every distinct character of a text is a token, numbered in the order of Unicode: what nanoGPT's character models use.
/// (tiny Shakespeare has 65.)
///
/// A character is a Unicode scalar, as in Python. In a model directory the characters stand in `characters.json`, as
/// `{"characters": "…"}`.
public struct CharacterTokenizer: Tokenizer, Equatable {
    /// `CharacterTokenizer`.
    public static let className = "CharacterTokenizer"
    private static let fileName = "characters.json"

    /// The characters: token i is number i of them.
    public let characters: [UnicodeScalar]
    private let ascii: [Int32]
    private let others: [UInt32: Int32]

    /// A tokenizer for the characters of a text in UTF-8.
    /// - Throws: `TokenizerError.notUTF8` with the place of the first byte that belongs to no character; `noText`.
    public init(of text: [UInt8]) throws(TokenizerError) {
        var seenASCII = [Bool](repeating: false, count: 128)
        var seen: Set<UInt32> = []
        try Self.scan(text) { value, _ in
            if value < 128 { seenASCII[Int(value)] = true } else { seen.insert(value) }
        }
        for value in 0..<128 where seenASCII[value] { seen.insert(UInt32(value)) }
        guard !seen.isEmpty else { throw .noText }
        self.init(characters: seen.sorted().compactMap { UnicodeScalar($0) })
    }

    private init(characters: [UnicodeScalar]) {
        self.characters = characters
        var ascii = [Int32](repeating: -1, count: 128)
        var others: [UInt32: Int32] = [:]
        for (token, scalar) in characters.enumerated() {
            if scalar.isASCII { ascii[Int(scalar.value)] = Int32(token) } else { others[scalar.value] = Int32(token) }
        }
        self.ascii = ascii
        self.others = others
    }

    /// Reads `characters.json`.
    public init(files: TokenizerFiles) throws(TokenizerError) {
        let path = files.path(of: Self.fileName)
        guard let text = try files.object(Self.fileName)["characters"] as? String, !text.isEmpty else {
            throw .malformed(path: path, reason: "key 'characters': expected a string of at least one character")
        }
        let characters = Array(text.unicodeScalars)
        for (one, next) in zip(characters, characters.dropFirst()) where one >= next {
            throw .malformed(path: path, reason: "key 'characters': expected each character once, in ascending order")
        }
        self.init(characters: characters)
    }

    /// The number of characters.
    public var vocabularySize: Int { characters.count }

    /// That of the characters.
    public var digest: UInt64 {
        var digest = Digest()
        digest.add(Self.className)
        for scalar in characters { digest.add(Int(scalar.value)) }
        return digest.value
    }

    /// The tokens of text in UTF-8.
    /// - Throws: `TokenizerError` with the place of a character that it has no token for, or of a byte that belongs to none.
    public func encode(_ bytes: [UInt8]) throws(TokenizerError) -> [Int32] {
        var tokens: [Int32] = []
        tokens.reserveCapacity(bytes.count)
        try Self.scan(bytes) { (value, offset) throws(TokenizerError) in
            let token = value < 128 ? ascii[Int(value)] : others[value] ?? -1
            guard token >= 0 else {
                throw .unknownCharacter(value, offset: offset, vocabularySize: vocabularySize)
            }
            tokens.append(token)
        }
        return tokens
    }

    /// The characters of the tokens, in UTF-8.
    public func decode(_ tokens: [Int32]) throws(TokenizerError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tokens.count)
        for token in tokens {
            guard token >= 0, Int(token) < characters.count else {
                throw .unknownToken(token, vocabularySize: vocabularySize)
            }
            bytes += UTF8.encode(characters[Int(token)]) ?? UTF8.encodedReplacementCharacter
        }
        return bytes
    }

    /// `tokenizer_config.json` and `characters.json`.
    public var files: [(name: String, contents: [UInt8])] {
        var text = "{\"characters\": \""
        for scalar in characters {
            switch scalar {
            case "\"", "\\": text += "\\\(scalar)"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                text += "\\u" + ("000" + String(scalar.value, radix: 16)).suffix(4)
            default: text.unicodeScalars.append(scalar)
            }
        }
        return [configurationFile, (Self.fileName, Array((text + "\"}\n").utf8))]
    }

    /// Calls `body` with every scalar and its place.
    private static func scan(
        _ bytes: [UInt8], _ body: (_ value: UInt32, _ offset: Int) throws(TokenizerError) -> Void
    ) throws(TokenizerError) {
        try bytes.withUnsafeBufferPointer { (text) throws(TokenizerError) in
            var at = 0
            while at < text.count {
                let (value, length) = scalar(in: text, at: at)
                guard let value else { throw .notUTF8(text[at], offset: at) }
                try body(value, at)
                at += length
            }
        }
    }
}
