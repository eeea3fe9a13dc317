import AlambicKernels

extension BenchCase {
    static let divergenceRows = BenchCase(
        name: "divergence", dtype: "f32",
        summary: "generalised Jensen-Shannon divergence from a teacher's logits, in place",
        variants: Kernels.divergence, shapes: [BenchShape(1024, 50257), BenchShape(4096, 256)], isCold: true,
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
                try divergenceCrossEntropy(
                    .jensenShannon(beta: 0.5), student.mutableSpan, teacher: teacher.span, targets: targets.span,
                    rows: rows, vocabulary: vocabulary, temperature: 2, mixing: 0.7, gradientScale: 1,
                    soft: soft.mutableSpan, hard: hard.mutableSpan, on: context)
            }
        }, memory: { shape, machine in machine.floatsInRotation(shape, buffers: 2, besides: 3 * shape[0]) })

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
