import AlambicKernels

extension BenchCase {
    /// Batch x heads x length x head width.
    private static let attentionShapes = [
        BenchShape(4, 12, 1024, 64), BenchShape(4, 12, 256, 64), BenchShape(4, 12, 64, 64), BenchShape(64, 6, 256, 64),
        BenchShape(12, 4, 64, 32),
    ]

    /// Two products of T x T x D, of which causality needs half.
    private static func causalOps(_ shape: BenchShape) -> Double {
        2 * Double(shape[0] * shape[1]) * Double(shape[2]) * Double(shape[2] + 1) * Double(shape[3])
    }

    /// Eight buffers of batch x length x columns floats, and as much again for what the drivers take.
    private static let attentionMemory: @Sendable (BenchShape, Machine) -> Int? = { shape, _ in
        shape.product.flatMap { $0 <= Int.max / 64 ? 64 * $0 : nil }
    }

    /// A table, and cold sets of one row for each token.
    private static let embeddingMemory: @Sendable (BenchShape, Machine) -> Int? = { shape, machine in
        guard let table = BenchShape(shape[1], shape[2]).product else { return nil }
        return machine.floatsInRotation(BenchShape(shape[0], shape[2]), buffers: 1, besides: table)
    }

    static let attention = attentionForward("f32", Kernels.attention, .f32, ramp)
    static let attentionBF16 = attentionForward("bf16", Kernels.attentionBF16, .bf16) { try halves($0, .bf16) }
    static let attentionBackward = attentionGradients("f32", Kernels.attention, .f32, ramp)
    static let attentionBackwardBF16 = attentionGradients("bf16", Kernels.attentionBF16, .bf16) {
        try halves($0, .bf16)
    }

    private static func attentionForward<Element: FloatElement>(
        _ dtype: String, _ variants: [Variant], _ peak: PeakType,
        _ operand: @escaping @Sendable (Int) throws -> Memory<Element>
    ) -> BenchCase {
        BenchCase(
            name: "attention", dtype: dtype, summary: "causal attention, tiled; batch x heads x length x head width",
            variants: variants, shapes: attentionShapes, isCold: false,
            prepare: { shape, context in
                let (batch, heads, length, width) = (shape[0], shape[1], shape[2], shape[3])
                let columns = heads * width
                let qkv = try operand(batch * length * 3 * columns)
                let output = try Memory<Element>(count: batch * length * columns)
                let logSumExp = try Memory<Float>(count: batch * heads * length)
                return Workload(
                    ops: causalOps(shape), bytes: Double(MemoryLayout<Element>.size * batch * length * 4 * columns),
                    peak: peak, pattern: .copy, copies: 1
                ) { _ in
                    try causalAttention(
                        qkv: qkv.span, batch: batch, length: length, heads: heads, headWidth: width,
                        into: output.mutableSpan, logSumExp: logSumExp.mutableSpan, on: context)
                }
            }, memory: attentionMemory)
    }

    /// Five products where the forward pass has two.
    private static func attentionGradients<Element: FloatElement>(
        _ dtype: String, _ variants: [Variant], _ peak: PeakType,
        _ operand: @escaping @Sendable (Int) throws -> Memory<Element>
    ) -> BenchCase {
        BenchCase(
            name: "attention-backward", dtype: dtype,
            summary: "gradients of causal attention, probabilities recomputed",
            variants: variants, shapes: attentionShapes, isCold: false,
            prepare: { shape, context in
                let (batch, heads, length, width) = (shape[0], shape[1], shape[2], shape[3])
                let columns = heads * width
                let qkv = try operand(batch * length * 3 * columns)
                let output = try Memory<Element>(count: batch * length * columns)
                let logSumExp = try Memory<Float>(count: batch * heads * length)
                let dQKV = try Memory<Element>(count: batch * length * 3 * columns)
                let dOutput = try operand(batch * length * columns)
                try causalAttention(
                    qkv: qkv.span, batch: batch, length: length, heads: heads, headWidth: width,
                    into: output.mutableSpan, logSumExp: logSumExp.mutableSpan, on: context)
                return Workload(
                    ops: 2.5 * causalOps(shape),
                    bytes: Double(MemoryLayout<Element>.size * batch * length * 8 * columns), peak: peak,
                    pattern: .copy, copies: 1
                ) { _ in
                    try causalAttentionBackward(
                        dOutput: dOutput.span, qkv: qkv.span, output: output.span, logSumExp: logSumExp.span,
                        batch: batch, length: length, heads: heads, headWidth: width, into: dQKV.mutableSpan,
                        on: context)
                }
            }, memory: attentionMemory)
    }

