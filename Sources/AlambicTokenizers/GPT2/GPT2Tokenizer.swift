import Foundation

/// GPT-2's byte-level byte-pair encoding (Radford et al. 2019, §2.2): text is cut by a pattern into pieces, roughly words
/// with the space before them, and in each piece neighbouring tokens are merged, the pair of lowest rank first, beginning
/// with single bytes. Every byte sequence has tokens, and they give it back.
///
/// Special tokens, such as `<|endoftext|>`, are known by their text, as in Hugging Face's tokenizers.
public struct GPT2Tokenizer: Tokenizer {
    /// `GPT2Tokenizer`.
    public static let className = "GPT2Tokenizer"

    let vocabulary: GPT2Vocabulary
    /// That of tokens, merges and special tokens.
    public let digest: UInt64

    /// Reads `vocab.json` and `merges.txt`, or `encoder.json` and `vocab.bpe`, as OpenAI called them, or `tokenizer.json`.
    public init(files: TokenizerFiles) throws(TokenizerError) {
        vocabulary = try GPT2Vocabulary(files)
        digest = vocabulary.digest
    }

    /// Reads the files of a directory.
    public init(directory: URL) throws(TokenizerError) { try self.init(files: TokenizerFiles(directory: directory)) }

    /// Whether there are files that hold GPT-2's vocabulary and merges.
    static func hasVocabulary(_ files: TokenizerFiles) -> Bool {
        files.have("vocab.json", "merges.txt") || files.have("encoder.json", "vocab.bpe")
    }

    /// The number of tokens, special ones included: 50257 for GPT-2's own.
    public var vocabularySize: Int { vocabulary.count }

    /// The token of a special text, such as `<|endoftext|>`.
    public func token(ofSpecial text: String) -> Int32? {
        vocabulary.specials.first { $0.text == Array(text.utf8) }?.token
    }

    /// The tokens of some bytes. Where the text of a special token stands, it becomes that token.
    public func encode(_ bytes: [UInt8]) -> [Int32] { encode(bytes, specials: vocabulary.specials) }

    /// The tokens of some bytes, in which the text of a special token is text like any other: for what strangers wrote, and
    /// for what GPT-2's own code calls `encode_ordinary`.
    public func encodeOrdinary(_ bytes: [UInt8]) -> [Int32] { encode(bytes, specials: []) }

    private func encode(_ bytes: [UInt8], specials: [GPT2Vocabulary.Special]) -> [Int32] {
        var tokens: [Int32] = []
        tokens.reserveCapacity(bytes.count / 3)
        bytes.withUnsafeBufferPointer { text in
            var encoder = PieceEncoder(vocabulary, text)
            var start = 0
            while start < text.count {
                let special = Self.next(specials, in: text, from: start)
                encoder.encode(start..<(special?.place ?? text.count), into: &tokens)
                guard let special else { break }
                tokens.append(special.token)
                start = special.place + special.length
            }
        }
        return tokens
    }

    /// The first special token's text from `start` on, the longest of several.
    private static func next(
        _ specials: [GPT2Vocabulary.Special], in text: UnsafeBufferPointer<UInt8>, from start: Int
    ) -> (place: Int, length: Int, token: Int32)? {
        guard !specials.isEmpty, let base = text.baseAddress else { return nil }
        var at = start
        // They all begin with '<'.
        while at < text.count, let found = memchr(base + at, Int32(UInt8(ascii: "<")), text.count - at) {
            at = UnsafeRawPointer(found) - UnsafeRawPointer(base)
            for special in specials where text[at...].starts(with: special.text) {
                return (at, special.text.count, special.token)
            }
            at += 1
        }
        return nil
    }

    /// The bytes of the tokens.
    public func decode(_ tokens: [Int32]) throws(TokenizerError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tokens.count * 4)
        for token in tokens {
            guard token >= 0, Int(token) < vocabulary.count else {
                throw .unknownToken(token, vocabularySize: vocabularySize)
            }
            bytes += vocabulary.bytes(of: token)
        }
        return bytes
    }

    /// `tokenizer_config.json`, `vocab.json` and `merges.txt`, as Hugging Face's libraries read them.
    public var files: [(name: String, contents: [UInt8])] {
        [configurationFile, ("vocab.json", vocabulary.json), ("merges.txt", vocabulary.mergesText)]
    }
}

/// Encodes the pieces of one text.
private struct PieceEncoder {
    private let text: UnsafeBufferPointer<UInt8>
    private let byteTokens: [Int32]
    private var merger: Merger
    private var cache: PieceCache

    init(_ vocabulary: GPT2Vocabulary, _ text: UnsafeBufferPointer<UInt8>) {
        self.text = text
        byteTokens = vocabulary.byteTokens
        merger = Merger(vocabulary.merges)
        cache = PieceCache(textSize: text.count)
    }

    mutating func encode(_ part: Range<Int>, into tokens: inout [Int32]) {
        GPT2Pattern.Kind.table.withUnsafeBufferPointer { table in
            let pattern = GPT2Pattern(text: text, end: part.upperBound, table: table)
            var start = part.lowerBound
            while start < part.upperBound {
                let end = pattern.endOfPiece(from: start)
                add(start..<end, to: &tokens)
                start = end
            }
        }
    }

    @inline(__always)
    private mutating func add(_ piece: Range<Int>, to tokens: inout [Int32]) {
        if piece.count == 1 {
            tokens.append(byteTokens[Int(text[piece.lowerBound])])
            return
        }
        let hash = PieceCache.hash(text, piece)
        if let hash, let known = cache.find(hash, piece, in: text) {
            for place in known { tokens.append(tokens[place]) }
            return
        }
        merger.merge(text[piece].lazy.map { [byteTokens] in byteTokens[Int($0)] })
        let first = tokens.count
        tokens.append(contentsOf: merger.tokens)
        if let hash { cache.add(hash, piece, tokens: first..<tokens.count) }
    }
}
