import AlambicFiles

/// The tokens of a corpus, in memory or in a mapped file. Slices share the indices and the tokens of the whole.
public struct CorpusTokens: RandomAccessCollection, Sendable {
    private enum Storage: Sendable {
        case memory([Int32])
        case mapped(TokenFile)
    }

    private let storage: Storage
    /// The place of the first token in the whole.
    public let startIndex: Int
    /// One after the place of the last token in the whole.
    public let endIndex: Int

    init(_ tokens: [Int32]) {
        storage = .memory(tokens)
        (startIndex, endIndex) = (0, tokens.count)
    }

    init(_ file: TokenFile) {
        storage = .mapped(file)
        (startIndex, endIndex) = (0, file.count)
    }

    private init(_ storage: Storage, _ range: Range<Int>) {
        self.storage = storage
        (startIndex, endIndex) = (range.lowerBound, range.upperBound)
    }

    /// Whether the tokens are on disk and come into memory when they are looked at.
    public var isMapped: Bool { if case .mapped = storage { true } else { false } }

    /// Whether looking at a token may have to wait for the disk.
    var mayWait: Bool { if case .mapped(let file) = storage { !file.isReadAhead } else { false } }

    /// The token at a place.
    public subscript(index: Int) -> Int32 {
        precondition(index >= startIndex && index < endIndex, "token \(index) of \(startIndex)..<\(endIndex)")
        switch storage {
        case .memory(let tokens): return tokens[index]
        case .mapped(let file): return file[index]
        }
    }

    /// The tokens of a range of places.
    public subscript(range: Range<Int>) -> CorpusTokens {
        precondition(
            range.lowerBound >= startIndex && range.upperBound <= endIndex,
            "tokens \(range) of \(startIndex)..<\(endIndex)")
        return CorpusTokens(storage, range)
    }

    /// Copies the tokens of a range of places.
    func copy(_ range: Range<Int>, to target: UnsafeMutableBufferPointer<Int32>) {
        precondition(
            range.lowerBound >= startIndex && range.upperBound <= endIndex,
            "tokens \(range) of \(startIndex)..<\(endIndex)")
        switch storage {
        case .memory(let tokens): _ = target.update(fromContentsOf: tokens[range])
        case .mapped(let file): file.copy(range, to: target)
        }
    }

    /// The tokens of a range of places, as an array.
    public func array(_ range: Range<Int>) -> [Int32] {
        [Int32](unsafeUninitializedCapacity: range.count) { buffer, count in
            copy(range, to: UnsafeMutableBufferPointer(rebasing: buffer[..<range.count]))
            count = range.count
        }
    }
}
