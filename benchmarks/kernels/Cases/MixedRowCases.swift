import AlambicKernels

/// Buffers of floats and of 16-bit floats, all equally long.
struct MixedBuffers {
    let floats: [Memory<Float>]
    let halves: [Memory<UInt16>]
}

extension BenchCase {
    /// As ``traffic``, with some of the buffers in bf16.
    ///
    /// - Parameters:
    ///   - floats: buffers of f32 that a run touches, `narrow` those of bf16. The first of each holds values.
    ///   - moved: bytes of an element that must be read or written.
    static func mixedTraffic(
        _ name: String, _ summary: String, variants: [Variant], shapes: [BenchShape], pattern: TrafficPattern,
        floats: Int, narrow: Int, moved: Int,
        scratch: @escaping @Sendable (BenchShape) -> Int = { _ in 1 },
        body:
            @escaping @Sendable (
                _ shape: BenchShape, _ buffers: MixedBuffers, _ scratch: Memory<Float>, _ context: Context
            ) throws -> Void
    ) -> BenchCase {
        BenchCase(
            name: name, dtype: "bf16", summary: summary, variants: variants, shapes: shapes, isCold: true,
            prepare: { shape, context in
                let count = shape.extents.reduce(1, *)
                let copies = context.machine.coldCopies(ofBytes: count * (4 * floats + 2 * narrow))
                let sets = try (0..<copies).map { _ in
                    MixedBuffers(
                        floats: try (0..<floats).map { try $0 == 0 ? ramp(count) : Memory<Float>(count: count) },
                        halves: try (0..<narrow).map {
                            try $0 == 0 ? halves(count, .bf16) : Memory<UInt16>(count: count)
                        })
                }
                let extra = try ramp(scratch(shape))
                return Workload(
                    ops: 0, bytes: Double(count * moved), peak: .f32, pattern: pattern, copies: copies
                ) { copy in try body(shape, sets[copy], extra, context) }
            },
            memory: { shape, machine in
                machine.floatsInRotation(shape, buffers: floats + narrow, besides: scratch(shape))
            })
    }

    private static let rowShapes = [BenchShape(16384, 768), BenchShape(4096, 128)]

    static let normToBF16 = mixedTraffic(
        "norm", "layer norm of f32 rows into bf16, statistics kept", variants: Kernels.norm, shapes: rowShapes,
        pattern: .streamingCopy, floats: 1, narrow: 1, moved: 6, scratch: { $0[1] + 2 * $0[0] }
    ) { shape, buffers, scratch, context in
        let (x, narrow) = (buffers.floats[0], buffers.halves[0])
        let (rows, columns) = (shape[0], shape[1])
        try layerNorm(
            x.span, gain: scratch.span(0..<columns), bias: scratch.span(0..<columns), epsilon: 1e-5,
            rows: rows, columns: columns, into: narrow.mutableSpan,
            mean: scratch.mutableSpan(columns..<columns + rows),
            inverseDeviation: scratch.mutableSpan(columns + rows..<columns + 2 * rows), on: context)
    }

    static let normBackwardFromBF16 = mixedTraffic(
        "norm-backward", "gradients of layer norm from bf16, residual added in place, with a bf16 copy",
        variants: Kernels.norm, shapes: rowShapes, pattern: .streamingCopy, floats: 2, narrow: 2, moved: 16,
        scratch: { 3 * $0[1] + 2 * $0[0] }
    ) { shape, buffers, scratch, context in
        let (narrow, x, copy) = (buffers.halves[0], buffers.floats[0], buffers.halves[1])
        let (rows, columns) = (shape[0], shape[1])
        let statistics = 3 * columns
        let dx = buffers.floats[1]
        try layerNormBackward(
            narrow.span, x.span, gain: scratch.span(0..<columns),
            mean: scratch.span(statistics..<statistics + rows),
            inverseDeviation: scratch.span(statistics + rows..<statistics + 2 * rows), residual: dx.span, rows: rows,
            columns: columns, into: dx.mutableSpan, copy: copy.mutableSpan,
            dGain: scratch.mutableSpan(columns..<2 * columns), dBias: scratch.mutableSpan(2 * columns..<3 * columns),
            store: .replace, on: context)
    }

