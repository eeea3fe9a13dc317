import AlambicKernels

/// Losses alone, as evaluation takes them, and smoothed targets.
extension BenchCase {
    static let crossEntropies: [BenchCase] = [
        losses("f32", ramp), losses("bf16") { try halves($0, .bf16) },
        smoothed("f32", ramp), smoothed("bf16") { try halves($0, .bf16) },
        distillationLossesAlone,
    ]

    private static let headShapes = [BenchShape(1024, 50257), BenchShape(4096, 256)]

    /// Logits `[rows, vocabulary]` with their targets.
    private struct Head<Element: FloatElement & SendableMetatype> {
        let logits: Memory<Element>
        let targets: Memory<Int32>
        let losses: Memory<Float>

        init(_ shape: BenchShape, _ values: (Int) throws -> Memory<Element>) throws {
            logits = try values(shape[0] * shape[1])
            targets = try tokenIDs(shape[0], shape[1])
            losses = try Memory(count: shape[0])
        }

        static func bytes(_ shape: BenchShape) -> Int {
            MemoryLayout<Element>.stride * shape[0] * shape[1] + 8 * shape[0]
        }
    }

    private static func losses<Element: FloatElement & SendableMetatype>(
        _ dtype: String, _ values: @escaping @Sendable (Int) throws -> Memory<Element>
    ) -> BenchCase {
        rotating(
            "crossentropy-losses", dtype, "softmax cross-entropy without its gradient",
            variants: Kernels.crossEntropy, shapes: headShapes, pattern: .read, held: Head<Element>.bytes,
            moved: { shape, _ in Head<Element>.bytes(shape) }, make: { shape, _ in try Head(shape, values) },
            body: { shape, set, context in
                let (logits, targets, losses) = (set.logits, set.targets, set.losses)
                try crossEntropyLosses(
                    logits.span, targets: targets.span, rows: shape[0], vocabulary: shape[1],
                    into: losses.mutableSpan, on: context)
            })
    }

    private static func smoothed<Element: FloatElement & SendableMetatype>(
        _ dtype: String, _ values: @escaping @Sendable (Int) throws -> Memory<Element>
    ) -> BenchCase {
        rotating(
            "crossentropy-smoothed", dtype, "softmax cross-entropy with smoothed targets: logits to gradient, in place",
            variants: Kernels.crossEntropy, shapes: headShapes, pattern: .update, held: Head<Element>.bytes,
            moved: { shape, _ in 2 * MemoryLayout<Element>.stride * shape[0] * shape[1] + 8 * shape[0] },
            make: { shape, _ in try Head(shape, values) },
            body: { shape, set, context in
                let (logits, targets, losses) = (set.logits, set.targets, set.losses)
                try smoothedCrossEntropy(
                    logits.mutableSpan, targets: targets.span, rows: shape[0], vocabulary: shape[1], smoothing: 0.1,
                    gradientScale: 1, losses: losses.mutableSpan, on: context)
            })
    }

    private static let distillationLossesAlone = traffic(
        "distillation-losses", "softened cross-entropy against a teacher's logits without its gradient",
        variants: Kernels.crossEntropy, shapes: headShapes, pattern: .read, buffers: 2, moved: 2,
        scratch: { 2 * $0[0] }
    ) { shape, buffers, losses, context in
        let (teacher, student) = (buffers[0], buffers[1])
        let (rows, vocabulary) = (shape[0], shape[1])
        try distillationLosses(
            student: student.span, teacher: teacher.span, targets: nil, rows: rows, vocabulary: vocabulary,
            temperature: 2, soft: losses.mutableSpan(0..<rows), hard: losses.mutableSpan(rows..<2 * rows),
            on: context)
    }
}
