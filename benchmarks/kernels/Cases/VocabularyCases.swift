import AlambicKernels

extension BenchCase {
    /// Three products of tokens x vocabulary x width: logits, gradient of the hidden states, gradient of the weights.
    static let vocabularyLoss = BenchCase(
        name: "vocabulary", dtype: "f32",
        summary: "vocabulary product fused with cross-entropy, both gradients; tokens x vocabulary x width",
        variants: Kernels.matmulF32, shapes: [BenchShape(1024, 50257, 768), BenchShape(4096, 256, 128)], isCold: false,
        prepare: { shape, context in
            let (tokens, vocabulary, width) = (shape[0], shape[1], shape[2])
            let targets = try tokenIDs(tokens, vocabulary)
            let hidden = try ramp(tokens * width)
            let weights = try ramp(vocabulary * width)
            let losses = try Memory<Float>(count: tokens)
            let dHidden = try Memory<Float>(count: tokens * width)
            let dWeights = try Memory<Float>(count: vocabulary * width)
            let workspace = try Memory<Float>(count: vocabularyWorkspaceCount(rows: tokens, vocabulary: vocabulary))
            return Workload(
                ops: 3 * product(shape), bytes: Double(8 * tokens * width + 12 * vocabulary * width), peak: .f32,
                pattern: .read, copies: 1
            ) { _ in
                try vocabularyCrossEntropy(
                    hidden: hidden.span, weights: weights.span, targets: targets.span, rows: tokens,
                    vocabulary: vocabulary, columns: width, gradientScale: 1, losses: losses.mutableSpan,
                    dHidden: dHidden.mutableSpan, dWeights: dWeights.mutableSpan, workspace: workspace.mutableSpan,
                    on: context)
            }
        })

    static let distillationRows = BenchCase(
        name: "distillation", dtype: "f32", summary: "softened cross-entropy against a teacher's logits, in place",
        variants: Kernels.crossEntropy, shapes: [BenchShape(1024, 50257), BenchShape(4096, 256)], isCold: true,
        prepare: { shape, context in
            let (rows, vocabulary) = (shape[0], shape[1])
            let targets = try tokenIDs(rows, vocabulary)
            let soft = try Memory<Float>(count: rows)
            let hard = try Memory<Float>(count: rows)
            let cold = try ColdBuffers(rows * vocabulary, buffers: 2, on: context.machine)
            return Workload(
                ops: 0, bytes: Double(12 * rows * vocabulary), peak: .f32, pattern: .update, copies: cold.sets.count
            ) { copy in
                let (teacher, student) = (cold.sets[copy][0], cold.sets[copy][1])
                try distillationCrossEntropy(
                    student.mutableSpan, teacher: teacher.span, targets: targets.span, rows: rows,
                    vocabulary: vocabulary, temperature: 2, mixing: 0.7, gradientScale: 1, soft: soft.mutableSpan,
                    hard: hard.mutableSpan, on: context)
            }
        }, memory: { shape, machine in machine.floatsInRotation(shape, buffers: 2, besides: 3 * shape[0]) })
}
