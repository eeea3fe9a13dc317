import AlambicKernels

/// Optimizer steps and the rebuilding of packed weights, on `[outputs, inputs]` of linear layers.
extension BenchCase {
    private static let layers = [BenchShape(3072, 768), BenchShape(50257, 768)]

    /// Panels for each set of cold buffers, whose bytes come on top of them.
    private static func panelCase(
        _ name: String, _ product: Product, _ summary: String, variants: [Variant], buffers: Int, bytes: Int,
        pattern: TrafficPattern,
        body:
            @escaping @Sendable (_ buffers: [Memory<Float>], _ panels: WeightPanels, _ context: Context) throws -> Void
    ) -> BenchCase {
        BenchCase(
            name: name, dtype: "\(product)", summary: summary, variants: variants, shapes: layers, isCold: true,
            prepare: { shape, context in
                let (rows, columns) = (shape[0], shape[1])
                let cold = try ColdBuffers(rows * columns, buffers: buffers, on: context.machine)
                let panels = try cold.sets.map { _ in
                    WeightPanels(
                        forward: try PackedMatrix(empty: product, N: rows, K: columns, on: context),
                        backward: try PackedMatrix(empty: product, N: columns, K: rows, on: context))
                }
                return Workload(
                    ops: 0, bytes: Double(bytes * rows * columns), peak: .f32, pattern: pattern,
                    copies: cold.sets.count
                ) { copy in try body(cold.sets[copy], panels[copy], context) }
            },
            // Two forms of two bytes are one more buffer of floats, of four bytes two more.
            memory: { shape, machine in
                machine.floatsInRotation(shape, buffers: buffers + (product == .f32 ? 2 : 1))
            })
    }

    static let repack = repacking(.bf16, bytes: 8, pattern: .streamingCopy)
    static let repackF32 = repacking(.f32, bytes: 12, pattern: .streamingCopy)
    /// Scales are found before anything is quantized: the weights are read twice, which counts once, since small ones
    /// may still be in a cache by then.
    static let repackS8 = repacking(.s8, bytes: 6, pattern: .read)

    private static func repacking(_ product: Product, bytes: Int, pattern: TrafficPattern) -> BenchCase {
        panelCase(
            "repack", product, "both packed \(product) forms of f32 weights", variants: product.variants, buffers: 1,
            bytes: bytes, pattern: pattern
        ) { buffers, panels, context in
            let w = buffers[0]
            try panels.update(from: w.span, on: context)
        }
    }

    static let adamWPacked = panelCase(
        "adamw-packed", .bf16, "one AdamW step that rebuilds both packed bf16 forms", variants: Kernels.adamW,
        buffers: 4, bytes: 32, pattern: .optimizer
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

    static let rmsProp = traffic(
        "rmsprop", "one step of RMSProp in place", variants: Kernels.adaptive, shapes: [BenchShape(16_777_216)],
        pattern: .update, buffers: 3, moved: 5
    ) { _, buffers, _, context in
        let (g, w, square) = (buffers[0], buffers[1], buffers[2])
        try rmsPropStep(
            weights: w.mutableSpan, gradient: g.span, meanSquare: square.mutableSpan, rate: 1e-4, on: context)
    }

    static let adaMax = traffic(
        "adamax", "one step of AdaMax in place", variants: Kernels.adaptive, shapes: [BenchShape(16_777_216)],
        pattern: .optimizer, buffers: 4, moved: 7
    ) { _, buffers, _, context in
        let (g, w, m, u) = (buffers[0], buffers[1], buffers[2], buffers[3])
        try adaMaxStep(
            weights: w.mutableSpan, gradient: g.span, firstMoment: m.mutableSpan, infinityNorm: u.mutableSpan,
            rate: 1e-4, correction: 1, on: context)
    }

    static let plainDescent = traffic(
        "sgd-plain", "one step of SGD without momentum in place", variants: Kernels.sgd,
        shapes: [BenchShape(16_777_216)], pattern: .update, buffers: 2, moved: 3
    ) { _, buffers, _, context in
        let (g, w) = (buffers[0], buffers[1])
        try sgdStep(weights: w.mutableSpan, gradient: g.span, velocity: nil, rate: 1e-3, on: context)
    }

    static let nesterov = traffic(
        "sgd-nesterov", "one step of SGD with Nesterov's momentum in place", variants: Kernels.sgd,
        shapes: [BenchShape(16_777_216)], pattern: .update, buffers: 3, moved: 5
    ) { _, buffers, _, context in
        let (g, w, velocity) = (buffers[0], buffers[1], buffers[2])
        try sgdStep(
            weights: w.mutableSpan, gradient: g.span, velocity: velocity.mutableSpan, rate: 1e-3, momentum: 0.9,
            nesterov: true, on: context)
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
