import AlambicKernels
import AlambicTensor

/// A sequence in progress: its tokens, and the keys and values that the model computed for them.
///
/// A session belongs to one request and is used by one thread at a time; sessions of one model share its weights.
/// Feeding tokens one by one or all at once gives the same logits, bit for bit.
public final class Session {
    /// What happens when the model's context is full.
    public enum ContextEnd: Sendable {
        /// `append` throws.
        case stop
        /// The older half of the sequence is forgotten and the rest is read again, at new positions.
        case slide
    }

    /// The model.
    public let model: Model
    /// What happens when the model's context is full.
    public let contextEnd: ContextEnd
    /// The tokens that the model sees now.
    public private(set) var tokens: [Int32] = []

    private let inference: Inference
    private let cache: KeyValueCache

    /// An empty session.
    ///
    /// - Parameter weights: `model.runnableWeights(on: context)`, where they have been made already.
    public init(
        _ model: Model, weights: [RunnableWeight]? = nil, contextEnd: ContextEnd = .stop,
        on context: Context = .default
    ) throws(KernelError) {
        self.model = model
        self.contextEnd = contextEnd
        let architecture = model.architecture
        cache = try KeyValueCache(
            widths: architecture.attentionWidths, capacity: architecture.context)
        let weights = if let weights { weights } else { try model.runnableWeights(on: context) }
        inference = Inference(weights, cache: cache, on: context)
    }

    /// Reads tokens and returns the logits of the one after the last.
    ///
    /// - Throws: `ModelError` for tokens outside of the vocabulary or, with `.stop`, more than fit; then the session
    ///   is as it was.
    public func append(_ new: [Int32]) throws -> [Float] {
        guard !new.isEmpty else { throw ModelError.noTokens }
        try model.check(new)
        let limit = model.architecture.context
        guard tokens.count + new.count > limit else { return try read(new) }
        guard contextEnd == .slide else {
            throw ModelError.contextTooLong(tokens: tokens.count + new.count, limit: limit)
        }
        let kept = Array((tokens + new).suffix(max(1, limit / 2)))
        reset()
        return try read(kept)
    }

    /// Forgets everything.
    public func reset() {
        tokens.removeAll()
        cache.truncate(to: 0)
    }

    private func read(_ new: [Int32]) throws(KernelError) -> [Float] {
        let architecture = model.architecture
        let logits = try inference.next(new, head: architecture.head) { tokens, graph throws(KernelError) in
            try architecture.hidden(tokens, on: graph)
        }
        tokens += new
        return logits.elements
    }
}
