import AlambicKernels

extension BenchCase {
    static let convertToBF16 = narrowing(.bf16, "f32 to bf16")
    static let convertFromBF16 = widening(.bf16, "bf16 to f32")
    static let convertToF16 = narrowing(.f16, "f32 to f16")
    static let convertFromF16 = widening(.f16, "f16 to f32")

    private static let convertShapes = [BenchShape(67_108_864), BenchShape(1_048_576)]

    private static func narrowing(_ format: HalfFormat, _ summary: String) -> BenchCase {
        BenchCase(
            name: "convert", dtype: "f32-\(format)", summary: summary, variants: Kernels.convert, shapes: convertShapes,
            isCold: true,
            prepare: { shape, context in
                let count = shape[0]
                let copies = context.machine.coldCopies(ofBytes: 6 * count)
                let inputs = try (0..<copies).map { _ in try ramp(count) }
                let outputs = try (0..<copies).map { _ in try Memory<UInt16>(count: count) }
                return Workload(
                    ops: 0, bytes: Double(6 * count), peak: .f32, pattern: .streamingCopy, copies: copies
                ) { copy in
                    let (x, y) = (inputs[copy], outputs[copy])
                    try convert(x.span, to: format, into: y.mutableSpan, on: context)
                }
            })
    }

    private static func widening(_ format: HalfFormat, _ summary: String) -> BenchCase {
        BenchCase(
            name: "convert", dtype: "\(format)-f32", summary: summary, variants: Kernels.convert, shapes: convertShapes,
            isCold: true,
            prepare: { shape, context in
                let count = shape[0]
                let copies = context.machine.coldCopies(ofBytes: 6 * count)
                let values = try ramp(count)
                let inputs = try (0..<copies).map { _ in
                    let halves = try Memory<UInt16>(count: count)
                    try convert(values.span, to: format, into: halves.mutableSpan, on: context)
                    return halves
                }
                let outputs = try (0..<copies).map { _ in try Memory<Float>(count: count) }
                return Workload(
                    ops: 0, bytes: Double(6 * count), peak: .f32, pattern: .streamingCopy, copies: copies
                ) { copy in
                    let (x, y) = (inputs[copy], outputs[copy])
                    try convert(x.span, from: format, into: y.mutableSpan, on: context)
                }
            })
    }
}
