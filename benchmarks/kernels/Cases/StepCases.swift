import AlambicKernels

/// Optimizer steps and the rebuilding of packed weights, on `[outputs, inputs]` of linear layers.
extension BenchCase {
    private static let layers = [BenchShape(3072, 768), BenchShape(50257, 768)]

    /// Panels for each set of cold buffers, whose bytes come on top of them.
    private static func panelCase(
        _ name: String, _ summary: String, variants: [Variant], buffers: Int, bytes: Int, pattern: TrafficPattern,
        body:
            @escaping @Sendable (_ buffers: [Memory<Float>], _ panels: WeightPanels, _ context: Context) throws -> Void
    ) -> BenchCase {
        BenchCase(
            name: name, dtype: "bf16", summary: summary, variants: variants, shapes: layers, isCold: true,
            prepare: { shape, context in
                let (rows, columns) = (shape[0], shape[1])
                let cold = try ColdBuffers(rows * columns, buffers: buffers, on: context.machine)
                let panels = try cold.sets.map { _ in
                    WeightPanels(
                        forward: try PackedMatrix(empty: .bf16, N: rows, K: columns, on: context),
                        backward: try PackedMatrix(empty: .bf16, N: columns, K: rows, on: context))
                }
                return Workload(
                    ops: 0, bytes: Double(bytes * rows * columns), peak: .f32, pattern: pattern,
                    copies: cold.sets.count
                ) { copy in try body(cold.sets[copy], panels[copy], context) }
            },
            // Two forms of two bytes are one more buffer of floats.
            memory: { shape, machine in machine.floatsInRotation(shape, buffers: buffers + 1) })
    }

    static let repack = panelCase(
        "repack", "both packed bf16 forms of f32 weights", variants: Product.bf16.variants, buffers: 1, bytes: 8,
        pattern: .streamingCopy
    ) { buffers, panels, context in
        let w = buffers[0]
        try panels.update(from: w.span, on: context)
    }

    static let adamWPacked = panelCase(
        "adamw-packed", "one AdamW step that rebuilds both packed bf16 forms", variants: Kernels.adamW, buffers: 4,
        bytes: 32, pattern: .optimizer
    ) { buffers, panels, context in
        let (g, w, m, v) = (buffers[0], buffers[1], buffers[2], buffers[3])
        try adamWStep(
            weights: w.mutableSpan, gradient: g.span, firstMoment: m.mutableSpan, secondMoment: v.mutableSpan,
            rate: 1e-3, weightDecay: 0.1, correction1: 1, correction2: 1, panels: panels, on: context)
    }

    static let lion = traffic(
        "lion", "one step of Lion in place", variants: Kernels.lion, shapes: [BenchShape(16_777_216)],
        pattern: .update, buffers: 3, moved: 5
    ) { _, buffers, _, context in
        let (g, w, momentum) = (buffers[0], buffers[1], buffers[2])
        try lionStep(
            weights: w.mutableSpan, gradient: g.span, momentum: momentum.mutableSpan, rate: 1e-4, on: context)
    }

    static let adagrad = traffic(
        "adagrad", "one step of Adagrad in place", variants: Kernels.adaptive, shapes: [BenchShape(16_777_216)],
        pattern: .update, buffers: 3, moved: 5
    ) { _, buffers, _, context in
        let (g, w, sum) = (buffers[0], buffers[1], buffers[2])
        try adagradStep(weights: w.mutableSpan, gradient: g.span, accumulator: sum.mutableSpan, rate: 1e-4, on: context)
    }

    static let maxNorms = traffic(
        "max-norm", "rows of 1024 weights, all within the norm", variants: Kernels.constraint,
        shapes: [BenchShape(16_777_216)], pattern: .read, buffers: 1, moved: 1
    ) { shape, buffers, _, context in
        let w = buffers[0]
        try maxNorm(rows: shape[0] / 1024, columns: 1024, limit: .infinity, in: w.mutableSpan, on: context)
    }

    static let adamW8bit = BenchCase(
        name: "adamw-8bit", dtype: "u8", summary: "one AdamW step with moments in 8 bits, in place",
        variants: Kernels.adamW8bit, shapes: [BenchShape(16_777_216)], isCold: true,
        prepare: { shape, context in
            let count = shape[0]
            let blocks = (count + adamW8bitBlock - 1) / adamW8bitBlock
            let cold = try ColdBuffers(count, buffers: 2, on: context.machine)
            let codes = try cold.sets.map { _ in try (0..<2).map { _ in try Memory<UInt8>(count: count) } }
            let scales = try cold.sets.map { _ in try (0..<2).map { _ in try Memory<Float>(count: blocks) } }
            return Workload(
                ops: 0, bytes: Double(16 * count + 16 * blocks), peak: .f32, pattern: .optimizer,
                copies: cold.sets.count
            ) { copy in
                let (g, w) = (cold.sets[copy][0], cold.sets[copy][1])
                let (m, v) = (codes[copy][0], codes[copy][1])
                let (firstScales, secondScales) = (scales[copy][0], scales[copy][1])
                try adamW8bitStep(
                    weights: w.mutableSpan, gradient: g.span, rows: 1, columns: count,
                    firstMoment: m.mutableSpan, firstScales: firstScales.mutableSpan,
                    secondMoment: v.mutableSpan, secondScales: secondScales.mutableSpan, rate: 1e-3,
                    weightDecay: 0.1, correction1: 1, correction2: 1, on: context)
            }
        }, memory: { shape, machine in machine.floatsInRotation(shape, buffers: 3) })
}
