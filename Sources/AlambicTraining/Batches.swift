import AlambicTensor

/// Sequences to learn from: for every token the one that follows it.
public struct Batch: Sendable {
    /// The input, `rows` sequences of `context` tokens.
    public let tokens: Tokens
    /// For every input token the token that follows it, or -1 where nothing is to be learned.
    public let targets: [Int32]
    /// Which batch of its source this is.
    public let index: Int
    /// Where it came from: what a resumed run must agree with.
    public let source: BatchSource
    /// Where in the corpus each sequence begins: indices of `Corpus.tokens`. Nil for batches made by hand.
    public let starts: [Int]?

    /// Makes a batch by hand.
    public init(
        tokens: Tokens, targets: [Int32], index: Int = 0, source: BatchSource? = nil, starts: [Int]? = nil
    ) {
        precondition(targets.count == tokens.count, "\(targets.count) targets for \(tokens.count) tokens")
        self.tokens = tokens
        self.targets = targets
        precondition(
            starts == nil || starts?.count == tokens.batch,
            "\(starts?.count ?? 0) places of \(tokens.batch) sequences")
        self.index = index
        self.starts = starts
        self.source = source ?? BatchSource(data: "by hand", rows: tokens.batch, context: tokens.length, seed: 0)
    }

    /// Sequences in the batch.
    public var rows: Int { tokens.batch }
    /// Tokens per sequence.
    public var context: Int { tokens.length }

    /// Some of its sequences.
    func slice(_ rows: Range<Int>) -> (tokens: Tokens, targets: [Int32]) {
        let part = rows.lowerBound * context..<rows.upperBound * context
        let ids = Array(tokens.ids[part])
        return (Tokens(ids: ids, batch: rows.count, length: context), Array(targets[part]))
    }
}

/// What a sequence of batches depends on.
public struct BatchSource: Sendable, Codable, Equatable {
    /// Digest of the corpus, and ` aligned` behind it where stretches begin at multiples of the context.
    public let data: String
    /// Sequences per batch.
    public let rows: Int
    /// Tokens per sequence.
    public let context: Int
    /// Seed of the shuffling.
    public let seed: UInt64

    /// Whether every stretch begins a multiple of `context` after the first token of the corpus.
    public var isAligned: Bool { data.hasSuffix(" aligned") }
}

extension Corpus {
    /// Batches of `rows` sequences of `context` tokens, without end, in an order that depends on `seed`.
    ///
    /// An epoch cuts the text into stretches of `context` tokens from a random first token on and visits each once;
    /// batch `i` is a function of the arguments and `i` alone, so that a run resumes exactly where it stopped.
    public func batches(of rows: Int, context: Int, seed: UInt64) throws(CorpusError) -> Batches {
        precondition(rows > 0 && context > 0, "batches of \(rows) sequences of \(context) tokens")
        guard tokens.count > context else { throw .tooShort(name, tokens: tokens.count, needed: context + 1) }
        let source = BatchSource(data: String(digest, radix: 16), rows: rows, context: context, seed: seed)
        return Batches(tokens: tokens, source: source)
    }
}

/// An endless sequence of batches that can start anywhere.
public struct Batches: Sequence, Sendable {
    /// What the batches depend on.
    public let source: BatchSource
    private let tokens: CorpusTokens
    private let first: Int
    /// Stretches in an epoch, and the number of different first tokens.
    private let windows: Int
    private let offsets: Int

    init(tokens: CorpusTokens, source: BatchSource, first: Int = 0) {
        self.tokens = tokens
        self.source = source
        self.first = first
        let inputs = tokens.count - 1
        let all = inputs / source.context
        // Giving up one stretch makes room for a random first token; short texts keep all of theirs.
        windows = all >= 16 && !source.isAligned ? all - 1 : all
        offsets = source.isAligned ? 1 : Swift.min(inputs - windows * source.context, source.context - 1) + 1
    }

    /// The batches from number `index` on.
    public func starting(at index: Int) -> Batches { Batches(tokens: tokens, source: source, first: index) }

    /// The same number of sequences of the same length, of which every one begins a multiple of the context after the first
    /// token, in every epoch: each token always has the same ones before it, as what was computed ahead for it had.
    public var aligned: Batches {
        guard !source.isAligned else { return self }
        let aligned = BatchSource(
            data: source.data + " aligned", rows: source.rows, context: source.context, seed: source.seed)
        return Batches(tokens: tokens, source: aligned, first: first)
    }

    /// How many batches show every stretch of the text once, rounded up.
    public var perEpoch: Int { (windows + source.rows - 1) / source.rows }

    /// Whether making a batch may have to wait for the disk.
    var mayWait: Bool { tokens.mayWait }

    /// Batch number `index`.
    public subscript(index: Int) -> Batch {
        let starts = starts(of: index)
        let input = Tokens(ids: stretches(from: starts), batch: source.rows, length: source.context)
        return Batch(
            tokens: input, targets: stretches(from: starts.map { $0 + 1 }), index: index, source: source, starts: starts
        )
    }

    /// Where the sequences of a batch begin.
    private func starts(of index: Int) -> [Int] {
        var epoch = -1
        var order = Permutation(count: 1, seed: 0, stream: 0)
        var offset = 0
        return (0..<source.rows).map { row in
            let sample = index * source.rows + row
            if sample / windows != epoch {
                epoch = sample / windows
                order = Permutation(count: windows, seed: source.seed, stream: UInt64(epoch))
                offset = Int(mixed(mixed(source.seed &+ 0xA5A5) ^ UInt64(epoch)) % UInt64(offsets))
            }
            return tokens.startIndex + offset + order[sample % windows] * source.context
        }
    }

    /// A stretch of tokens from each start, one after the other.
    private func stretches(from starts: [Int]) -> [Int32] {
        let length = source.context
        return [Int32](unsafeUninitializedCapacity: starts.count * length) { buffer, count in
            for (row, start) in starts.enumerated() {
                let place = UnsafeMutableBufferPointer(rebasing: buffer[row * length..<(row + 1) * length])
                tokens.copy(start..<start + length, to: place)
            }
            count = starts.count * length
        }
    }

    /// Iterates from the first batch on, without end.
    public struct Iterator: IteratorProtocol {
        let batches: Batches
        var index: Int
        /// The next batch; there always is one.
        public mutating func next() -> Batch? {
            defer { index += 1 }
            return batches[index]
        }
    }

    /// Iterates from the first batch on, without end.
    public func makeIterator() -> Iterator { Iterator(batches: self, index: first) }
}
