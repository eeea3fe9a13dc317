import AlambicFiles
import AlambicTokenizers
import Foundation

/// Text as tokens: what models are trained and measured on.
///
/// Parts made by ``split(_:)`` share the tokens of the whole.
public struct Corpus: Sendable {
    /// Where the text came from, for messages and reports.
    public let name: String
    /// The number of different tokens that the tokenizer can produce: the vocabulary of a model for this corpus.
    public let vocabulary: Int
    /// The number of bytes of text that the tokens stand for: what bits per byte are measured against.
    public let byteCount: Int
    /// A number that tells corpora apart: FNV-1a over vocabulary and tokens.
    public let digest: UInt64
    /// The tokens.
    public let tokens: ArraySlice<Int32>
    private let tokenizer: any Tokenizer

    /// Reads and tokenizes a text file, or the text files of a directory.
    public init(contentsOf path: String, tokenizer: some Tokenizer) throws(CorpusError) {
        try self.init(contentsOf: [path], tokenizer: tokenizer, name: path)
    }

    /// Reads text files, and directories of such, in the order given, and tokenizes all of it.
    public init(contentsOf paths: [String], tokenizer: some Tokenizer, name: String) throws(CorpusError) {
        let text: TextFile
        do { text = try TextFile.read(paths.map { URL(fileURLWithPath: $0) }) } catch { throw .file(error) }
        try self.init(text: text, tokenizer: tokenizer, name: name)
    }

    /// Tokenizes text that has been read.
    public init(text: TextFile, tokenizer: some Tokenizer, name: String) throws(CorpusError) {
        try self.init(text: text.bytes, tokenizer: tokenizer, name: name)
    }

    /// Tokenizes text that is already in memory.
    public init(text bytes: [UInt8], tokenizer: some Tokenizer, name: String = "text") throws(CorpusError) {
        do { try TextFile.requireText(bytes, path: name) } catch { throw .file(error) }
        let tokens: [Int32]
        do { tokens = try tokenizer.encode(bytes) } catch { throw .tokens(name, error) }
        guard !tokens.isEmpty else { throw .empty(name) }
        self.init(
            name: name, vocabulary: tokenizer.vocabularySize, byteCount: bytes.count, tokens: tokens[...],
            tokenizer: tokenizer)
    }

    private init(
        name: String, vocabulary: Int, byteCount: Int, tokens: ArraySlice<Int32>, tokenizer: any Tokenizer
    ) {
        self.name = name
        self.vocabulary = vocabulary
        self.byteCount = byteCount
        self.tokens = tokens
        self.tokenizer = tokenizer
        var digest: UInt64 = 0xCBF2_9CE4_8422_2325
        digest = (digest ^ UInt64(vocabulary)) &* 0x100_0000_01B3
        tokens.withUnsafeBufferPointer { buffer in
            for token in buffer { digest = (digest ^ UInt64(UInt32(bitPattern: token))) &* 0x100_0000_01B3 }
        }
        self.digest = digest
    }

    /// The first `fraction` of the tokens, to train on, and the rest, held out to measure on.
    public func split(_ fraction: Double) throws(CorpusError) -> (train: Corpus, held: Corpus) {
        guard fraction > 0, fraction < 1 else { throw .badFraction(fraction) }
        let cut = tokens.startIndex + Int(Double(tokens.count) * fraction)
        guard cut > tokens.startIndex, cut < tokens.endIndex else {
            throw .tooShort(name, tokens: tokens.count, needed: 2)
        }
        let rest = tokens[cut...]
        let restBytes = try byteCount(of: rest)
        let train = Corpus(
            name: name, vocabulary: vocabulary, byteCount: max(byteCount - restBytes, 1), tokens: tokens[..<cut],
            tokenizer: tokenizer)
        let held = Corpus(
            name: "\(name) (held out)", vocabulary: vocabulary, byteCount: max(restBytes, 1), tokens: rest,
            tokenizer: tokenizer)
        return (train, held)
    }

    /// The first `count` tokens, or all when there are fewer: for a quick measurement.
    public func prefix(_ count: Int) throws(CorpusError) -> Corpus {
        guard count < tokens.count else { return self }
        let part = tokens.prefix(count)
        return Corpus(
            name: name, vocabulary: vocabulary, byteCount: max(try byteCount(of: part), 1), tokens: part,
            tokenizer: tokenizer)
    }

    private func byteCount(of part: ArraySlice<Int32>) throws(CorpusError) -> Int {
        do {
            return try tokenizer.decode(Array(part)).count
        } catch {
            throw .tokens(name, error)
        }
    }

    /// Bytes of text per token, on average.
    public var bytesPerToken: Double { Double(byteCount) / Double(tokens.count) }
}

/// What can be wrong with a corpus.
public enum CorpusError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file cannot be read, or is not text.
    case file(FileError)
    /// There is no text in it.
    case empty(String)
    /// It has fewer tokens than are needed.
    case tooShort(String, tokens: Int, needed: Int)
    /// A split outside (0, 1).
    case badFraction(Double)
    /// Tokens do not stand for bytes.
    case tokens(String, TokenizerError)

    /// One line that says what is wrong and what to do.
    public var description: String {
        switch self {
        case .file(let error): error.description
        case .empty(let name): "corpus '\(name)' is empty: give a file with text"
        case .tooShort(let name, let tokens, let needed):
            "corpus '\(name)' has \(tokens) tokens and at least \(needed) are needed: give more text or a shorter context"
        case .badFraction(let fraction): "cannot split a corpus at \(fraction): use a number between 0 and 1"
        case .tokens(let name, let error): "corpus '\(name)': \(error)"
        }
    }
}
