import AlambicKernels

extension BenchCase {
    private static let longShapes = [BenchShape(16_777_216), BenchShape(1_048_576)]

    static let dropoutForward = traffic(
        "dropout", "dropout with a mask from Philox, recomputed in the backward pass", variants: Kernels.dropout,
        shapes: [BenchShape(67_108_864), BenchShape(1_048_576)], pattern: .streamingCopy, buffers: 2, moved: 2
    ) { _, buffers, _, context in
        let (x, y) = (buffers[0], buffers[1])
        try dropout(x.span, rate: 0.1, seed: 1, stream: 2, into: y.mutableSpan, on: context)
    }

    static let uniformNumbers = traffic(
        "random", "uniform numbers", variants: Kernels.random, shapes: longShapes, pattern: .streamingWrite, buffers: 1,
        moved: 1
    ) { _, buffers, _, context in
        let y = buffers[0]
        try uniform(seed: 1, stream: 2, into: y.mutableSpan, on: context)
    }

    static let normalNumbers = traffic(
        "random-normal", "normal numbers", variants: Kernels.random, shapes: longShapes, pattern: .streamingWrite,
        buffers: 1, moved: 1
    ) { _, buffers, _, context in
        let y = buffers[0]
        try normal(seed: 1, stream: 2, into: y.mutableSpan, on: context)
    }

    static let adamW = traffic(
        "adamw", "one AdamW step in place", variants: Kernels.adamW, shapes: longShapes, pattern: .optimizer,
        buffers: 4,
        moved: 7
    ) { _, buffers, _, context in
        let (g, w, m, v) = (buffers[0], buffers[1], buffers[2], buffers[3])
        try adamWStep(
            weights: w.mutableSpan, gradient: g.span, firstMoment: m.mutableSpan, secondMoment: v.mutableSpan,
            rate: 1e-3,
            weightDecay: 0.1, correction1: 1, correction2: 1, on: context)
    }

    static let momentum = traffic(
        "sgd", "one step of SGD with momentum in place", variants: Kernels.sgd, shapes: longShapes, pattern: .update,
        buffers: 3, moved: 5
    ) { _, buffers, _, context in
        let (g, w, velocity) = (buffers[0], buffers[1], buffers[2])
        try sgdStep(
            weights: w.mutableSpan, gradient: g.span, velocity: velocity.mutableSpan, rate: 1e-3, momentum: 0.9,
            on: context)
    }

    static let quantizeRowsToInt8 = BenchCase(
        name: "quantize", dtype: "s8", summary: "f32 rows to int8 with one scale per row", variants: Kernels.quantize,
        shapes: [BenchShape(16384, 768), BenchShape(4096, 128)], isCold: true,
        prepare: { shape, context in
            let (rows, columns) = (shape[0], shape[1])
            let cold = try ColdBuffers(rows * columns, buffers: 1, on: context.machine)
            let outputs = try cold.sets.map { _ in try Memory<Int8>(count: rows * columns) }
            let scales = try Memory<Float>(count: rows)
            return Workload(
                ops: 0, bytes: Double(5 * rows * columns), peak: .f32, pattern: .read, copies: cold.sets.count
            ) { copy in
                let (x, q) = (cold.sets[copy][0], outputs[copy])
                try quantizeRows(
                    x.span, rows: rows, columns: columns, into: q.mutableSpan, scales: scales.mutableSpan, on: context)
            }
        }, memory: { shape, machine in machine.floatsInRotation(shape, buffers: 2, besides: shape[0]) })

    static let widenFourBits = BenchCase(
        name: "quantize", dtype: "s4-f32", summary: "4-bit weights in groups of 32 to f32", variants: Kernels.quantize,
        shapes: [BenchShape(16384, 768), BenchShape(768, 768)], isCold: true,
        prepare: { shape, context in
            let (rows, columns) = (shape[0], shape[1])
            let cold = try ColdBuffers(rows * columns, buffers: 1, on: context.machine)
            let nibbles = try Memory<UInt8>(count: rows * columns / 2)
            let scales = try Memory<UInt16>(count: rows * columns / 32)
            return Workload(
                ops: 0, bytes: 4.5625 * Double(rows * columns), peak: .f32, pattern: .write, copies: cold.sets.count
            ) { copy in
                let y = cold.sets[copy][0]
                try dequantizeGroups(
                    nibbles.span, scales: scales.span, rows: rows, columns: columns, group: 32, into: y.mutableSpan,
                    on: context)
            }
        }, memory: { shape, machine in machine.floatsInRotation(shape, buffers: 1, besides: shape[0] * shape[1]) })
}
