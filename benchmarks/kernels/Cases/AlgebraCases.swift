import AlambicKernels

/// Elementwise sums, products and functions, reductions and random words, in f32.
extension BenchCase {
    static let algebra: [BenchCase] =
        [accumulating, scaling, combining, rectified, rectifiedGradient]
        + ElementaryFunction.allCases.map(elementary) + [innerProduct, finiteness, randomWords]

    private static let activations = [BenchShape(16384, 768), BenchShape(4096, 128)]
    private static let long = [BenchShape(16_777_216)]

    private static let accumulating = traffic(
        "elementwise-accumulate", "sum of gradients: y += x", variants: Kernels.elementwise, shapes: long,
        pattern: .update, buffers: 2, moved: 3
    ) { _, buffers, _, context in
        let (x, y) = (buffers[0], buffers[1])
        try accumulate(x.span, into: y.mutableSpan, on: context)
    }

    private static let scaling = traffic(
        "elementwise-scale", "x times a number, in place", variants: Kernels.elementwise, shapes: long,
        pattern: .update, buffers: 1, moved: 2
    ) { _, buffers, _, context in
        let x = buffers[0]
        // By -1, so that no number of runs makes them denormal or infinite.
        try scale(by: -1, into: x.mutableSpan, on: context)
    }

    private static let combining = traffic(
        "elementwise-combine", "z = a x + b y", variants: Kernels.elementwise, shapes: long, pattern: .streamingCopy,
        buffers: 3, moved: 3
    ) { _, buffers, _, context in
        let (x, y, z) = (buffers[0], buffers[1], buffers[2])
        try combine(0.9, x.span, 0.1, y.span, into: z.mutableSpan, on: context)
    }

    private static let rectified = traffic(
        "relu", "ReLU", variants: Kernels.elementwise, shapes: activations, pattern: .streamingCopy, buffers: 2,
        moved: 2
    ) { _, buffers, _, context in
        let (x, y) = (buffers[0], buffers[1])
        try relu(x.span, into: y.mutableSpan, on: context)
    }

    private static let rectifiedGradient = traffic(
        "relu-backward", "gradient of ReLU", variants: Kernels.elementwise, shapes: activations,
        pattern: .streamingCopy, buffers: 3, moved: 3
    ) { _, buffers, _, context in
        let (dy, y, dx) = (buffers[0], buffers[1], buffers[2])
        try reluBackward(dy.span, y.span, into: dx.mutableSpan, on: context)
    }

    private static func elementary(_ function: ElementaryFunction) -> BenchCase {
        traffic(
            "map-\(function)", "\(function) of every element", variants: Kernels.map, shapes: long,
            pattern: .streamingCopy, buffers: 2, moved: 2
        ) { _, buffers, _, context in
            let (x, y) = (buffers[0], buffers[1])
            try map(function, x.span, into: y.mutableSpan, on: context)
        }
    }

    private static let innerProduct = traffic(
        "reduce-dot", "inner product in double precision", variants: Kernels.reductions, shapes: long, pattern: .read,
        buffers: 2, moved: 2
    ) { _, buffers, _, context in
        let (x, y) = (buffers[0], buffers[1])
        _ = try dot(x.span, y.span, on: context)
    }

    private static let finiteness = traffic(
        "reduce-finite", "whether all is finite: the check of gradients", variants: Kernels.reductions, shapes: long,
        pattern: .read, buffers: 1, moved: 1
    ) { _, buffers, _, context in
        let x = buffers[0]
        _ = try allFinite(x.span, on: context)
    }

    private static let randomWords = rotating(
        "random-bits", "u32", "random words", variants: Kernels.random, shapes: long, pattern: .streamingWrite,
        held: { 4 * $0[0] }, moved: { shape, _ in 4 * shape[0] },
        make: { shape, _ in try Memory<UInt32>(count: shape[0]) },
        body: { _, y, context in try randomBits(seed: 1, stream: 2, into: y.mutableSpan, on: context) })
}
