import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct AttentionTests {
    typealias Case = AttentionCase

    /// Everything against the oracle, on every variant.
    private func compare(_ example: Case, _ qkv: [Float], _ dOutput: [Float]) throws {
        let oracle = AttentionOracle(example, qkv: qkv.map(Double.init))
        let expected = oracle.backward(dOutput.map(Double.init))
        for variant in example.variants {
            let context = try variant.context(threads: 1)
            let (output, logSumExp) = try example.forward(qkv, on: context)
            let dQKV = try example.backward(dOutput, qkv, output, logSumExp, on: context)
            let o = worstExcess(output, expected: oracle.output) { oracle.outputBound[$0] }
            let l = worstExcess(logSumExp, expected: oracle.logSumExp) { oracle.logSumExpBound[$0] }
            let g = worstExcess(dQKV, expected: expected.gradient) { expected.bound[$0] }
            #expect(o == nil && l == nil && g == nil, "\(variant) \(example)")
        }
    }

    /// Around blocks of 6 rows, vectors of 4 to 16 lanes and their pairs, blocks of 64 keys and tiles of 128.
    @Test(arguments: [1, 2, 5, 7, 15, 16, 17, 33, 47, 48, 49, 63, 64, 65, 97, 127, 128, 129])
    func matchesMaterializedAttention(length: Int) throws {
        for width in [1, 8, 16, 31, 32, 33, 64, 80, 128] {
            for isBF16 in [false, true] {
                let example = Case(
                    isBF16: isBF16, mask: width % 3 == 0 ? .full : .causal, batch: length > 60 ? 1 : 2, length: length,
                    heads: 2, kvHeads: width == 16 || width == 80 ? 1 : 2, width: width,
                    seed: UInt64(length * 1000 + width))
                let (qkv, dOutput) = example.inputs()
                try compare(example, qkv, dOutput)
            }
        }
    }

    /// Around a tile of 192 queries of the backward pass and a panel of 256 keys of the forward pass, under each mask.
    @Test(arguments: [191, 193, 256, 257, 290], AttentionMask.allCases)
    func matchesMaterializedAttention(length: Int, mask: AttentionMask) throws {
        for (width, kvHeads) in [(8, 3), (24, 1), (33, 3)] {
            for isBF16 in [false, true] {
                let example = Case(
                    isBF16: isBF16, mask: mask, batch: 1, length: length, heads: 3, kvHeads: kvHeads, width: width,
                    seed: UInt64(length * 1000 + width))
                let (qkv, dOutput) = example.inputs()
                try compare(example, qkv, dOutput)
            }
        }
    }

    /// Query heads share heads of keys and values, under each mask.
    @Test(arguments: AttentionMask.allCases, [(4, 4), (4, 2), (4, 1), (6, 2), (8, 1)])
    func groupedQueries(mask: AttentionMask, heads: (all: Int, kv: Int)) throws {
        for (length, width) in [(1, 16), (3, 64), (49, 32), (66, 8), (100, 80), (200, 16)] {
            for isBF16 in [false, true] {
                let example = Case(
                    isBF16: isBF16, mask: mask, batch: 2, length: length, heads: heads.all, kvHeads: heads.kv,
                    width: width, seed: UInt64(length))
                let (qkv, dOutput) = example.inputs()
                try compare(example, qkv, dOutput)
            }
        }
    }

    /// The oracle's gradient is the slope of the oracle.
    @Test(arguments: [(5, 3), (9, 2)], AttentionMask.allCases)
    func oracleGradientMatchesFiniteDifferences(extent: (length: Int, width: Int), mask: AttentionMask) {
        let example = Case(
            mask: mask, batch: 1, length: extent.length, heads: 4, kvHeads: 2, width: extent.width, seed: 7)
        let (floats, slopes) = example.inputs()
        let qkv = floats.map(Double.init), dOutput = slopes.map(Double.init)
        func value(_ qkv: [Double]) -> Double {
            zip(AttentionOracle(example, qkv: qkv).output, dOutput).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let gradient = AttentionOracle(example, qkv: qkv).backward(dOutput).gradient
        let step = 0x1p-17  // the cube root of a double's unit: error of order step^2 times the third derivative
        for e in qkv.indices {
            var up = qkv, down = qkv
            up[e] += step
            down[e] -= step
            let slope = (value(up) - value(down)) / (2 * step)
            #expect(abs(slope - gradient[e]) < 1e-8, "element \(e) \(example)")
        }
    }

    /// The f32 kernels' gradient is the slope of the f32 kernels. A step s in one input moves the sum of outputs, about 200 of
    /// size 1 and in errors of 2^-21 each, so the slope is off by 200 * 2^-21 / s, and by s^2 times the third derivative.
    @Test(arguments: AttentionMask.allCases)
    func gradientMatchesFiniteDifferences(mask: AttentionMask) throws {
        let example = Case(mask: mask, batch: 1, length: 7, heads: 4, kvHeads: 2, width: 5, seed: 8)
        let (qkv, dOutput) = example.inputs()
        for variant in example.variants {
            let context = try variant.context(threads: 1)
            func value(_ qkv: [Float]) throws -> Double {
                let output = try example.forward(qkv, on: context).output
                return zip(output, dOutput).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            }
            let (output, logSumExp) = try example.forward(qkv, on: context)
            let gradient = try example.backward(dOutput, qkv, output, logSumExp, on: context)
            for e in qkv.indices {
                var up = qkv, down = qkv
                up[e] += 0x1p-6
                down[e] -= 0x1p-6
                let slope = try (value(up) - value(down)) / Double(up[e] - down[e])
                #expect(abs(slope - Double(gradient[e])) < 0x1p-7, "\(variant) element \(e) \(example)")
            }
        }
    }

    /// Scores of ±10000 and rows whose maximum keeps moving, over more than one panel of keys.
    @Test(arguments: [false, true])
    func extremeScores(isBF16: Bool) throws {
        for (width, length) in [(8, 200), (32, 200), (16, 300)] {
            let example = Case(isBF16: isBF16, batch: 1, length: length, heads: 1, width: width, seed: 11)
            var (qkv, dOutput) = example.inputs()
            for i in 0..<length {
                for d in 0..<(2 * width) { qkv[i * 3 * width + d] *= 60 }
                qkv[i * 3 * width + width] *= Float(i) / 20
            }
            qkv = example.representable(qkv)
            try compare(example, qkv, dOutput)
        }
    }

    @Test(arguments: [false, true])
    func sameBitsForAnyNumberOfThreads(isBF16: Bool) throws {
        let cases = [
            Case(isBF16: isBF16, batch: 1, length: 600, heads: 1, width: 16, seed: 1),
            Case(isBF16: isBF16, batch: 2, length: 130, heads: 3, width: 33, seed: 2),
            Case(isBF16: isBF16, mask: .full, batch: 7, length: 65, heads: 1, width: 8, seed: 3),
            Case(isBF16: isBF16, batch: 1, length: 1100, heads: 2, kvHeads: 1, width: 5, seed: 4),
            Case(isBF16: isBF16, mask: .full, batch: 1, length: 301, heads: 4, kvHeads: 2, width: 16, seed: 5),
        ]
        for variant in cases[0].variants {
            let contexts = try threadCounts.map { try variant.context(threads: $0) }
            for example in cases {
                let (qkv, dOutput) = example.inputs()
                let one = try example.forward(qkv, on: contexts[0])
                let gradient = try example.backward(dOutput, qkv, one.output, one.logSumExp, on: contexts[0])
                for (threads, context) in zip(threadCounts, contexts).dropFirst() {
                    let many = try example.forward(qkv, on: context)
                    let again = try example.backward(dOutput, qkv, one.output, one.logSumExp, on: context)
                    #expect(firstDifference(one.output, many.output) == nil, "\(variant) \(threads) \(example)")
                    #expect(firstDifference(one.logSumExp, many.logSumExp) == nil, "\(variant) \(threads) \(example)")
                    #expect(firstDifference(gradient, again) == nil, "\(variant) \(threads) \(example)")
                }
            }
        }
    }

    /// Decoding row by row, and in bites of several rows, against a cache whose unused capacity holds NaN.
    @Test(arguments: [8, 31, 32, 64, 80], [false, true])
    func cachedAttentionHasTheBitsOfTheWholeSequence(width: Int, isBF16: Bool) throws {
        let length = 290
        let example = Case(
            isBF16: isBF16, batch: 1, length: length, heads: 2, kvHeads: width == 32 ? 1 : 2, width: width,
            seed: UInt64(width))
        let keyColumns = example.kvHeads * width
        let (qkv, _) = example.inputs(deviation: 3)
        for variant in example.variants {
            let whole = try example.forward(qkv, on: variant.context(threads: 1)).output
            let context = try variant.context(threads: 3)
            var keys = [Float](repeating: .nan, count: 300 * keyColumns), values = keys
            var position = 0
            for bite in [1, 1, 5, 1, 40, 1, 16, 1, 1, 50, 17, 1, 1, 14, 100, 1, 1, 3, 1, 1, 33] {
                let end = position + bite
                for i in position..<end {
                    for c in 0..<keyColumns {
                        keys[i * keyColumns + c] = qkv[i * example.row + example.columns + c]
                        values[i * keyColumns + c] = qkv[i * example.row + example.columns + keyColumns + c]
                    }
                }
                let query = Array(qkv[(position * example.row)..<(end * example.row)])
                let output = try example.cached(
                    query: query, keys: keys, values: values, queries: bite, keyCount: end, on: context)
                let difference = firstDifference(
                    output, Array(whole[(position * example.columns)..<(end * example.columns)]))
                #expect(difference == nil, "\(variant) \(example) rows \(position)..<\(end)")
                position = end
            }
            #expect(position == length)
        }
    }

    /// A sequence's rows have the same bits alone, in a batch, and with other tokens after them.
    @Test(arguments: [false, true])
    func rowsDependOnWhatTheySeeOnly(isBF16: Bool) throws {
        let long = Case(isBF16: isBF16, batch: 3, length: 130, heads: 2, width: 24, seed: 5)
        let short = Case(isBF16: isBF16, batch: 1, length: 77, heads: 2, width: 24, seed: 5)
        let (qkv, _) = long.inputs()
        let sequence = long.length * long.row
        let start = Array(qkv[sequence..<(sequence + short.length * short.row)])
        for variant in long.variants {
            let context = try variant.context(threads: 2)
            let many = try long.forward(qkv, on: context).output, one = try short.forward(start, on: context).output
            let same = many[(long.length * long.columns)...].prefix(one.count)
            #expect(firstDifference(one, Array(same)) == nil, "\(variant) \(long)")
        }
    }

    /// Values that are infinite or NaN do not reach the rows before them, however the rows are divided among workers.
    @Test(arguments: [false, true])
    func rowsDoNotTouchValuesTheyDoNotSee(isBF16: Bool) throws {
        for width in [16, 33] {
            let example = Case(isBF16: isBF16, batch: 1, length: 300, heads: 1, width: width, seed: 6)
            let (clean, _) = example.inputs()
            for variant in example.variants {
                let expected = try example.forward(clean, on: variant.context(threads: 1)).output
                let contexts = try threadCounts.map { try variant.context(threads: $0) }
                for first in [1, 2, 5, 63, 64, 97, 142, 145, 243, 255, 256, 257, 299] {
                    var qkv = clean
                    for i in first..<example.length {
                        for d in 0..<width { qkv[(i * 3 + 2) * width + d] = i % 2 == 0 ? .infinity : .nan }
                    }
                    for (threads, context) in zip(threadCounts, contexts) {
                        let output = try example.forward(qkv, on: context).output
                        let difference = firstDifference(
                            Array(output[..<(first * width)]), Array(expected[..<(first * width)]))
                        #expect(difference == nil, "\(variant) \(threads) threads, \(example) row \(first)")
                    }
                }
            }
        }
    }

    @Test func nothingToDo() throws {
        let empty: [Float] = []
        var output: [Float] = []
        try causalAttention(
            qkv: empty.span, batch: 0, length: 5, heads: 2, headWidth: 4, into: output.mutableSpan, on: .default)
        try cachedAttention(
            query: empty.span, queryStride: 8, keys: empty.span, values: empty.span, queries: 0, keyCount: 0, heads: 2,
            headWidth: 4, into: output.mutableSpan, on: .default)
        #expect(Kernels.attention.last?.needs == .portable)
        #expect(Kernels.attentionBF16.last?.needs == .portable)
    }

    /// The causal functions are the general ones with one mask and no groups.
    @Test func causalIsTheGeneralForm() throws {
        let example = Case(isBF16: true, batch: 2, length: 33, heads: 2, width: 16, seed: 9)
        let (floats, slopes) = example.inputs()
        let qkv = floats.map { UInt16($0.bitPattern >> 16) }, dOutput = slopes.map { UInt16($0.bitPattern >> 16) }
        let expected = try example.forward(floats, on: .default)
        var output = [UInt16](repeating: 0, count: dOutput.count), dQKV = [UInt16](repeating: 0, count: qkv.count)
        var logSumExp = [Float](repeating: 0, count: 2 * 2 * 33)
        try causalAttention(
            qkv: qkv.span, batch: 2, length: 33, heads: 2, headWidth: 16, into: output.mutableSpan,
            logSumExp: logSumExp.mutableSpan, on: .default)
        try causalAttentionBackward(
            dOutput: dOutput.span, qkv: qkv.span, output: output.span, logSumExp: logSumExp.span, batch: 2, length: 33,
            heads: 2, headWidth: 16, into: dQKV.mutableSpan, on: .default)
        let gradient = try example.backward(slopes, floats, expected.output, expected.logSumExp, on: .default)
        #expect(firstDifference(expected.output, output.map { Float(bitPattern: UInt32($0) << 16) }) == nil)
        #expect(firstDifference(expected.logSumExp, logSumExp) == nil)
        #expect(firstDifference(gradient, dQKV.map { Float(bitPattern: UInt32($0) << 16) }) == nil)
    }
}
