import AlambicKernels

/// The head of a language model in training: logits, loss, and both gradients, a chunk of tokens at a time, as a training
/// step runs it; and its three products alone. Their rates tell what the loss costs.
extension BenchCase {
    static let headProducts = head("head-products", "the three products of a head's step alone") { _, _ in }

    static let headLoss = head("head-loss", "logits, cross-entropy and both gradients of a head, by chunks") {
        step, context in
        let (logits, targets, losses) = (step.logits, step.targets, step.losses)
        try crossEntropy(
            logits.mutableSpan, targets: targets.span, rows: step.tokens, vocabulary: step.vocabulary,
            gradientScale: 1 / Float(step.tokens), losses: losses.mutableSpan, on: context)
    }

    /// One chunk of tokens.
    private struct Step {
        let tokens: Int
        let vocabulary: Int
        let logits: Memory<UInt16>
        let targets: Memory<Int32>
        let losses: Memory<Float>
    }

    private static func head(
        _ name: String, _ summary: String, loss: @escaping @Sendable (Step, Context) throws -> Void
    ) -> BenchCase {
        BenchCase(
            name: name, dtype: "bf16", summary: summary + "; tokens x vocabulary x width",
            variants: Product.bf16.variants, shapes: [BenchShape(512, 50257, 768)], isCold: false,
            prepare: { shape, context in
                let (tokens, vocabulary, width) = (shape[0], shape[1], shape[2])
                let forward = try PackedMatrix(empty: .bf16, N: vocabulary, K: width, on: context)
                let backward = try PackedMatrix(empty: .bf16, N: width, K: vocabulary, on: context)
                let panels = WeightPanels(forward: forward, backward: backward)
                let weights = try ramp(vocabulary * width)
                try panels.update(from: weights.span, on: context)
                let hidden = try halves(tokens * width, .bf16)
                let gradient = try Memory<UInt16>(count: tokens * width)
                let weightGradient = try Memory<Float>(count: vocabulary * width)
                let step = Step(
                    tokens: tokens, vocabulary: vocabulary, logits: try Memory(count: tokens * vocabulary),
                    targets: try tokenIDs(tokens, vocabulary), losses: try Memory(count: tokens))
                let logits = step.logits
                return Workload(
                    ops: 6 * Double(tokens) * Double(vocabulary) * Double(width),
                    bytes: 12 * Double(vocabulary * width), peak: .bf16, pattern: .read, copies: 1
                ) { _ in
                    try matmul(
                        M: tokens, hidden.span, forward, into: logits.mutableSpan, as: .bf16, epilogue: Epilogue(),
                        on: context)
                    try loss(step, context)
                    try matmul(
                        M: tokens, logits.span, backward, into: gradient.mutableSpan, as: .bf16,
                        epilogue: Epilogue(), on: context)
                    try matmul(
                        .bf16, M: vocabulary, N: width, K: tokens, logits.span, .transposed, hidden.span, .asIs,
                        into: weightGradient.mutableSpan, store: .accumulate, epilogue: Epilogue(), on: context)
                }
            }, takesProductShapes: false,
            memory: { shape, machine in
                guard let weights = BenchShape(extents: [shape[1], shape[2]]).product,
                    let logits = BenchShape(extents: [shape[0], shape[1]]).product,
                    let rows = BenchShape(extents: [shape[0], shape[2]]).product
                else { return nil }
                let (bytes, overflow) = max(weights, logits, rows).multipliedReportingOverflow(by: 24)
                return overflow ? nil : bytes
            })
    }
}