    static let rmsNormRows = traffic(
        "rmsnorm", "RMS norm of every row, statistics kept", variants: Kernels.norm, shapes: rowShapes,
        pattern: .streamingCopy,
        buffers: 2, moved: 2, scratch: { $0[1] + $0[0] }
    ) { shape, buffers, scratch, context in
        let (x, y) = (buffers[0], buffers[1])
        let (rows, columns) = (shape[0], shape[1])
        try rmsNorm(
            x.span, gain: scratch.span(0..<columns), epsilon: 1e-5, rows: rows, columns: columns,
            into: y.mutableSpan, inverseRMS: scratch.mutableSpan(columns..<columns + rows), on: context)
    }

    static let rmsNormBackwardRows = traffic(
        "rmsnorm-backward", "gradients of RMS norm", variants: Kernels.norm, shapes: rowShapes, pattern: .streamingCopy,
        buffers: 3, moved: 3, scratch: { 2 * $0[1] + $0[0] }
    ) { shape, buffers, scratch, context in
        let (dy, x, dx) = (buffers[0], buffers[1], buffers[2])
        let (rows, columns) = (shape[0], shape[1])
        try rmsNormBackward(
            dy.span, x.span, gain: scratch.span(0..<columns),
            inverseRMS: scratch.span(2 * columns..<2 * columns + rows), rows: rows, columns: columns,
            into: dx.mutableSpan, dGain: scratch.mutableSpan(columns..<2 * columns), on: context)
    }

    static let softmaxGradient = traffic(
        "softmax-backward", "gradient of softmax", variants: Kernels.softmax,
        shapes: [BenchShape(16384, 1024), BenchShape(4096, 256)], pattern: .streamingCopy, buffers: 3, moved: 3
    ) { shape, buffers, _, context in
        let (dy, y, dx) = (buffers[0], buffers[1], buffers[2])
        try softmaxBackward(
            dy.span, y.span, rows: shape[0], columns: shape[1], into: dx.mutableSpan,
            on: context)
    }

    static let columnSumsOfBF16 = mixedTraffic(
        "columnsum", "sums of columns of bf16: bias gradients", variants: Kernels.columnSum,
        shapes: rowShapes + [BenchShape(1024, 3072)], pattern: .read, floats: 0, narrow: 1, moved: 2,
        scratch: { $0[1] }
    ) { shape, buffers, sums, context in
        let narrow = buffers.halves[0]
        try columnSum(
            narrow.span, rows: shape[0], columns: shape[1], into: sums.mutableSpan, store: .replace,
            on: context)
    }

    static let crossEntropyOfBF16 = BenchCase(
        name: "crossentropy", dtype: "bf16",
        summary: "softmax cross-entropy of bf16 logits with its gradient, in place",
        variants: Kernels.crossEntropy, shapes: [BenchShape(1024, 50257), BenchShape(16384, 65)], isCold: true,
        prepare: { shape, context in
            let (rows, vocabulary) = (shape[0], shape[1])
            let count = rows * vocabulary
            let targets = try tokenIDs(rows, vocabulary)
            let losses = try Memory<Float>(count: rows)
            let copies = context.machine.coldCopies(ofBytes: 2 * count)
            let sets = try (0..<copies).map { _ in try halves(count, .bf16) }
            return Workload(ops: 0, bytes: Double(4 * count), peak: .f32, pattern: .update, copies: copies) { copy in
                let logits = sets[copy]
                try crossEntropy(
                    logits.mutableSpan, targets: targets.span, rows: rows, vocabulary: vocabulary,
                    gradientScale: 1, losses: losses.mutableSpan, on: context)
            }
        }, memory: { shape, machine in machine.floatsInRotation(shape, buffers: 1, besides: 2 * shape[0]) })
}
