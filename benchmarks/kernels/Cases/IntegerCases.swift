import AlambicKernels

/// What integer-only inference and training for it need besides products.
extension BenchCase {
    static let integers: [BenchCase] = [
        quantizeToLevels, quantizeRowsToLevels, dequantizeBytes, dequantizeSums, fakeQuantized, fakeQuantizedGradient,
        requantizeRows, requantizeWithZeroPoints, requantizeLogits, sumsOfRows, quantizeRowsOfBF16, dequantizeInt8Rows,
    ]

    private static let rowShapes = [BenchShape(16384, 768), BenchShape(4096, 128)]
    /// A language model's hidden layer, and LeNet-5's first convolution of 100 images.
    private static let sumShapes = [BenchShape(16384, 768), BenchShape(57600, 20)]
    private static let levels = AffineScale(scale: 0.01, zeroPoint: 128, levels: 0...255)

    private static let quantizeToLevels = rotating(
        "affine", "f32-u8", "f32 to bytes with a zero point", variants: Kernels.affine, shapes: rowShapes,
        pattern: .read, held: { 5 * $0[0] * $0[1] }, moved: { shape, _ in 5 * shape[0] * shape[1] },
        make: { shape, _ in
            (x: try ramp(shape[0] * shape[1]), q: try Memory<UInt8>(count: shape[0] * shape[1]))
        },
        body: { _, set, context in
            let (x, q) = (set.x, set.q)
            try quantize(x.span, levels, into: q.mutableSpan, on: context)
        })

    private static let quantizeRowsToLevels = rotating(
        "affine-rows", "f32-s8", "f32 weights to int8 with a scale and a zero point for each row",
        variants: Kernels.affine, shapes: [BenchShape(4096, 4096)], pattern: .read,
        held: { 5 * $0[0] * $0[1] + 8 * $0[0] }, moved: { shape, _ in 5 * shape[0] * shape[1] + 8 * shape[0] },
        make: { shape, _ in
            let scales = try Memory<Float>(count: shape[0])
            var span = scales.mutableSpan
            for i in 0..<shape[0] { span[i] = 0.005 }
            return (
                x: try ramp(shape[0] * shape[1]), scales: scales, zeroPoints: try Memory<Int32>(count: shape[0]),
                q: try Memory<Int8>(count: shape[0] * shape[1])
            )
        },
        body: { shape, set, context in
            let (x, scales, zeroPoints, q) = (set.x, set.scales, set.zeroPoints, set.q)
            try quantize(
                x.span, rows: shape[0], columns: shape[1], scales: scales.span, zeroPoints: zeroPoints.span,
                levels: -128...127, into: q.mutableSpan, on: context)
        })

    private static let dequantizeBytes = rotating(
        "affine-dequantize", "u8-f32", "bytes with a zero point to f32", variants: Kernels.affine,
        shapes: [BenchShape(16384, 768)], pattern: .write, held: { 5 * $0[0] * $0[1] },
        moved: { shape, _ in 5 * shape[0] * shape[1] },
        make: { shape, _ in
            (q: try unsignedBytes(shape[0] * shape[1]), y: try Memory<Float>(count: shape[0] * shape[1]))
        },
        body: { _, set, context in
            let (q, y) = (set.q, set.y)
            try dequantize(q.span, scale: 0.01, zeroPoint: 128, into: y.mutableSpan, on: context)
        })

    private static let dequantizeSums = rotating(
        "affine-dequantize", "s32-f32", "32-bit sums to f32", variants: Kernels.affine,
        shapes: [BenchShape(16384, 768)], pattern: .streamingCopy, held: { 8 * $0[0] * $0[1] },
        moved: { shape, _ in 8 * shape[0] * shape[1] },
        make: { shape, _ in
            (q: try productSums(shape[0] * shape[1]), y: try Memory<Float>(count: shape[0] * shape[1]))
        },
        body: { _, set, context in
            let (q, y) = (set.q, set.y)
            try dequantize(q.span, scale: 0.01, into: y.mutableSpan, on: context)
        })

