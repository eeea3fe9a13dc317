import AlambicKernels
import AlambicTensor
import AlambicTokenizers

extension Model {
    /// Continues a sequence of tokens.
    ///
    /// Cancelling the surrounding task stops it with `CancellationError`.
    ///
    /// - Parameters:
    ///   - prompt: at least one token; only the last `architecture.context` are seen.
    ///   - count: how many tokens to add at most.
    ///   - sampling: how each is drawn. Equal settings give equal tokens, for any number of threads.
    ///   - contextEnd: whether to stop when the context is full, or to forget the older half and go on.
    ///   - receive: called with each new token as it comes; returning false stops.
    /// - Returns: the new tokens.
    /// - Throws: `ModelError` for bad settings or tokens, `KernelError`, `CancellationError`.
    @discardableResult
    public func generate(
        after prompt: [Int32], tokens count: Int, sampling: Sampling = Sampling(),
        contextEnd: Session.ContextEnd = .slide, on context: Context = .default,
        receive: (Int32) throws -> Bool = { _ in true }
    ) throws -> [Int32] {
        try sampling.validate()
        guard !prompt.isEmpty else { throw ModelError.noTokens }
        let session = try Session(self, contextEnd: contextEnd, on: context)
        let numbers = try UniformNumbers(seed: sampling.seed, on: context)
        var result: [Int32] = []
        var logits = try session.append(Array(prompt.suffix(architecture.context)))
        while result.count < count {
            try Task.checkCancellation()
            let token = sampling.draw(logits, uniform: try numbers.number(result.count))
            result.append(token)
            guard try receive(token), result.count < count else { break }
            if contextEnd == .stop && session.tokens.count == architecture.context { break }
            logits = try session.append([token])
        }
        return result
    }

    /// Continues a text; see the form for tokens.
    ///
    /// - Returns: the new text alone.
    public func generate(
        after prompt: String, tokens count: Int, sampling: Sampling = Sampling(),
        contextEnd: Session.ContextEnd = .slide, on context: Context = .default,
        receive: (Int32) throws -> Bool = { _ in true }
    ) throws -> String {
        guard let tokenizer else { throw ModelError.noTokenizer }
        let tokens = try generate(
            after: try tokenizer.encode(prompt), tokens: count, sampling: sampling, contextEnd: contextEnd, on: context,
            receive: receive)
        return try tokenizer.text(tokens)
    }
}
