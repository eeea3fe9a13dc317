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
    /// A number that tells corpora apart: FNV-1a over vocabulary and tokens; for a part, mixed with its place in the whole.
    public let digest: UInt64
    /// The tokens.
    public let tokens: CorpusTokens
    /// What made the tokens.
    public let tokenizer: any Tokenizer

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
        let vocabulary = tokenizer.vocabularySize
        self.init(
            name: name, vocabulary: vocabulary, byteCount: bytes.count,
            digest: TokenFile.digest(of: tokens, vocabulary: vocabulary), tokens: CorpusTokens(tokens),
            tokenizer: tokenizer)
    }

    private init(
        name: String, vocabulary: Int, byteCount: Int, digest: UInt64, tokens: CorpusTokens, tokenizer: any Tokenizer
    ) {
        self.name = name
        self.vocabulary = vocabulary
        self.byteCount = byteCount
        self.digest = digest
        self.tokens = tokens
        self.tokenizer = tokenizer
    }

    /// The first `fraction` of the tokens, to train on, and the rest, held out to measure on.
    public func split(_ fraction: Double) throws(CorpusError) -> (train: Corpus, held: Corpus) {
        guard fraction > 0, fraction < 1 else { throw .badFraction(fraction) }
        let cut = tokens.startIndex + Int(Double(tokens.count) * fraction)
        guard cut > tokens.startIndex, cut < tokens.endIndex else {
            throw .tooShort(name, tokens: tokens.count, needed: 2)
        }
        let restBytes = try byteCount(of: cut..<tokens.endIndex)
        let train = part(tokens.startIndex..<cut, named: name, bytes: byteCount - restBytes)
        return (train, part(cut..<tokens.endIndex, named: "\(name) (held out)", bytes: restBytes))
    }

    /// The first `count` tokens, or all when there are fewer: for a quick measurement.
    public func prefix(_ count: Int) throws(CorpusError) -> Corpus {
        guard count < tokens.count else { return self }
        let range = tokens.startIndex..<tokens.startIndex + count
        return part(range, named: name, bytes: try byteCount(of: range))
    }

    private func part(_ range: Range<Int>, named name: String, bytes: Int) -> Corpus {
        let place = mixed(UInt64(range.lowerBound) ^ mixed(UInt64(range.upperBound)))
        return Corpus(
            name: name, vocabulary: vocabulary, byteCount: max(bytes, 1), digest: mixed(digest ^ place),
            tokens: tokens[range], tokenizer: tokenizer)
    }

    /// Bytes of text that some of the tokens stand for, a piece at a time: the corpus may be larger than memory.
    private func byteCount(of range: Range<Int>) throws(CorpusError) -> Int {
        var sum = 0
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 1 << 20) {
            let piece = tokens.array(start..<min(start + 1 << 20, range.upperBound))
            do { sum += try tokenizer.decode(piece).count } catch { throw .tokens(name, error) }
        }
        return sum
    }

    /// Bytes of text per token, on average.
    public var bytesPerToken: Double { Double(byteCount) / Double(tokens.count) }
}

extension Corpus {
    /// Opens a tokenized corpus, as ``write(to:)`` and `alambic tokenize` make it. The file is mapped: its tokens come into
    /// memory when they are looked at, and none is copied or read beforehand.
    ///
    /// - Parameter tokenizer: what its tokens must have been made with; by default the one that the file carries.
    /// - Throws: `CorpusError.file` for a file that is of another kind, cut off or damaged, `otherTokenizer` for one that
    ///   was made with another tokenizer.
    public init(mapping path: String, tokenizer: (any Tokenizer)? = nil) throws(CorpusError) {
        let file: TokenFile
        do { file = try TokenFile(URL(fileURLWithPath: path)) } catch { throw .file(error) }
        let own: any Tokenizer
        if let tokenizer {
            guard tokenizer.digest == file.tokenizerDigest, tokenizer.vocabularySize == file.vocabulary else {
                throw .otherTokenizer(
                    path, made: Self.described(file.tokenizerName, file.vocabulary, file.tokenizerDigest),
                    given: Self.described(tokenizer.name, tokenizer.vocabularySize, tokenizer.digest))
            }
            own = tokenizer
        } else {
            do {
                own = try Tokenizers.load(TokenizerFiles(file.tokenizerFiles, path: path))
            } catch {
                throw .tokens(path, error)
            }
            guard own.digest == file.tokenizerDigest else {
                throw .otherTokenizer(
                    path, made: Self.described(file.tokenizerName, file.vocabulary, file.tokenizerDigest),
                    given: Self.described(own.name, own.vocabularySize, own.digest))
            }
        }
        self.init(
            name: path, vocabulary: file.vocabulary, byteCount: file.textBytes, digest: file.digest,
            tokens: CorpusTokens(file), tokenizer: own)
    }

    /// Whether a file is a tokenized corpus, to be mapped, or else text, to be tokenized.
    public static func isTokenized(_ path: String) -> Bool { TokenFile.isOne(URL(fileURLWithPath: path)) }

    /// Writes the tokens, with their tokenizer, as a file that `init(mapping:)` opens; whole or not at all.
    public func write(to path: String) throws {
        try TokenFile.write(
            tokens.array(tokens.startIndex..<tokens.endIndex), textBytes: byteCount, vocabulary: vocabulary,
            tokenizer: (tokenizer.name, tokenizer.digest, tokenizer.files), to: URL(fileURLWithPath: path))
    }

    private static func described(_ name: String, _ vocabulary: Int, _ digest: UInt64) -> String {
        "\(name) (\(vocabulary) tokens, hash \(String(digest, radix: 16)))"
    }
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
    /// Text that the tokenizer has no tokens for, or tokens that do not stand for bytes.
    case tokens(String, TokenizerError)
    /// It was tokenized with another tokenizer.
    case otherTokenizer(String, made: String, given: String)

    /// One line that says what is wrong and what to do.
    public var description: String {
        switch self {
        case .file(let error): error.description
        case .empty(let name): "corpus '\(name)' is empty: give a file with text"
        case .tooShort(let name, let tokens, let needed):
            "corpus '\(name)' has \(tokens) tokens and at least \(needed) are needed: give more text or a shorter context"
        case .badFraction(let fraction): "cannot split a corpus at \(fraction): use a number between 0 and 1"
        case .tokens(let name, let error): "corpus '\(name)': \(error)"
        case .otherTokenizer(let name, let made, let given):
            "corpus '\(name)' was made with \(made) and is used with \(given): "
                + "use its own tokenizer, or tokenize the text again"
        }
    }
}
