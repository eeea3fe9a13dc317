import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct RequantizeTests {
    /// gemmlowp's fixedpoint.h, operation by operation.
    private enum Gemmlowp {
        static func saturatingRoundingDoublingHighMul(_ a: Int32, _ b: Int32) -> Int32 {
            if a == b && a == .min { return .max }
            let product = Int64(a) * Int64(b)
            let nudge: Int64 = product >= 0 ? 1 << 30 : 1 - (1 << 30)
            // A division that drops the rest towards zero.
            return Int32((product + nudge) / (Int64(1) << 31))
        }

        static func roundingDivideByPOT(_ x: Int32, _ exponent: Int32) -> Int32 {
            let mask = Int32((Int64(1) << Int64(exponent)) - 1)
            let remainder = x & mask
            let threshold = (mask >> 1) + (x < 0 ? 1 : 0)
            return (x >> exponent) + (remainder > threshold ? 1 : 0)
        }

        static func multiply(_ x: Int32, _ multiplier: Int32, _ shift: Int32) -> Int32 {
            var wide = Int64(x)
            for _ in 0..<max(-shift, 0) { wide = min(max(wide * 2, Int64(Int32.min)), Int64(Int32.max)) }
            return roundingDivideByPOT(saturatingRoundingDoublingHighMul(Int32(wide), multiplier), max(shift, 0))
        }
    }

    private struct Case {
        var rows: Int, columns: Int
        var sums: [Int32], bias: [Int32], multipliers: [Int32], shifts: [Int32]
        var rowSums: [Int32]?, zeroPoints: [Int32] = []
        var zero: Int32 = 0, levels: ClosedRange<Int32> = 0...255

        func value(_ i: Int, _ j: Int) -> Int32 {
            var v = sums[i * columns + j] &+ bias[j]
            if let rowSums { v = v &- rowSums[i] &* zeroPoints[j] }
            return Gemmlowp.multiply(v, multipliers[j], shifts[j])
        }
        var integers: [Int32] { (0..<rows * columns).map { value($0 / columns, $0 % columns) } }
        var bytes: [UInt8] {
            integers.map {
                UInt8(min(max(Int64($0) + Int64(zero), Int64(levels.lowerBound)), Int64(levels.upperBound)))
            }
        }
    }

    private func compare(_ c: Case, _ what: String) throws {
        let (bytes, integers) = (c.bytes, c.integers)
        try onEveryVariant(Kernels.requantize, threads: [1, 3]) { label, context in
            var y = [UInt8](repeating: 99, count: bytes.count)
            var z = [Int32](repeating: 99, count: bytes.count)
            if let sums = c.rowSums {
                let m = ColumnMultipliers(
                    bias: c.bias.span, multipliers: c.multipliers.span, shifts: c.shifts.span, rowSums: sums.span,
                    zeroPoints: c.zeroPoints.span)
                try requantize(
                    c.sums.span, rows: c.rows, columns: c.columns, m, zeroPoint: c.zero, levels: c.levels,
                    into: y.mutableSpan, on: context)
                try requantize(c.sums.span, rows: c.rows, columns: c.columns, m, into: z.mutableSpan, on: context)
            } else {
                let m = ColumnMultipliers(
                    bias: c.bias.span, multipliers: c.multipliers.span, shifts: c.shifts.span)
                try requantize(
                    c.sums.span, rows: c.rows, columns: c.columns, m, zeroPoint: c.zero, levels: c.levels,
                    into: y.mutableSpan, on: context)
                try requantize(c.sums.span, rows: c.rows, columns: c.columns, m, into: z.mutableSpan, on: context)
            }
            #expect(y == bytes, "\(label), \(c.rows) x \(c.columns), \(what)")
            #expect(z == integers, "\(label), \(c.rows) x \(c.columns), \(what)")
        }
    }

    @Test func drawnCases() throws {
        let shapes =
            drawnShapes(30, tiles: [[4, 16], [4, 8, 16]], most: [70, 70], seed: 3) + [[300, 20], [2, 1000]]
        for (index, shape) in shapes.enumerated() {
            var random = SplitMix(seed: UInt64(index))
            let (rows, columns) = (shape[0], shape[1])
            let size: Int32 = [100, 1 << 16, 1 << 26, .max][index % 4]
            var c = Case(
                rows: rows, columns: columns, sums: random.integers(rows * columns, in: -size...size),
                bias: random.integers(columns, in: -size / 2...size / 2),
                multipliers: random.integers(columns, in: 1 << 30...Int32.max),
                shifts: random.integers(columns, in: index % 3 == 0 ? -6...31 : 2...12))
            c.zero = Int32.random(in: 0...255, using: &random)
            c.levels = index % 2 == 0 ? 0...255 : c.zero...min(c.zero + 15, 255)
            if index % 3 != 1 {
                c.rowSums = random.integers(rows, in: 0...200_000)
                c.zeroPoints = random.integers(columns, in: -127...127)
            }
            try compare(c, "seed \(index)")
        }
    }

    /// Every pair of an awkward sum and an awkward multiplier and shift.
    @Test func edges() throws {
        let sums: [Int32] = [
            .min, .min + 1, -(1 << 30) - 1, -(1 << 30), -(1 << 30) + 1, -257, -256, -255, -5, -4, -3, -2, -1, 0, 1, 2,
            3, 4,
            5, 255, 256, 257, (1 << 30) - 1, 1 << 30, .max - 1, .max,
        ]
        let multipliers: [Int32] = [0, 1 << 30, (1 << 30) + 1, 3 << 29, .max - 1, .max]
        for shift in Int32(-30)...31 {
            try compare(
                Case(
                    rows: sums.count, columns: multipliers.count,
                    sums: sums.flatMap { sum in multipliers.map { _ in sum } },
                    bias: multipliers.map { _ in 0 }, multipliers: multipliers, shifts: multipliers.map { _ in shift },
                    zero: 128),
                "shift \(shift)")
        }
    }

    /// By hand: M = 0.75 · 2^-2, zero point 10, clamped below at it (a ReLU).
    @Test func byHand() throws {
        let sums: [Int32] = [100, -100, 2, -2, 8]
        let c = Case(
            rows: 5, columns: 1, sums: sums, bias: [0], multipliers: [3 << 29], shifts: [2], zero: 10, levels: 10...255)
        // 18.75 to 19; negative; 1.5 becomes 2 in the product, and 2 / 4 = 0.5 goes away from zero; 1.5 to 2.
        #expect(c.bytes == [29, 10, 11, 10, 12])
        #expect(c.integers == [19, -19, 1, 0, 2])
        try compare(c, "by hand")
    }

    @Test func rowSumsOfBytes() throws {
        for (rows, columns) in [(1, 1), (3, 17), (5, 0), (70, 25), (2, 20_000)] {
            var random = SplitMix(seed: UInt64(rows))
            let x: [UInt8] =
                columns == 20_000
                ? [UInt8](repeating: 255, count: rows * columns) : random.integers(rows * columns, in: 0...255)
            try onEveryVariant(Kernels.requantize, threads: [1, 2]) { label, context in
                var sums = [Int32](repeating: 9, count: rows)
                try rowSums(x.span, rows: rows, columns: columns, into: sums.mutableSpan, on: context)
                let expected = (0..<rows).map { i in (0..<columns).reduce(Int32(0)) { $0 + Int32(x[i * columns + $1]) }
                }
                #expect(sums == expected, "\(label), \(rows) x \(columns)")
            }
        }
    }

    @Test func badArguments() throws {
        let one: [Int32] = [1], sums: [Int32] = [5]
        var y: [UInt8] = [0]
        func attempt(_ multiplier: Int32, _ shift: Int32, _ zero: Int32, _ levels: ClosedRange<Int32>) throws {
            let multipliers = [multiplier], shifts = [shift]
            try requantize(
                sums.span, rows: 1, columns: 1,
                ColumnMultipliers(bias: one.span, multipliers: multipliers.span, shifts: shifts.span), zeroPoint: zero,
                levels: levels, into: y.mutableSpan, on: .default)
        }
        try attempt(1 << 30, 0, 0, 0...255)
        #expect(throws: KernelError.self) { try attempt(-1, 0, 0, 0...255) }
        #expect(throws: KernelError.self) { try attempt(1 << 30, 32, 0, 0...255) }
        #expect(throws: KernelError.self) { try attempt(1 << 30, -31, 0, 0...255) }
        #expect(throws: KernelError.self) { try attempt(1 << 30, 0, 256, 0...255) }
        #expect(throws: KernelError.self) { try attempt(1 << 30, 0, 0, 0...256) }
        #expect(throws: KernelError.self) { try attempt(1 << 30, 0, 0, -1...255) }
    }
}
