import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct AffineTests {
    /// By the definition, in one rounding a step.
    private static func level(_ x: Float, _ scale: Float, _ zero: Int32, _ levels: ClosedRange<Int32>) -> Int32 {
        let steps = (x / scale).rounded(.toNearestOrEven)
        guard !steps.isNaN else { return zero }
        return Int32(min(max(Double(steps) + Double(zero), Double(levels.lowerBound)), Double(levels.upperBound)))
    }

    private static let special: [Float] = [
        .nan, .infinity, -.infinity, 0, -0.0, .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
        .leastNonzeroMagnitude, 1e-30, 0.5, -0.5, 1.5, -1.5, 2.5, 254.5, 255.5, -127.5, 16_777_216, -8_388_609,
    ]

    private func compare(_ x: [Float], _ scale: Float, _ zero: Int32, _ levels: ClosedRange<Int32>) throws {
        let expected = x.map { Self.level($0, scale, zero, levels) }
        let affine = AffineScale(scale: scale, zeroPoint: zero, levels: levels)
        let real = expected.map { Float($0 - zero) * scale }
        let inside = x.map {
            $0 / scale >= Float(levels.lowerBound - zero) && $0 / scale <= Float(levels.upperBound - zero)
        }
        let gradient = x.indices.map { Float($0) - 3 }
        try onEveryVariant(Kernels.affine, threads: [1, 3]) { label, context in
            let what = "\(label), \(x.count) elements, scale \(scale), zero \(zero), levels \(levels)"
            var y = [Float](repeating: 99, count: x.count)
            if levels.lowerBound >= 0 {
                var q = [UInt8](repeating: 99, count: x.count)
                try quantize(x.span, affine, into: q.mutableSpan, on: context)
                #expect(q.map(Int32.init) == expected, "\(what)")
                try dequantize(q.span, scale: scale, zeroPoint: zero, into: y.mutableSpan, on: context)
            } else {
                var q = [Int8](repeating: 99, count: x.count)
                try quantize(x.span, affine, into: q.mutableSpan, on: context)
                #expect(q.map(Int32.init) == expected, "\(what)")
                try dequantize(q.span, scale: scale, zeroPoint: zero, into: y.mutableSpan, on: context)
            }
            #expect(y == real, "\(what)")
            var z = [Float](repeating: 99, count: x.count)
            try fakeQuantize(x.span, affine, into: z.mutableSpan, on: context)
            #expect(z == real, "\(what)")
            try fakeQuantizeBackward(gradient.span, x.span, affine, into: z.mutableSpan, on: context)
            #expect(z == zip(gradient, inside).map { $1 ? $0 : 0 }, "\(what)")
        }
    }

    @Test func lengthsAndSpecialValues() throws {
        for (index, count) in [0, 1, 3, 4, 5, 7, 8, 15, 16, 17, 33, 100, 8191, 8192, 8193, 20_000].enumerated() {
            var random = SplitMix(seed: UInt64(count))
            let x = random.normals(count, deviation: 2)
            try compare(x, 0.03, Int32(index * 17 % 256), 0...255)
            try compare(x, 0.05, 0, -127...127)
            try compare(x, 0.7, 1, 0...3)
        }
        for scale: Float in [1, 0.25, 3e-30, 1e30] {
            try compare(Self.special, scale, 7, 0...255)
            try compare(Self.special, scale, -3, -127...127)
        }
    }

    /// 0 is the zero point for every scale: it is exactly representable.
    @Test func zeroIsExact() throws {
        for zero: Int32 in [0, 1, 77, 255] {
            var y: [Float] = [9]
            let x: [Float] = [0]
            try fakeQuantize(
                x.span, AffineScale(scale: 0.0313, zeroPoint: zero, levels: 0...255), into: y.mutableSpan, on: .default)
            #expect(y == [0])
        }
    }

    @Test func rowsWithScalesOfTheirOwn() throws {
        var random = SplitMix(seed: 4)
        for (rows, columns) in [(1, 1), (3, 5), (7, 33), (2, 9000), (0, 4), (4, 0)] {
            let x = random.normals(rows * columns)
            let scales = (0..<rows).map { 0.01 * Float($0 + 1) }
            let zeros = (0..<rows).map { Int32($0) - 2 }
            try onEveryVariant(Kernels.affine, threads: [1, 2]) { label, context in
                var q = [Int8](repeating: 99, count: x.count)
                try quantize(
                    x.span, rows: rows, columns: columns, scales: scales.span, zeroPoints: zeros.span,
                    levels: -127...127,
                    into: q.mutableSpan, on: context)
                let expected = x.indices.map { i in
                    Self.level(x[i], scales[i / columns], zeros[i / columns], -127...127)
                }
                #expect(q.map(Int32.init) == expected, "\(label), \(rows) x \(columns)")
                var y = [Float](repeating: 99, count: x.count)
                try dequantize(
                    q.span, rows: rows, columns: columns, scales: scales.span, zeroPoints: zeros.span,
                    into: y.mutableSpan, on: context)
                #expect(
                    y == x.indices.map { Float(expected[$0] - zeros[$0 / columns]) * scales[$0 / columns] },
                    "\(label), \(rows) x \(columns)")
            }
        }
    }

    @Test func integersOfFourBytes() throws {
        let q: [Int32] = [0, 1, -1, 1 << 20, .max, .min]
        try onEveryVariant(Kernels.affine, threads: [1]) { label, context in
            var y = [Float](repeating: 9, count: q.count)
            try dequantize(q.span, scale: 0.5, into: y.mutableSpan, on: context)
            #expect(y == q.map { Float($0) * 0.5 }, "\(label)")
        }
    }

    @Test func badArguments() throws {
        let x: [Float] = [1]
        var bytes: [Int8] = [0]
        #expect(throws: KernelError.self) {
            try quantize(
                x.span, AffineScale(scale: 1, zeroPoint: 0, levels: 0...255), into: bytes.mutableSpan, on: .default)
        }
        for scale: Float in [0, -1, .nan, .infinity] {
            let scales = [scale], zeros: [Int32] = [0]
            #expect(throws: KernelError.self) {
                try quantize(
                    x.span, rows: 1, columns: 1, scales: scales.span, zeroPoints: zeros.span, levels: -127...127,
                    into: bytes.mutableSpan, on: .default)
            }
        }
    }
}
