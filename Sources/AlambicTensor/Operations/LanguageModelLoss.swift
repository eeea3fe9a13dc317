import AlambicKernels

// L = mean over rows i with target t_i >= 0 of -log softmax(x_i Wᵀ)_{t_i}, in nats.
//
// Backward, with p = softmax(x_i Wᵀ) and n rows counted: dL/dlogits_i = (p - onehot(t_i)) / n,
// dx = dlogits W, dW = dlogitsᵀ x. Both are made on the way, a chunk of rows at a time, so that the [rows, vocabulary]
// matrix never exists; they wait on the tape and in `gradients`.
extension Tape {
    /// The mean cross-entropy of the next token, fused with the product with the head's weights.
    ///
    /// - Parameters:
    ///   - hidden: [batch, length, width].
    ///   - head: weights of [vocabulary, width].
    ///   - targets: one for each row of `hidden`; -1 does not count.
    ///   - scale: what to multiply the gradient with, such as 1 / (number of micro-batches). Not the returned loss.
    ///   - smoothing: what of a target all tokens share (Szegedy et al. 2016, section 7), 0...1; the loss is then that against the
    ///     smoothed target.
    /// - Returns: the mean loss in nats over the rows that count; 0 when none does.
    public func languageModelLoss(
        hidden: Variable, head: ParameterID, targets: [Int32], scale: Float = 1, smoothing: Float = 0
    ) throws(KernelError) -> Double {
        switch hidden.elements {
        case .f32(let tensor): try languageModelLoss(hidden, tensor, head, targets, scale, smoothing)
        case .bf16(let tensor): try languageModelLoss(hidden, tensor, head, targets, scale, smoothing)
        }
    }

    private func languageModelLoss<Element: Activation>(
        _ hidden: Variable, _ tensor: DenseTensor<Element>, _ head: ParameterID, _ targets: [Int32], _ scale: Float,
        _ smoothing: Float
    ) throws(KernelError) -> Double {
        let weights = self.weights(head)
        let (rows, vocabulary, columns) = (tensor.rows, weights.rows, weights.columns)
        precondition(
            columns == tensor.columns && targets.count == rows,
            "\(targets.count) targets for hidden \(hidden.shape) and head \(weights.shape)")
        let counted = targets.count { $0 >= 0 }
        guard counted > 0 else { return 0 }
        let losses = try floats([rows, 1])
        try prepareHead(head)
        execution.keep(targets)
        try addGradient(to: hidden.slot, Element.self) { target throws(KernelError) in
            let chunk = headChunk(rows: rows, vocabulary: vocabulary)
            for start in stride(from: 0, to: rows, by: chunk) {
                let range = start..<min(start + chunk, rows)
                let work = 2 * Double(range.count) * Double(weights.count)
                let part = tensor.rows(range)
                let logits = try self.tensor([range.count, vocabulary], Element.self)
                execution.stage("head forward", operations: work)
                try multiply(part, head, into: logits, epilogue: Epilogue())
                execution.stage("cross-entropy", bytes: 2 * Double(logits.count * MemoryLayout<Element>.stride))
                let losses = losses.rows(range)
                try smoothedCrossEntropy(
                    logits.mutableSpan, targets: targets.span.extracting(range), rows: range.count,
                    vocabulary: vocabulary, smoothing: smoothing, gradientScale: scale / Float(counted),
                    losses: losses.mutableSpan, on: context)
                execution.stage("head input gradient", operations: work)
                try multiplyBack(logits, head, into: target.rows(range), epilogue: Epilogue())
                guard parameters[head.index].trains else { continue }
                execution.stage("head weight gradient", operations: work)
                try matmul(
                    Element.product, M: vocabulary, N: columns, K: range.count, logits.span, .transposed, part.span,
                    .asIs, into: gradients[head].mutableSpan, store: store(head), epilogue: Epilogue(), on: context)
            }
        }
        try execution.finish()
        return losses.sum() / Double(counted)
    }

    /// Rows of logits at a time: about 50 MB of them in bf16, in chunks of nearly equal height. Fewer would cost more
    /// passes over the head's gradient.
    private func headChunk(rows: Int, vocabulary: Int) -> Int {
        let most = max(16, (26 << 20) / vocabulary)
        let chunks = (rows + most - 1) / most
        return (rows + chunks - 1) / chunks
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