    private static let fakeQuantized = traffic(
        "affine-fake", "fake quantization to 8 bits", variants: Kernels.affine, shapes: rowShapes,
        pattern: .streamingCopy, buffers: 2, moved: 2
    ) { _, buffers, _, context in
        let (x, y) = (buffers[0], buffers[1])
        try fakeQuantize(x.span, levels, into: y.mutableSpan, on: context)
    }

    private static let fakeQuantizedGradient = traffic(
        "affine-fake-backward", "straight-through gradient of fake quantization", variants: Kernels.affine,
        shapes: rowShapes, pattern: .streamingCopy, buffers: 3, moved: 3
    ) { _, buffers, _, context in
        let (x, dy, dx) = (buffers[0], buffers[1], buffers[2])
        try fakeQuantizeBackward(dy.span, x.span, levels, into: dx.mutableSpan, on: context)
    }

    /// 32-bit sums, and what belongs to their rows and columns.
    private struct Sums<Result: BitwiseCopyable> {
        let sums: Memory<Int32>
        let bias, multipliers, shifts, zeroPoints, rowSums: Memory<Int32>
        let y: Memory<Result>

        init(rows: Int, columns: Int) throws {
            sums = try productSums(rows * columns)
            (bias, rowSums) = (try productSums(columns), try productSums(rows))
            (multipliers, shifts) = (try Memory(count: columns), try Memory(count: columns))
            zeroPoints = try Memory(count: columns)
            y = try Memory(count: rows * columns)
            var mantissas = multipliers.mutableSpan
            var powers = shifts.mutableSpan
            var zeros = zeroPoints.mutableSpan
            for j in 0..<columns {
                // Half and a little, times 2⁻⁷: sums become bytes.
                mantissas[j] = (1 << 30) + Int32(truncatingIfNeeded: j & 0xffff)
                powers[j] = 7
                zeros[j] = Int32(j % 7) - 3
            }
        }

        static func bytes(_ shape: BenchShape) -> Int {
            (4 + MemoryLayout<Result>.stride) * shape[0] * shape[1] + 16 * shape[1] + 4 * shape[0]
        }
    }

    private static let requantizeRows = rotating(
        "requantize", "s32-u8", "32-bit sums to bytes, a multiplier a column", variants: Kernels.requantize,
        shapes: sumShapes, pattern: .read, held: Sums<UInt8>.bytes,
        moved: { shape, _ in 5 * shape[0] * shape[1] + 12 * shape[1] },
        make: { shape, _ in try Sums<UInt8>(rows: shape[0], columns: shape[1]) },
        body: { shape, set, context in
            let (x, y, bias, multipliers, shifts) = (set.sums, set.y, set.bias, set.multipliers, set.shifts)
            try requantize(
                x.span, rows: shape[0], columns: shape[1],
                ColumnMultipliers(bias: bias.span, multipliers: multipliers.span, shifts: shifts.span),
                zeroPoint: 0, levels: 0...255, into: y.mutableSpan, on: context)
        })

    private static let requantizeWithZeroPoints = rotating(
        "requantize-zero-points", "s32-u8", "the same with a zero point of the weights a column",
        variants: Kernels.requantize, shapes: [BenchShape(16384, 768)], pattern: .read, held: Sums<UInt8>.bytes,
        moved: { shape, _ in 5 * shape[0] * shape[1] + 16 * shape[1] + 4 * shape[0] },
        make: { shape, _ in try Sums<UInt8>(rows: shape[0], columns: shape[1]) },
        body: { shape, set, context in
            let (x, y, bias, multipliers, shifts) = (set.sums, set.y, set.bias, set.multipliers, set.shifts)
            let (rowSums, zeroPoints) = (set.rowSums, set.zeroPoints)
            try requantize(
                x.span, rows: shape[0], columns: shape[1],
                ColumnMultipliers(
                    bias: bias.span, multipliers: multipliers.span, shifts: shifts.span, rowSums: rowSums.span,
                    zeroPoints: zeroPoints.span),
                zeroPoint: 128, levels: 0...255, into: y.mutableSpan, on: context)
        })

