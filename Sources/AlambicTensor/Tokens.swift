import AlambicKernels

/// A batch of token sequences of one length: `ids[b * length + t]` is token t of sequence b.
public struct Tokens: Sendable, Equatable {
    /// The token numbers, sequence after sequence.
    public let ids: [Int32]
    /// Number of sequences.
    public let batch: Int
    /// Tokens per sequence.
    public let length: Int

    /// A batch; `ids.count` must be `batch * length`.
    public init(ids: [Int32], batch: Int, length: Int) {
        precondition(ids.count == batch * length, "\(ids.count) tokens are not \(batch) sequences of \(length)")
        self.ids = ids
        self.batch = batch
        self.length = length
    }

    /// A single sequence.
    public init(_ ids: [Int32]) { self.init(ids: ids, batch: 1, length: ids.count) }

    /// Number of tokens in all.
    public var count: Int { ids.count }
}
