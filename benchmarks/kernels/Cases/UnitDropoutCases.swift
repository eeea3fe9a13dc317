import AlambicKernels

/// Dropout by units and by rows, on activations `[rows, columns]`.
extension BenchCase {
    static let unitDropouts: [BenchCase] = [unitDropoutRows, scalingOfColumns, droppingOfRows]

    // A batch of Srivastava et al.'s network with 2048 units in a layer, and the tokens of a language model.
    private static let activations = [BenchShape(256, 2048), BenchShape(16384, 768)]

    private static let unitDropoutRows = rotating(
        "unit-dropout", "f32", "dropout with a rate for every unit", variants: Kernels.unitDropout,
        shapes: activations, pattern: .streamingCopy, held: { 8 * $0[0] * $0[1] + 6 * $0[1] },
        moved: { shape, _ in 8 * shape[0] * shape[1] + 6 * shape[1] },
        make: { shape, _ in
            let (rows, columns) = (shape[0], shape[1])
            let thresholds = try Memory<UInt16>(count: columns), scales = try Memory<Float>(count: columns)
            var units = thresholds.mutableSpan
            var factors = scales.mutableSpan
            for j in 0..<columns {
                // From 0 to a half.
                let (threshold, scale) = try dropoutThreshold(0.5 * Double(j) / Double(columns))
                units[j] = threshold
                factors[j] = scale
            }
            return (
                x: try ramp(rows * columns), y: try Memory<Float>(count: rows * columns), thresholds: thresholds,
                scales: scales
            )
        },
        body: { shape, set, context in
            let (x, y, thresholds, scales) = (set.x, set.y, set.thresholds, set.scales)
            try unitDropout(
                x.span, rows: shape[0], columns: shape[1], thresholds: thresholds.span, scales: scales.span, seed: 1,
                stream: 2, into: y.mutableSpan, on: context)
        })

    private static let scalingOfColumns = traffic(
        "scale-columns", "a factor for every unit: what unit dropout becomes after training",
        variants: Kernels.unitDropout, shapes: activations, pattern: .streamingCopy, buffers: 2, moved: 2,
        scratch: { $0[1] }
    ) { shape, buffers, scales, context in
        let (x, y) = (buffers[0], buffers[1])
        try scaleColumns(
            x.span, rows: shape[0], columns: shape[1], by: scales.span, into: y.mutableSpan, on: context)
    }

    /// Rows that are dropped need not be read.
    private static let droppingOfRows = rotating(
        "drop-rows", "f32", "stochastic depth: a fifth of the rows becomes zero", variants: Kernels.unitDropout,
        shapes: [BenchShape(16384, 768)], pattern: .streamingCopy, held: { 8 * $0[0] * $0[1] },
        moved: { shape, set in 4 * (shape[0] + set.kept) * shape[1] },
        make: { shape, context in
            let (rows, columns) = (shape[0], shape[1])
            // The same rows are dropped whatever they hold: of a column of ones, those that become zero.
            let ones = try Memory<Float>(count: rows), fates = try Memory<Float>(count: rows)
            var units = ones.mutableSpan
            for i in 0..<rows { units[i] = 1 }
            try dropRows(
                ones.span, rows: rows, columns: 1, rate: 0.2, seed: 1, stream: 2, into: fates.mutableSpan,
                on: context)
            let drawn = fates.span
            var kept = 0
            for i in 0..<rows where drawn[i] != 0 { kept += 1 }
            return (x: try ramp(rows * columns), y: try Memory<Float>(count: rows * columns), kept: kept)
        },
        body: { shape, set, context in
            let (x, y) = (set.x, set.y)
            try dropRows(
                x.span, rows: shape[0], columns: shape[1], rate: 0.2, seed: 1, stream: 2, into: y.mutableSpan,
                on: context)
        })
}