    private static let requantizeLogits = rotating(
        "requantize", "s32", "32-bit sums to 32-bit logits, a multiplier a column", variants: Kernels.requantize,
        shapes: [BenchShape(1024, 50257), BenchShape(16384, 10)], pattern: .streamingCopy, held: Sums<Int32>.bytes,
        moved: { shape, _ in 8 * shape[0] * shape[1] + 12 * shape[1] },
        make: { shape, _ in try Sums<Int32>(rows: shape[0], columns: shape[1]) },
        body: { shape, set, context in
            let (x, y, bias, multipliers, shifts) = (set.sums, set.y, set.bias, set.multipliers, set.shifts)
            try requantize(
                x.span, rows: shape[0], columns: shape[1],
                ColumnMultipliers(bias: bias.span, multipliers: multipliers.span, shifts: shifts.span),
                into: y.mutableSpan, on: context)
        })

    private static let sumsOfRows = rotating(
        "requantize-row-sums", "u8", "sums of rows of bytes, for zero points of weights",
        variants: Kernels.requantize, shapes: [BenchShape(16384, 768), BenchShape(57600, 25)], pattern: .read,
        held: { $0[0] * $0[1] + 4 * $0[0] }, moved: { shape, _ in shape[0] * shape[1] + 4 * shape[0] },
        make: { shape, _ in
            (x: try unsignedBytes(shape[0] * shape[1]), sums: try Memory<Int32>(count: shape[0]))
        },
        body: { shape, set, context in
            let (x, sums) = (set.x, set.sums)
            try rowSums(x.span, rows: shape[0], columns: shape[1], into: sums.mutableSpan, on: context)
        })

    private static let quantizeRowsOfBF16 = rotating(
        "quantize", "bf16-s8", "bf16 rows to int8 with one scale per row", variants: Kernels.quantize,
        shapes: rowShapes, pattern: .streamingCopy, held: { 3 * $0[0] * $0[1] + 4 * $0[0] },
        moved: { shape, _ in 3 * shape[0] * shape[1] + 4 * shape[0] },
        make: { shape, _ in
            (
                x: try halves(shape[0] * shape[1], .bf16), q: try Memory<Int8>(count: shape[0] * shape[1]),
                scales: try Memory<Float>(count: shape[0])
            )
        },
        body: { shape, set, context in
            let (x, q, scales) = (set.x, set.q, set.scales)
            try quantizeRows(
                x.span, rows: shape[0], columns: shape[1], into: q.mutableSpan, scales: scales.mutableSpan,
                on: context)
        })

    private static let dequantizeInt8Rows = rotating(
        "quantize", "s8-f32", "int8 rows with one scale per row to f32", variants: Kernels.quantize,
        shapes: [BenchShape(16384, 768)], pattern: .write, held: { 5 * $0[0] * $0[1] + 4 * $0[0] },
        moved: { shape, _ in 5 * shape[0] * shape[1] + 4 * shape[0] },
        make: { shape, _ in
            (
                q: try randomBytes(shape[0] * shape[1]), scales: try ramp(shape[0]),
                y: try Memory<Float>(count: shape[0] * shape[1])
            )
        },
        body: { shape, set, context in
            let (q, scales, y) = (set.q, set.scales, set.y)
            try dequantizeRows(
                q.span, scales: scales.span, rows: shape[0], columns: shape[1], into: y.mutableSpan, on: context)
        })
}

/// 32-bit integers of either sign such as products of bytes sum up to, below 2¹⁵.
private func productSums(_ count: Int) throws -> Memory<Int32> {
    let sums = try Memory<Int32>(count: count)
    var span = sums.mutableSpan
    for i in 0..<count { span[i] = Int32(truncatingIfNeeded: i &* 40503 & 0xffff) - 32768 }
    return sums
}
