import AlambicKernels

/// Several sets of equally long float buffers, so that a cold run never finds its data in a cache.
struct ColdBuffers {
    let sets: [[Memory<Float>]]

    /// - Parameters:
    ///   - count: floats in each buffer.
    ///   - buffers: buffers in each set; the first one holds values, so that arithmetic meets real numbers, the others
    ///     zeros.
    init(_ count: Int, buffers: Int, on machine: Machine) throws {
        let copies = machine.coldCopies(ofBytes: 4 * count * buffers)
        sets = try (0..<copies).map { _ in
            try (0..<buffers).map { index in index == 0 ? try ramp(count) : try writtenZeros(count) }
        }
    }
}

/// Zeros that have been written. Pages that nobody has written to are all one page of the system's, which never leaves
/// the cache: reading them would be no traffic.
func writtenZeros(_ count: Int) throws -> Memory<Float> {
    let memory = try Memory<Float>(count: count)
    try scale(by: 0, into: memory.mutableSpan, on: .default)
    return memory
}

extension Machine {
    /// Bytes of cold sets of `buffers` buffers with a float for each element of the shape, and of other floats besides.
    func floatsInRotation(_ shape: BenchShape, buffers: Int, besides floats: Int = 0) -> Int? {
        guard let count = shape.product, count <= Int.max / 64 / buffers, floats <= Int.max / 64,
            let rotation = rotationMemory(ofBytes: 4 * count * buffers, isCold: true)
        else { return nil }
        return rotation + 4 * floats
    }
}

extension BenchCase {
    /// A case on `rows x columns` floats whose time is memory traffic: its arithmetic is free or hidden.
    ///
    /// - Parameters:
    ///   - buffers: buffers of that size that a run touches, and `moved` how often one is read or written.
    ///   - scratch: floats that stay in the cache from run to run, such as parameters and statistics.
    static func traffic(
        _ name: String, _ summary: String, variants: [Variant], shapes: [BenchShape], pattern: TrafficPattern,
        buffers: Int, moved: Int, scratch: @escaping @Sendable (BenchShape) -> Int = { _ in 1 },
        body:
            @escaping @Sendable (
                _ shape: BenchShape, _ buffers: [Memory<Float>], _ scratch: Memory<Float>, _ context: Context
            ) throws -> Void
    ) -> BenchCase {
        BenchCase(
            name: name, dtype: "f32", summary: summary, variants: variants, shapes: shapes, isCold: true,
            prepare: { shape, context in
                let count = shape.extents.reduce(1, *)
                let cold = try ColdBuffers(count, buffers: buffers, on: context.machine)
                let extra = try ramp(scratch(shape))
                return Workload(
                    ops: 0, bytes: Double(4 * count * moved), peak: .f32, pattern: pattern, copies: cold.sets.count
                ) { copy in try body(shape, cold.sets[copy], extra, context) }
            },
            memory: { shape, machine in machine.floatsInRotation(shape, buffers: buffers, besides: scratch(shape)) })
    }

    private static let rowShapes = [BenchShape(16384, 768), BenchShape(4096, 128)]

    static let norm = traffic(
        "norm", "layer norm of every row, statistics kept", variants: Kernels.norm, shapes: rowShapes,
        pattern: .streamingCopy,
        buffers: 2, moved: 2, scratch: { $0[1] + 2 * $0[0] }
    ) { shape, buffers, scratch, context in
        let (rows, columns) = (shape[0], shape[1])
        let (x, y) = (buffers[0], buffers[1])
        try layerNorm(
            x.span, gain: scratch.span(0..<columns), bias: scratch.span(0..<columns), epsilon: 1e-5, rows: rows,
            columns: columns, into: y.mutableSpan, mean: scratch.mutableSpan(columns..<columns + rows),
            inverseDeviation: scratch.mutableSpan(columns + rows..<columns + 2 * rows), on: context)
    }

    static let normBackward = traffic(
        "norm-backward", "gradients of layer norm", variants: Kernels.norm, shapes: rowShapes, pattern: .streamingCopy,
        buffers: 3, moved: 3, scratch: { 3 * $0[1] + 2 * $0[0] }
    ) { shape, buffers, scratch, context in
        let (rows, columns) = (shape[0], shape[1])
        let statistics = 3 * columns
        let (dy, x, dx) = (buffers[0], buffers[1], buffers[2])
        try layerNormBackward(
            dy.span, x.span, gain: scratch.span(0..<columns), mean: scratch.span(statistics..<statistics + rows),
            inverseDeviation: scratch.span(statistics + rows..<statistics + 2 * rows), rows: rows, columns: columns,
            into: dx.mutableSpan, dGain: scratch.mutableSpan(columns..<2 * columns),
            dBias: scratch.mutableSpan(2 * columns..<3 * columns), on: context)
    }

    static let softmaxRows = traffic(
        "softmax", "softmax of every row", variants: Kernels.softmax,
        shapes: [BenchShape(16384, 1024), BenchShape(4096, 256)], pattern: .streamingCopy, buffers: 2, moved: 2
    ) { shape, buffers, _, context in
        let (x, y) = (buffers[0], buffers[1])
        try softmax(x.span, rows: shape[0], columns: shape[1], into: y.mutableSpan, on: context)
    }

    static let residual = traffic(
        "elementwise", "residual: z = x + y", variants: Kernels.elementwise, shapes: rowShapes, pattern: .streamingCopy,
        buffers: 3,
        moved: 3
    ) { _, buffers, _, context in
        let (x, y, z) = (buffers[0], buffers[1], buffers[2])
        try add(x.span, y.span, into: z.mutableSpan, on: context)
    }

    static let columnSums = traffic(
        "columnsum", "sums of columns: bias gradients", variants: Kernels.columnSum, shapes: rowShapes, pattern: .read,
        buffers: 1, moved: 1, scratch: { $0[1] }
    ) { shape, buffers, sums, context in
        let x = buffers[0]
        try columnSum(x.span, rows: shape[0], columns: shape[1], into: sums.mutableSpan, on: context)
    }

    static let gradientNorm = traffic(
        "reduce", "sum of squares: the gradient norm", variants: Kernels.reductions, shapes: [BenchShape(16_777_216)],
        pattern: .read, buffers: 1, moved: 1
    ) { _, buffers, _, context in
        let x = buffers[0]
        _ = try sumOfSquares(x.span, on: context)
    }
}
