import AlambicKernels

/// What holds weights small, on the weights of linear layers.
extension BenchCase {
    static let constraints: [BenchCase] = [maxNorms, maxNormsOver, softThresholds, l1Gradients]

    private static let maxNorms = traffic(
        "max-norm", "rows of 1024 weights, all within the norm", variants: Kernels.constraint,
        shapes: [BenchShape(16_777_216)], pattern: .read, buffers: 1, moved: 1
    ) { shape, buffers, _, context in
        let w = buffers[0]
        try maxNorm(rows: shape[0] / 1024, columns: 1024, limit: .infinity, in: w.mutableSpan, on: context)
    }

    /// A run leaves every row at the limit, so that the next one must have a lower limit for it to be over. It falls so
    /// slowly that weights become denormal after several hundred thousand runs only.
    private final class FallingLimit {
        private var limit: Double
        /// - Parameter columns: of rows of numbers between 0 and 1, which are well over the first limit.
        init(columns: Int) { limit = 0.5 * (Double(columns) / 3).squareRoot() }
        func next() -> Double {
            limit *= 0.9999
            return limit
        }
    }

    private static let maxNormsOver = rotating(
        "max-norm-over", "f32", "rows of weights, all over the norm, scaled in place",
        variants: Kernels.constraint, shapes: [BenchShape(4096, 4096), BenchShape(2048, 784)], pattern: .update,
        held: { 4 * $0[0] * $0[1] }, moved: { shape, _ in 8 * shape[0] * shape[1] },
        make: { shape, _ in (w: try ramp(shape[0] * shape[1]), limit: FallingLimit(columns: shape[1])) },
        body: { shape, set, context in
            let w = set.w
            try maxNorm(rows: shape[0], columns: shape[1], limit: set.limit.next(), in: w.mutableSpan, on: context)
        })

    private static let softThresholds = traffic(
        "soft-threshold", "L1 as a proximal step, in place", variants: Kernels.constraint,
        shapes: [BenchShape(16_777_216)], pattern: .update, buffers: 1, moved: 2
    ) { _, buffers, _, context in
        let w = buffers[0]
        try softThreshold(by: 1e-6, in: w.mutableSpan, on: context)
    }

    private static let l1Gradients = traffic(
        "l1-gradient", "L1 as a subgradient, added to the gradient", variants: Kernels.constraint,
        shapes: [BenchShape(16_777_216)], pattern: .update, buffers: 2, moved: 3
    ) { _, buffers, _, context in
        let (w, g) = (buffers[0], buffers[1])
        try addL1Gradient(of: w.span, coefficient: 1e-4, to: g.mutableSpan, on: context)
    }
}
