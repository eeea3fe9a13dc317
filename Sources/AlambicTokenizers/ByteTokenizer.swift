/// Every byte is a token: 256 of them, nothing to learn, and no text that it cannot hold.
public struct ByteTokenizer: Tokenizer, Equatable {
    /// `ByteTokenizer`.
    public static let className = "ByteTokenizer"

    /// A byte tokenizer.
    public init() {}

    /// A byte tokenizer: the files have nothing more to say.
    public init(files: TokenizerFiles) throws(TokenizerError) {}

    /// 256.
    public var vocabularySize: Int { 256 }

    /// That of the name: there is one byte tokenizer.
    public var digest: UInt64 {
        var digest = Digest()
        digest.add(Self.className)
        return digest.value
    }

    /// The bytes as numbers.
    public func encode(_ bytes: [UInt8]) -> [Int32] { bytes.map { Int32($0) } }

    /// The numbers as bytes.
    public func decode(_ tokens: [Int32]) throws(TokenizerError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tokens.count)
        for token in tokens {
            guard let byte = UInt8(exactly: token) else {
                throw .unknownToken(token, vocabularySize: vocabularySize)
            }
            bytes.append(byte)
        }
        return bytes
    }

    /// `tokenizer_config.json`.
    public var files: [(name: String, contents: [UInt8])] { [configurationFile] }
}

extension Tokenizer where Self == ByteTokenizer {
    /// Every byte is a token.
    public static var bytes: ByteTokenizer { ByteTokenizer() }
}
