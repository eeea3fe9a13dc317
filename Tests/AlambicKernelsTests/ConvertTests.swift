import AlambicKernels
import AlambicTestSupport
import Testing

/// The formats by their definition, and rounding as a search for the nearest value: slow, and without a bit trick.
private struct HalfOracle {
    let exponentBits: Int
    let fractionBits: Int
    /// The values of 0, 1, 2, … as bits, ascending; the last but one is the largest finite number, the last what would come
    /// after it.
    private let values: [Double]

    init(_ format: HalfFormat) {
        (exponentBits, fractionBits) = format == .bf16 ? (8, 7) : (5, 10)
        let (bias, fractions) = ((1 << (exponentBits - 1)) - 1, 1 << fractionBits)
        values = (0...(((1 << exponentBits) - 1) << fractionBits)).map { bits in
            let (exponent, fraction) = (bits / fractions, bits % fractions)
            let significand = Double(fraction) / Double(fractions) + (exponent == 0 ? 0 : 1)
            return Double(sign: .plus, exponent: max(exponent, 1) - bias, significand: significand)
        }
    }

    var infinity: Int { values.count - 1 }

    func value(_ half: UInt16) -> Double {
        let magnitude = Int(half & 0x7fff)
        let value = magnitude > infinity ? Double.nan : magnitude == infinity ? .infinity : values[magnitude]
        return half >> 15 == 1 ? -value : value
    }

    func nearest(_ x: Float) -> UInt16 {
        let sign: UInt16 = x.sign == .minus ? 0x8000 : 0
        if x.isNaN {
            let payload = x.bitPattern & 0x7f_ffff
            let kept = UInt16(payload >> UInt32(23 - fractionBits))
            return sign | UInt16(infinity) | 1 << UInt16(fractionBits - 1) | kept
        }
        let magnitude = abs(Double(x))
        if magnitude >= values[infinity] { return sign | UInt16(infinity) }
        var (low, high) = (0, infinity)  // values[low] <= magnitude < values[high]
        while high - low > 1 {
            let middle = (low + high) / 2
            if values[middle] <= magnitude { low = middle } else { high = middle }
        }
        let (below, above) = (magnitude - values[low], values[high] - magnitude)
        let bits = below < above || (below == above && low % 2 == 0) ? low : high
        return sign | UInt16(bits)
    }

    /// Bits of a NaN of this format as a float: quiet where the conversion makes it so.
    func widened(nan half: UInt16, quiet: Bool) -> UInt32 {
        let payload = UInt32(half) & (1 << UInt32(fractionBits) - 1)
        return UInt32(half >> 15) << 31 | 0x7f80_0000 | payload << UInt32(23 - fractionBits) | (quiet ? 0x40_0000 : 0)
    }

    /// Every value of the format, every tie between two of them, and the floats next to those; NaNs; and any floats.
    func inputs() -> [Float] {
        var bits: [UInt32] = []
        for (low, high) in zip(values, values.dropFirst()) {
            for value in [low, (low + high) / 2] {
                // The largest tie of bf16 is exact in f32, the value after the largest is not.
                let exact = Float(value).bitPattern
                bits += [exact &- 1, exact, exact + 1].filter { $0 < 0x8000_0000 }
            }
        }
        for payload: UInt32 in [0, 1, 0x1fff, 0x2000, 0xffff, 0x1_0000, 0x3f_ffff, 0x40_0000, 0x40_0001, 0x7f_ffff] {
            bits.append(0x7f80_0000 | payload)
        }
        for exponent: UInt32 in 0...254 {
            for fraction: UInt32 in [0, 1, 0x0fff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001, 0x18000, 0x7f_ffff] {
                bits.append(exponent << 23 | fraction)
            }
        }
        bits += bits.map { $0 | 0x8000_0000 }
        var generator = SplitMix(seed: 5)
        for _ in 0..<200_000 { bits.append(UInt32(truncatingIfNeeded: generator.next())) }
        return bits.map(Float.init(bitPattern:))
    }
}

@Suite struct ConvertTests {
    private func first(_ a: [UInt16], _ b: [UInt16], of x: [Float]) -> String? {
        guard a.count == b.count else { return "\(a.count) elements against \(b.count)" }
        return a.indices.first { a[$0] != b[$0] }.map {
            "\(x[$0]) (\(String(x[$0].bitPattern, radix: 16))) gave \(String(a[$0], radix: 16)), not \(String(b[$0], radix: 16))"
        }
    }

    @Test(arguments: HalfFormat.allCases) func roundsToTheNearest(format: HalfFormat) throws {
        let oracle = HalfOracle(format)
        let x = oracle.inputs()
        let expected = x.map(oracle.nearest)
        try onEveryVariant(Kernels.convert) { label, context in
            var y = [UInt16](repeating: 0x5555, count: x.count)
            try convert(x.span, to: format, into: y.mutableSpan, on: context)
            #expect(first(y, expected, of: x) == nil, "\(label), \(format)")
        }
    }

