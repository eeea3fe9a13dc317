import AlambicKernels

extension Inference {
    /// A pass of up to so many tokens is noted and runs as one parallel region; longer ones run operation by operation,
    /// each of which is worth a region of its own. The bits are the same.
    public static var notedTokens: Int { 8 }

    /// Reads tokens behind those of the cache, counts them to it, and returns the logits of the token after the last.
    ///
    /// - Parameters:
    ///   - tokens: at least one, and no more than the cache has room for.
    ///   - head: the weights [vocabulary, width] that turn hidden states into logits.
    ///   - hidden: the forward pass up to the last hidden states. The same one in every call: it may be noted.
    /// - Returns: [1, vocabulary], in memory of the inference's own that the next call overwrites.
    /// - Throws: `KernelError`, and then the cache is as it was.
    public func next(
        _ tokens: [Int32], head: ParameterID, hidden: (Tokens, Inference) throws(KernelError) -> Tensor
    ) throws(KernelError) -> Tensor {
        let logits =
            if tokens.count <= Self.notedTokens {
                try notedPass(tokens.count, head, hidden).run(tokens)
            } else {
                try last(Tokens(tokens), self, head, hidden)
            }
        continued.advance(by: tokens.count)
        return logits
    }

    /// The same for at most ``notedTokens`` tokens, with the time of each operation, barriers included.
    public func nextTimed(
        _ tokens: [Int32], head: ParameterID, hidden: (Tokens, Inference) throws(KernelError) -> Tensor
    ) throws(KernelError) -> (logits: Tensor, times: [OperationTime]) {
        let result = try notedPass(tokens.count, head, hidden).runTimed(tokens)
        continued.advance(by: tokens.count)
        return result
    }

    private var continued: KeyValueCache {
        guard let cache else { preconditionFailure("an inference without a cache continues nothing") }
        return cache
    }

    private func notedPass(
        _ count: Int, _ head: ParameterID, _ hidden: (Tokens, Inference) throws(KernelError) -> Tensor
    ) throws(KernelError) -> NotedPass {
        precondition(
            count > 0 && count <= Self.notedTokens, "a noted pass of \(count) tokens, not 1 to \(Self.notedTokens)")
        if let pass = passes[count] { return pass }
        let pass = try NotedPass(of: count, weights, continued, on: context) { tokens, graph throws(KernelError) in
            try last(tokens, graph, head, hidden)
        }
        passes[count] = pass
        return pass
    }

    private func last(
        _ tokens: Tokens, _ graph: Inference, _ head: ParameterID,
        _ hidden: (Tokens, Inference) throws(KernelError) -> Tensor
    ) throws(KernelError) -> Tensor {
        let states = try hidden(tokens, graph)
        return try graph.logits(states, rows: tokens.count - 1..<tokens.count, head: head)
    }
}
