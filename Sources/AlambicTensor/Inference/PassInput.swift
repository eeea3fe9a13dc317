import AlambicKernels

/// Where the kernels of a pass find its tokens, and which tokens the pass takes. A noted pass reads them anew each time.
struct PassInput {
    let ids: Memory<Int32>
    /// Token numbers are below this.
    let vocabulary: Int
    /// Positions are below this.
    let positions: Int

    /// Puts the tokens in their place.
    ///
    /// - Throws: `.badArgument` for a token outside of the table.
    func place(_ tokens: [Int32]) throws(KernelError) {
        precondition(tokens.count == ids.count, "\(tokens.count) tokens in a pass of \(ids.count)")
        for token in tokens where token < 0 || Int(token) >= vocabulary {
            throw KernelError(.badArgument, "token \(token) in a table of \(vocabulary) rows")
        }
        let ids = ids
        var target = ids.mutableSpan
        for (i, token) in tokens.enumerated() { target[i] = token }
    }
}
