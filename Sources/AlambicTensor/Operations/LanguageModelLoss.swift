import AlambicKernels

// L = mean over rows i with target t_i >= 0 of -log softmax(x_i Wᵀ)_{t_i}, in nats.
//
// Backward, with p = softmax(x_i Wᵀ) and n rows counted: dL/dlogits_i = (p - onehot(t_i)) / n,
// dx = dlogits W, dW = dlogitsᵀ x. The kernel makes both on the way, a chunk of rows at a time, so that the
// [rows, vocabulary] matrix never exists; they wait on the tape and in `gradients`.
extension Tape {
    /// The mean cross-entropy of the next token, fused with the product with the head's weights.
    ///
    /// - Parameters:
    ///   - hidden: [batch, length, width].
    ///   - head: weights of [vocabulary, width].
    ///   - targets: one for each row of `hidden`; -1 does not count.
    ///   - scale: what to multiply the gradient with, such as 1 / (number of micro-batches). Not the returned loss.
    /// - Returns: the mean loss in nats over the rows that count; 0 when none does.
    public func languageModelLoss(
        hidden: Variable, head: ParameterID, targets: [Int32], scale: Float = 1
    ) throws(KernelError) -> Double {
        let weights = self.weights(head)
        let rows = hidden.value.rows
        precondition(
            weights.columns == hidden.value.columns && targets.count == rows,
            "\(targets.count) targets for hidden \(hidden.shape) and head \(weights.shape)")
        let counted = targets.count { $0 >= 0 }
        guard counted > 0 else { return 0 }
        let losses = try pool.tensor([rows])
        let workspace = try pool.tensor([vocabularyWorkspaceCount(rows: rows, vocabulary: weights.rows)])
        try addGradient(to: hidden) { target throws(KernelError) in
            try vocabularyCrossEntropy(
                hidden: hidden.value.span, weights: weights.span, targets: targets.span, rows: rows,
                vocabulary: weights.rows, columns: weights.columns, gradientScale: scale / Float(counted),
                losses: losses.mutableSpan, dHidden: target.mutableSpan, dWeights: gradients[head].mutableSpan,
                workspace: workspace.mutableSpan, on: context)
        }
        return losses.sum() / Double(counted)
    }
}

extension Tensor {
    /// The sum of all elements in double precision, in order.
    func sum() -> Double {
        let values = span
        var sum = 0.0
        for i in 0..<values.count { sum += Double(values[i]) }
        return sum
    }
}
