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
        var sum = 0.0
        // About 4 MB of logits at a time.
        let chunk = min(rows, max(16, (1 << 20) / weights.rows))
        try addGradient(to: hidden) { target throws(KernelError) in
            for start in stride(from: 0, to: rows, by: chunk) {
                let range = start..<min(start + chunk, rows)
                let logits = try pool.tensor([range.count, weights.rows])
                let losses = try pool.tensor([range.count])
                let x = hidden.value.rows(range)
                try matmul(
                    M: range.count, N: weights.rows, K: weights.columns, x.span, .asIs, weights.span, .transposed,
                    into: logits.mutableSpan, on: context)
                try crossEntropy(
                    logits.mutableSpan, targets: targets.span.extracting(range), rows: range.count,
                    vocabulary: weights.rows, gradientScale: scale / Float(counted), losses: losses.mutableSpan,
                    on: context)
                try matmul(
                    M: range.count, N: weights.columns, K: weights.rows, logits.span, .asIs, weights.span, .asIs,
                    into: target.rows(range).mutableSpan, on: context)
                try matmul(
                    M: weights.rows, N: weights.columns, K: range.count, logits.span, .transposed, x.span, .asIs,
                    into: gradients[head].mutableSpan, store: .accumulate, on: context)
                sum += losses.sum()
            }
        }
        return sum / Double(counted)
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