    static let embeddingGather = BenchCase(
        name: "embedding", dtype: "f32", summary: "rows of a table by token; tokens x vocabulary x width",
        variants: Kernels.embedding, shapes: [BenchShape(16384, 50257, 768), BenchShape(4096, 256, 128)], isCold: true,
        prepare: { shape, context in
            let (tokens, vocabulary, width) = (shape[0], shape[1], shape[2])
            let ids = try tokenIDs(tokens, vocabulary)
            let table = try ramp(vocabulary * width)
            let copies = context.machine.coldCopies(ofBytes: 4 * tokens * width)
            let outputs = try (0..<copies).map { _ in try Memory<Float>(count: tokens * width) }
            return Workload(
                ops: 0, bytes: Double(4 * tokens * width + 4 * min(tokens, vocabulary) * width), peak: .f32,
                pattern: .copy, copies: copies
            ) { copy in
                let y = outputs[copy]
                try embedding(
                    ids: ids.span, table: table.span, length: tokens, columns: width, into: y.mutableSpan, on: context)
            }
        }, takesProductShapes: false, memory: embeddingMemory)

    static let embeddingScatter = BenchCase(
        name: "embedding-backward", dtype: "f32", summary: "gradient rows added to a table, in a fixed order",
        variants: Kernels.embedding, shapes: [BenchShape(16384, 50257, 768), BenchShape(4096, 256, 128)], isCold: true,
        prepare: { shape, context in
            let (tokens, vocabulary, width) = (shape[0], shape[1], shape[2])
            let ids = try tokenIDs(tokens, vocabulary)
            let table = try Memory<Float>(count: vocabulary * width)
            let copies = context.machine.coldCopies(ofBytes: 4 * tokens * width)
            let gradients = try (0..<copies).map { _ in try ramp(tokens * width) }
            return Workload(
                ops: 0, bytes: Double(4 * tokens * width + 8 * min(tokens, vocabulary) * width), peak: .f32,
                pattern: .update, copies: copies
            ) { copy in
                let dY = gradients[copy]
                try embeddingBackward(ids: ids.span, dY: dY.span, columns: width, into: table.mutableSpan, on: context)
            }
        }, takesProductShapes: false, memory: embeddingMemory)

    static let crossEntropyRows = BenchCase(
        name: "crossentropy", dtype: "f32", summary: "softmax-cross-entropy in place: logits to gradient",
        variants: Kernels.crossEntropy, shapes: [BenchShape(4096, 50257), BenchShape(4096, 256)], isCold: true,
        prepare: { shape, context in
            let (rows, vocabulary) = (shape[0], shape[1])
            let targets = try tokenIDs(rows, vocabulary)
            let losses = try Memory<Float>(count: rows)
            let cold = try ColdBuffers(rows * vocabulary, buffers: 1, on: context.machine)
            return Workload(
                ops: 0, bytes: Double(8 * rows * vocabulary), peak: .f32, pattern: .update, copies: cold.sets.count
            ) { copy in
                let logits = cold.sets[copy][0]
                try crossEntropy(
                    logits.mutableSpan, targets: targets.span, rows: rows, vocabulary: vocabulary, gradientScale: 1,
                    losses: losses.mutableSpan, on: context)
            }
        }, memory: { shape, machine in machine.floatsInRotation(shape, buffers: 1, besides: 2 * shape[0]) })
}

/// Token numbers that visit the vocabulary without a visible order.
func tokenIDs(_ count: Int, _ vocabulary: Int) throws -> Memory<Int32> {
    let ids = try Memory<Int32>(count: count)
    var span = ids.mutableSpan
    for i in 0..<count { span[i] = Int32((i &* 7919 &+ i / 13) % vocabulary) }
    return ids
}
