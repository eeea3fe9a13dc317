import AlambicKernels
import Foundation

extension BenchCase {
    /// Kullback and Leibler's divergence forwards is distillation's own loss, and runs as it: ``distillationRows``.
    static let divergences: [BenchCase] = [
        divergence("divergence", "generalised Jensen-Shannon divergence", .jensenShannon(beta: 0.5)),
        divergence("divergence-reverse-kl", "reverse KL divergence", .reverseKL),
        divergence("divergence-matched-logits", "squared difference", .matchedLogits),
        completedTeacher,
    ]

    private static func divergence(_ name: String, _ summary: String, _ divergence: Divergence) -> BenchCase {
        againstTeacher(name, "\(summary) from a teacher's logits, in place", variants: Kernels.divergence) {
            shape, student, teacher, targets, losses, context in
            let rows = shape[0]
            try divergenceCrossEntropy(
                divergence, student.mutableSpan, teacher: teacher.span, targets: targets.span, rows: rows,
                vocabulary: shape[1], temperature: 2, mixing: 0.7, gradientScale: 1,
                soft: losses.mutableSpan(0..<rows), hard: losses.mutableSpan(rows..<2 * rows), on: context)
        }
    }

    /// A loss with gradient in place of the student's logits; `losses` has room for both of each row.
    private static func againstTeacher(
        _ name: String, _ summary: String, variants: [Variant],
        body:
            @escaping @Sendable (
                _ shape: BenchShape, _ student: Memory<Float>, _ teacher: Memory<Float>, _ targets: Memory<Int32>,
                _ losses: Memory<Float>, Context
            ) throws -> Void
    ) -> BenchCase {
        BenchCase(
            name: name, dtype: "f32", summary: summary, variants: variants,
            shapes: [BenchShape(1024, 50257), BenchShape(4096, 256)], isCold: true,
            prepare: { shape, context in
                let (rows, vocabulary) = (shape[0], shape[1])
                let targets = try tokenIDs(rows, vocabulary)
                let losses = try Memory<Float>(count: 2 * rows)
                let cold = try ColdBuffers(rows * vocabulary, buffers: 2, on: context.machine)
                return Workload(
                    ops: 0, bytes: Double(12 * rows * vocabulary), peak: .f32, pattern: .update,
                    copies: cold.sets.count
                ) { copy in try body(shape, cold.sets[copy][1], cold.sets[copy][0], targets, losses, context) }
            }, memory: { shape, machine in machine.floatsInRotation(shape, buffers: 2, besides: 3 * shape[0]) })
    }

    /// What a teacher's cache keeps of each token, by default.
    private static func known(_ shape: BenchShape) -> Int { min(64, shape[1]) }

    private static let completedTeacher = rotating(
        "divergence-teacher", "f32", "a teacher's logits from its 64 likeliest tokens", variants: Kernels.divergence,
        shapes: [BenchShape(1024, 50257)], pattern: .streamingCopy,
        held: { 8 * $0[0] * ($0[1] + known($0)) + 4 * $0[0] },
        moved: { shape, _ in 8 * shape[0] * (shape[1] + known(shape)) + 4 * shape[0] },
        make: { shape, _ in
            let (rows, vocabulary, known) = (shape[0], shape[1], known(shape))
            let classes = try Memory<Int32>(count: rows * known)
            let probabilities = try Memory<Float>(count: rows * known), tails = try Memory<Float>(count: rows)
            var ids = classes.mutableSpan
            var logarithms = probabilities.mutableSpan
            var rest = tails.mutableSpan
            // Nine tenths of the mass, in equal shares, on classes all over the vocabulary.
            let share = Float(log(0.9 / Double(known)))
            for i in 0..<rows {
                rest[i] = 0.1
                for j in 0..<known {
                    ids[i * known + j] = Int32((i + j * (vocabulary / known)) % vocabulary)
                    logarithms[i * known + j] = share
                }
            }
            return (
                classes: classes, probabilities: probabilities, tails: tails, student: try ramp(rows * vocabulary),
                teacher: try Memory<Float>(count: rows * vocabulary)
            )
        },
        body: { shape, set, context in
            let (classes, probabilities, tails) = (set.classes, set.probabilities, set.tails)
            let (student, teacher) = (set.student, set.teacher)
            try completeTeacher(
                classes: classes.span, logProbabilities: probabilities.span, tails: tails.span,
                student: student.span, rows: shape[0], vocabulary: shape[1], temperature: 2,
                into: teacher.mutableSpan, on: context)
        })

    static let distillationRows = againstTeacher(
        "distillation", "softened cross-entropy against a teacher's logits, in place", variants: Kernels.crossEntropy
    ) { shape, student, teacher, targets, losses, context in
        let rows = shape[0]
        try distillationCrossEntropy(
            student.mutableSpan, teacher: teacher.span, targets: targets.span, rows: rows, vocabulary: shape[1],
            temperature: 2, mixing: 0.7, gradientScale: 1, soft: losses.mutableSpan(0..<rows),
            hard: losses.mutableSpan(rows..<2 * rows), on: context)
    }
}
