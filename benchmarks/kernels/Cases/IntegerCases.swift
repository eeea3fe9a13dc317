import AlambicKernels

/// What integer-only inference needs besides products.
extension BenchCase {
    static let requantizeRows = BenchCase(
        name: "requantize", dtype: "s32-u8", summary: "32-bit sums to bytes, a multiplier a column",
        variants: Kernels.requantize, shapes: [BenchShape(16384, 768), BenchShape(57600, 20)], isCold: true,
        prepare: { shape, context in
            let (rows, columns) = (shape[0], shape[1])
            // 32-bit elements, whatever they are.
            let cold = try ColdBuffers(rows * columns, buffers: 1, on: context.machine)
            let sums = try cold.sets.map { _ in try Memory<Int32>(count: rows * columns) }
            let outputs = try cold.sets.map { _ in try Memory<UInt8>(count: rows * columns) }
            let (bias, multipliers, shifts) = (
                try Memory<Int32>(count: columns), try Memory<Int32>(count: columns), try Memory<Int32>(count: columns)
            )
            for j in 0..<columns {
                var mantissas = multipliers.mutableSpan
                mantissas[j] = 1 << 30 + Int32(j)
                var powers = shifts.mutableSpan
                powers[j] = 7
            }
            return Workload(
                ops: 0, bytes: Double(5 * rows * columns), peak: .f32, pattern: .read, copies: cold.sets.count
            ) { copy in
                let (x, y) = (sums[copy], outputs[copy])
                try requantize(
                    x.span, rows: rows, columns: columns,
                    ColumnMultipliers(bias: bias.span, multipliers: multipliers.span, shifts: shifts.span),
                    zeroPoint: 0, levels: 0...255, into: y.mutableSpan, on: context)
            }
        }, memory: { shape, machine in machine.floatsInRotation(shape, buffers: 3, besides: 3 * shape[1]) })

    static let quantizeToLevels = BenchCase(
        name: "affine", dtype: "f32-u8", summary: "f32 to bytes with a zero point", variants: Kernels.affine,
        shapes: [BenchShape(16384, 768), BenchShape(4096, 128)], isCold: true,
        prepare: { shape, context in
            let count = shape[0] * shape[1]
            let cold = try ColdBuffers(count, buffers: 1, on: context.machine)
            let outputs = try cold.sets.map { _ in try Memory<UInt8>(count: count) }
            return Workload(
                ops: 0, bytes: Double(5 * count), peak: .f32, pattern: .read, copies: cold.sets.count
            ) { copy in
                let (x, q) = (cold.sets[copy][0], outputs[copy])
                try quantize(
                    x.span, AffineScale(scale: 0.01, zeroPoint: 128, levels: 0...255), into: q.mutableSpan, on: context)
            }
        }, memory: { shape, machine in machine.floatsInRotation(shape, buffers: 2, besides: shape[0]) })
}