    @Test(arguments: HalfFormat.allCases) func widensEveryHalfExactly(format: HalfFormat) throws {
        let oracle = HalfOracle(format)
        let halves = (0...UInt16.max).map { $0 }
        let expected = halves.map { half in
            let value = oracle.value(half)
            return value.isNaN ? oracle.widened(nan: half, quiet: format == .f16) : Float(value).bitPattern
        }
        try onEveryVariant(Kernels.convert) { label, context in
            var y = [Float](repeating: 99, count: halves.count)
            try convert(halves.span, from: format, into: y.mutableSpan, on: context)
            let wrong = halves.indices.first { y[$0].bitPattern != expected[$0] }
            #expect(wrong == nil, "\(label), \(format): \(wrong.map { "\($0) gave \(y[$0].bitPattern)" } ?? "")")
            // There and back changes signalling NaNs only.
            var back = [UInt16](repeating: 0, count: halves.count)
            try convert(y.span, to: format, into: back.mutableSpan, on: context)
            let quiet = UInt16(1) << UInt16(oracle.fractionBits - 1)
            let same = halves.indices.allSatisfy {
                back[$0] == (oracle.value(halves[$0]).isNaN ? halves[$0] | quiet : halves[$0])
            }
            #expect(same, "\(label), \(format)")
        }
    }

    #if !(os(macOS) && arch(x86_64))
        /// The oracle itself against the compiler's half.
        @Test func theOracleAgreesWithFloat16() {
            let oracle = HalfOracle(.f16)
            for half in 0...UInt16.max {
                let value = Double(Float16(bitPattern: half))
                #expect(value == oracle.value(half) || value.isNaN && oracle.value(half).isNaN)
            }
            let x = oracle.inputs().filter { !$0.isNaN }
            #expect(first(x.map(oracle.nearest), x.map { Float16($0).bitPattern }, of: x) == nil)
        }
    #endif

    /// Every length around the vectors' widths, with marks on both sides that nobody may touch.
    @Test(arguments: HalfFormat.allCases) func touchesItsElementsOnly(format: HalfFormat) throws {
        let oracle = HalfOracle(format)
        var generator = SplitMix(seed: 11)
        let x = generator.normals(3000, deviation: 1e-3)
        try onEveryVariant(Kernels.convert, threads: [1]) { label, context in
            for count in Array(0...70) + [2047, 2048, 2049] {
                let source = Guarded(Array(x[..<count]))
                let halves = try Memory<UInt16>(count: count + 40)
                var marks = halves.mutableSpan
                for i in 0..<halves.count { marks[i] = 0x7777 }
                try convert(source.span, to: format, into: halves.mutableSpan(19..<19 + count), on: context)
                let narrow = (0..<halves.count).allSatisfy {
                    halves.span[$0] == (19..<19 + count ~= $0 ? oracle.nearest(x[$0 - 19]) : 0x7777)
                }
                #expect(narrow, "\(label), \(format), \(count) elements")
                let target = Guarded(count: count)
                try convert(halves.span(19..<19 + count), from: format, into: target.mutableSpan, on: context)
                let wide = zip(target.values("\(label), \(count)"), x).allSatisfy {
                    Double($0) == oracle.value(oracle.nearest($1))
                }
                #expect(wide, "\(label), \(format), \(count) elements")
            }
        }
    }

    /// Aligned operands that do not fit the cache are written around it; the bits are those of an unaligned run.
    @Test func writingAroundTheCacheChangesNothing() throws {
        let count = max(Machine.local.l3Bytes, 16 << 20) / 6 + 37
        let x = try Memory<Float>(count: count)
        try uniform(seed: 3, stream: 1, into: x.mutableSpan, on: .default)
        try onEveryVariant(Kernels.convert, threads: [1, 2]) { label, context in
            for format in HalfFormat.allCases {
                let (a, b) = (try Memory<UInt16>(count: count), try Memory<UInt16>(count: count + 1))
                try convert(x.span, to: format, into: a.mutableSpan, on: context)
                try convert(x.span, to: format, into: b.mutableSpan(1..<count + 1), on: context)
                #expect((0..<count).first { a.span[$0] != b.span[$0 + 1] } == nil, "\(label), \(format)")
                let (c, d) = (try Memory<Float>(count: count), try Memory<Float>(count: count + 1))
                try convert(a.span, from: format, into: c.mutableSpan, on: context)
                try convert(a.span, from: format, into: d.mutableSpan(1..<count + 1), on: context)
                #expect((0..<count).first { c.span[$0] != d.span[$0 + 1] } == nil, "\(label), \(format)")
            }
        }
    }

    @Test func aListNotesConversions() throws {
        let list = try OperationList(on: Context(threads: 2))
        let x = try Memory<Float>(count: 1000)
        let (halves, y) = (try Memory<UInt16>(count: 1000), try Memory<Float>(count: 1000))
        var values = x.mutableSpan
        for i in 0..<1000 { values[i] = Float(i) / 8 }
        try convert(x.span, to: .f16, into: halves.mutableSpan, on: list.context)
        try convert(halves.span, from: .f16, into: y.mutableSpan, on: list.context)
        #expect(y.span[999] == 0)
        try list.run()
        #expect((0..<1000).allSatisfy { y.span[$0] == Float($0) / 8 })  // 10 bits: exact
    }
}
