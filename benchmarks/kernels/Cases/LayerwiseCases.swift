import AlambicKernels

/// Directions of LAMB, Muon and Adafactor, and a whole step of LAMB.
extension BenchCase {
    static let layerwise: [BenchCase] = [
        adamDirections, lamb, momentumDirections, normalizing, holdingZeros, moments, factoredDirections,
        unfactoredDirections,
    ]

    private static let matrices = [BenchShape(4096, 4096)]

    private static let adamDirections = traffic(
        "layerwise-adam", "LAMB's moments and direction, weights stay", variants: Kernels.layerwise, shapes: matrices,
        pattern: .optimizer, buffers: 5, moved: 7
    ) { _, buffers, _, context in
        let (g, w, m, v, u) = (buffers[0], buffers[1], buffers[2], buffers[3], buffers[4])
        try adamDirection(
            weights: w.span, gradient: g.span, firstMoment: m.mutableSpan, secondMoment: v.mutableSpan,
            into: u.mutableSpan, weightDecay: 0.01, correction1: 1, correction2: 1, on: context)
    }

    /// How far a step goes depends on norms of whole matrices, so that weights and direction are read once more after
    /// it was made: seven buffers and three. The norms themselves could be taken on the way.
    private static let lamb = rotating(
        "lamb", "f32", "one step of LAMB in place: direction, both norms, trust ratio, descent",
        variants: Kernels.layerwise, shapes: matrices, pattern: .optimizer,
        held: { 20 * $0[0] * $0[1] }, moved: { shape, _ in 40 * shape[0] * shape[1] },
        make: { shape, _ in
            let count = shape[0] * shape[1]
            return (
                arrays: try (0..<5).map { try $0 < 2 ? ramp(count) : writtenZeros(count) },
                squares: try Memory<Double>(count: 2), factor: try Memory<Double>(count: 1)
            )
        },
        body: { _, set, context in
            let (w, g, m, v, u) = (set.arrays[0], set.arrays[1], set.arrays[2], set.arrays[3], set.arrays[4])
            let (squares, factor) = (set.squares, set.factor)
            try adamDirection(
                weights: w.span, gradient: g.span, firstMoment: m.mutableSpan, secondMoment: v.mutableSpan,
                into: u.mutableSpan, weightDecay: 0.01, correction1: 1, correction2: 1, on: context)
            try sumOfSquares(w.span, into: squares.mutableSpan(0..<1), on: context)
            try sumOfSquares(u.span, into: squares.mutableSpan(1..<2), on: context)
            try trustRatio(
                weightSquares: squares.span(0..<1), directionSquares: squares.span(1..<2), into: factor.mutableSpan,
                on: context)
            try sgdStep(
                weights: w.mutableSpan, gradient: u.span, velocity: nil, rate: 1e-3, factor: factor, on: context)
        })

    private static let momentumDirections = traffic(
        "layerwise-momentum", "Muon's momentum and direction, weights stay", variants: Kernels.layerwise,
        shapes: matrices, pattern: .update, buffers: 3, moved: 4
    ) { _, buffers, _, context in
        let (g, m, u) = (buffers[0], buffers[1], buffers[2])
        // Weights are not looked at.
        try momentumDirection(
            weights: g.span, gradient: g.span, momentum: m.mutableSpan, into: u.mutableSpan, 0.95, on: context)
    }

    private static let normalizing = rotating(
        "layerwise-normalize", "f32", "Muon's division by the norm, in place", variants: Kernels.layerwise,
        shapes: matrices, pattern: .update, held: { 4 * $0[0] * $0[1] },
        moved: { shape, _ in 8 * shape[0] * shape[1] },
        make: { shape, _ in
            // A norm of 1, so that no number of runs makes the elements denormal.
            let squares = try Memory<Double>(count: 1)
            var span = squares.mutableSpan
            span[0] = 1
            return (x: try ramp(shape[0] * shape[1]), squares: squares)
        },
        body: { _, set, context in
            let (x, squares) = (set.x, set.squares)
            try normalize(x.span, squares: squares.span, epsilon: 1e-7, into: x.mutableSpan, on: context)
        })

    private static let holdingZeros = traffic(
        "layerwise-hold-zeros", "zeros of a mask held in Muon's direction, in place", variants: Kernels.layerwise,
        shapes: matrices, pattern: .update, buffers: 3, moved: 4
    ) { _, buffers, _, context in
        let (w, m, u) = (buffers[0], buffers[1], buffers[2])
        try holdZeros(weights: w.span, momentum: m.span, in: u.mutableSpan, on: context)
    }

    /// A gradient with its factored second moment.
    private struct Factored {
        let g, row, column: Memory<Float>
        let mean: Memory<Double>
        let rows, columns: Int

        init(_ shape: BenchShape) throws {
            (rows, columns) = (shape[0], shape[1])
            g = try ramp(rows * columns)
            row = try Memory(count: rows)
            column = try Memory(count: columns)
            mean = try Memory(count: 1)
        }

        func update(on context: Context) throws {
            let (g, row, column, mean) = (self.g, self.row, self.column, self.mean)
            try factoredMoments(
                g.span, rows: rows, columns: columns, row: row.mutableSpan, column: column.mutableSpan,
                mean: mean.mutableSpan, decay: 0.9, epsilon: 1e-30, on: context)
        }
    }

    private static let moments = rotating(
        "layerwise-factored-moments", "f32", "Adafactor's second moment of rows and columns",
        variants: Kernels.layerwise, shapes: matrices, pattern: .read,
        held: { 4 * ($0[0] * $0[1] + $0[0] + $0[1]) },
        moved: { shape, _ in 4 * shape[0] * shape[1] + 8 * (shape[0] + shape[1]) },
        make: { shape, _ in try Factored(shape) }, body: { _, set, context in try set.update(on: context) })

    private static let factoredDirections = rotating(
        "layerwise-factored-direction", "f32", "Adafactor's direction of a matrix", variants: Kernels.layerwise,
        shapes: matrices, pattern: .streamingCopy, held: { 4 * (2 * $0[0] * $0[1] + $0[0] + $0[1]) },
        moved: { shape, _ in 8 * shape[0] * shape[1] + 4 * (shape[0] + shape[1]) },
        make: { shape, context in
            let factored = try Factored(shape)
            // Roots of zero would be divided by.
            try factored.update(on: context)
            return (factored: factored, u: try Memory<Float>(count: shape[0] * shape[1]))
        },
        body: { shape, set, context in
            let (g, u) = (set.factored.g, set.u)
            let (row, column, mean) = (set.factored.row, set.factored.column, set.factored.mean)
            try factoredDirection(
                g.span, rows: shape[0], columns: shape[1], row: row.span, column: column.span, mean: mean.span,
                into: u.mutableSpan, on: context)
        })

    private static let unfactoredDirections = traffic(
        "layerwise-unfactored-direction", "Adafactor's second moment and direction of a vector",
        variants: Kernels.layerwise, shapes: [BenchShape(16_777_216)], pattern: .update, buffers: 3, moved: 4
    ) { _, buffers, _, context in
        let (g, v, u) = (buffers[0], buffers[1], buffers[2])
        // Weights are not looked at.
        try unfactoredDirection(
            weights: g.span, gradient: g.span, secondMoment: v.mutableSpan, into: u.mutableSpan, decay: 0.9,
            epsilon: 1e-30, on: context)
    }
}
