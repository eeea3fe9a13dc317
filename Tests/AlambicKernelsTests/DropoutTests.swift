import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct DropoutTests {
    static let seed: UInt64 = 0x1234_5678_9abc_def0
    static let stream: UInt64 = 0x0fed_cba9_8765_4321

    /// The mask by its definition: half e mod 2 of word (e mod 8) / 2 of block e / 8.
    static func halves(firstElement: UInt64, count: Int) -> [UInt16] {
        let words = wordsReference(
            seed: seed, stream: stream, firstElement: firstElement / 2, count: (count + 1) / 2)
        return (0..<count).map { (e: Int) -> UInt16 in
            let word = words[e / 2]
            return UInt16(e.isMultiple(of: 2) ? word & 0xffff : word >> 16)
        }
    }

    static func expected(_ x: [Float], rate: Double, halves: [UInt16]) -> [Float] {
        let threshold = Int((65536 * rate).rounded())
        let scale = Float(65536.0 / Double(65536 - threshold))
        return x.indices.map { (e: Int) -> Float in Int(halves[e]) >= threshold ? x[e] * scale : 0 }
    }

    @Test func masksAreTheContracts() throws {
        var generator = SplitMix(seed: 1)
        let most = 70_000
        let x = generator.floats(most)
        let rates: [Float] = [0.1, 0.5, 0.9, 0, 0x1p-16, 1 - 0x1p-16]
        for (start, rate) in zip(streamStarts, rates) {
            let expected = Self.expected(
                x, rate: Double(rate), halves: Self.halves(firstElement: start, count: most))
            try onEveryVariant(Kernels.dropout) { label, context in
                for count in Array(0...66) + [127, 128, 129, 255, 32_767, 32_775, most] {
                    var y = [Float](repeating: 7, count: count)
                    try dropout(
                        x.span.extracting(0..<count), rate: rate, seed: Self.seed, stream: Self.stream,
                        firstElement: start, into: y.mutableSpan, on: context)
                    let difference = firstDifference(y, Array(expected.prefix(count)))
                    #expect(
                        difference == nil,
                        "\(label), \(count) at rate \(rate) from \(start): \(difference ?? "")")
                }
            }
        }
    }

    /// The same masks for every type; one rounding to bf16 at the end.
    @Test func typesShareTheMask() throws {
        var generator = SplitMix(seed: 5)
        let most = 40_000, start = streamStarts[1]
        let x = generator.floats(most), xHalves = x.map(bf16)
        for rate in [Float(0), 0.1, 0.5] {
            let halves = Self.halves(firstElement: start, count: most)
            let expected = Self.expected(x, rate: Double(rate), halves: halves)
            let fromHalves = Self.expected(xHalves.map(float), rate: Double(rate), halves: halves)
            try onEveryVariant(Kernels.dropout, threads: [1, 2]) { label, context in
                for count in [0, 1, 7, 15, 16, 17, 31, 33, 63, 65, 127, 128, 129, 300, 32_775, most] {
                    var narrow = [UInt16](repeating: 7, count: count), narrowed = narrow
                    var wide = [Float](repeating: 7, count: count), inPlace = Array(xHalves.prefix(count))
                    let (single, half) = (x.span.extracting(0..<count), xHalves.span.extracting(0..<count))
                    try dropout(
                        single, rate: rate, seed: Self.seed, stream: Self.stream, firstElement: start,
                        into: narrow.mutableSpan, on: context)
                    try dropout(
                        half, rate: rate, seed: Self.seed, stream: Self.stream, firstElement: start,
                        into: narrowed.mutableSpan, on: context)
                    try dropout(
                        half, rate: rate, seed: Self.seed, stream: Self.stream, firstElement: start,
                        into: wide.mutableSpan, on: context)
                    try dropout(
                        rate: rate, seed: Self.seed, stream: Self.stream, firstElement: start, in: inPlace.mutableSpan,
                        on: context)
                    let here = "\(label), \(count) at rate \(rate)"
                    #expect(narrow == expected.prefix(count).map(bf16), "f32 to bf16, \(here)")
                    #expect(narrowed == fromHalves.prefix(count).map(bf16), "bf16, \(here)")
                    #expect(inPlace == narrowed, "bf16 in place, \(here)")
                    #expect(firstDifference(wide, Array(fromHalves.prefix(count))) == nil, "bf16 to f32, \(here)")
                }
            }
        }
    }

    @Test func inPlaceIsTheSame() throws {
        var generator = SplitMix(seed: 2)
        let x = generator.floats(5_001)
        for variant in Kernels.dropout where variant.runsHere {
            let context = try variant.context(threads: 2)
            var y = x
            var z = x
            try dropout(x.span, rate: 0.3, seed: 8, stream: 9, firstElement: 64, into: y.mutableSpan, on: context)
            try dropout(rate: 0.3, seed: 8, stream: 9, firstElement: 64, in: z.mutableSpan, on: context)
            #expect(firstDifference(y, z) == nil, "\(variant)")
        }
    }

    @Test func nothingOutsideIsTouched() throws {
        let y = try Memory<Float>(count: 400)
        try onEveryVariant(Kernels.dropout, threads: [1]) { label, context in
            for first in 0..<17 {
                for count in [0, 1, 15, 16, 17, 63, 64, 65, 200] {
                    var all = y.mutableSpan
                    for i in all.indices { all[i] = 1 }
                    try dropout(rate: 0.5, seed: 1, stream: 2, in: y.mutableSpan(first..<(first + count)), on: context)
                    let outside = (0..<400).filter { $0 < first || $0 >= first + count }
                    #expect(outside.allSatisfy { y.span[$0] == 1 }, "\(label), \(count) from \(first)")
                }
            }
        }
    }

    /// What is larger than the cache is written past it; pieces that are not must agree, wherever they begin.
    @Test func streamedIsTheSame() throws {
        let count = max(1 << 20, Machine.local.l3Bytes / 8) + 12_345
        let x = try Memory<Float>(count: count)
        let y = try Memory<Float>(count: count)
        try uniform(seed: 1, stream: 1, into: x.mutableSpan, on: .default)
        for variant in Kernels.dropout where variant.runsHere {
            let context = try variant.context(threads: 2)
            try dropout(x.span, rate: 0.2, seed: 3, stream: 4, into: y.mutableSpan, on: context)
            let piece = try Memory<Float>(count: 40_000)
            for first in [0, 32_768, count / 3 / 8 * 8, count / 8 * 8 - 39_992] {
                let range = first..<min(first + 40_000, count)
                try dropout(
                    x.span(range), rate: 0.2, seed: 3, stream: 4, firstElement: UInt64(first),
                    into: piece.mutableSpan(0..<range.count), on: context)
                let equal = range.allSatisfy { y.span[$0].bitPattern == piece.span[$0 - first].bitPattern }
                #expect(equal, "\(variant), \(range) of \(count)")
            }
        }
    }

    /// Over all 65536 halves, those kept times the scale make exactly 1; and a long stream keeps its share to 5 deviations.
    @Test func meanIsExact() throws {
        for rate in [0.001, 0.1, 0.25, 0.5, 0.75, 0.9999] {
            let threshold = Int((65536 * rate).rounded())
            let kept = (0...65535).filter { $0 >= threshold }.count
            #expect(Double(kept) * (65536.0 / Double(65536 - threshold)) == 65536)
            let n = 1 << 20
            var y = [Float](repeating: 1, count: n)
            try dropout(rate: Float(rate), seed: 11, stream: 12, in: y.mutableSpan, on: .default)
            let share = Double(kept) / 65536
            let found = Double(y.filter { $0 != 0 }.count)
            #expect(abs(found - share * Double(n)) < 5 * (Double(n) * share * (1 - share)).squareRoot(), "\(rate)")
            #expect(Set(y) == [0, Float(65536.0 / Double(65536 - threshold))], "\(rate)")
        }
    }

    @Test func droppedIsZeroWhateverItWas() throws {
        for variant in Kernels.dropout where variant.runsHere {
            var y = [Float](repeating: .nan, count: 1_000)
            try dropout(rate: 0.5, seed: 1, stream: 2, in: y.mutableSpan, on: variant.context(threads: 1))
            #expect(y.contains { $0.isNaN })
            #expect(y.allSatisfy { $0.isNaN || $0.bitPattern == 0 }, "\(variant)")
        }
    }

    @Test(arguments: [Float(1), 0.999_999, -0.1, 1.5, .nan, .infinity])
    func badRatesAreRefused(rate: Float) throws {
        var y: [Float] = [1, 2, 3]
        #expect(throws: KernelError.self) {
            try dropout(rate: rate, seed: 1, stream: 1, in: y.mutableSpan, on: .default)
        }
        #expect(y == [1, 2, 3])
    }

    @Test func badStartsAreRefused() throws {
        var y: [Float] = [1, 2, 3]
        #expect(throws: KernelError.self) {
            try dropout(rate: 0.5, seed: 1, stream: 1, firstElement: 4, in: y.mutableSpan, on: .default)
        }
        #expect(y == [1, 2, 3])
    }
}
