import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct AttentionTests {
    struct Case: CustomStringConvertible {
        var batch, length, heads, width: Int
        var seed: UInt64
        var description: String { "batch \(batch) length \(length) heads \(heads) width \(width) seed \(seed)" }
        var columns: Int { heads * width }

        func inputs(deviation: Float = 1) -> (qkv: [Float], dOutput: [Float]) {
            var numbers = SplitMix(seed: seed)
            return (
                numbers.normals(batch * length * 3 * columns, deviation: deviation),
                numbers.normals(batch * length * columns)
            )
        }

        func forward(_ qkv: [Float], on context: Context) throws -> (output: [Float], logSumExp: [Float]) {
            var output = [Float](repeating: .nan, count: batch * length * columns)
            var logSumExp = [Float](repeating: .nan, count: batch * heads * length)
            try causalAttention(
                qkv: qkv.span, batch: batch, length: length, heads: heads, headWidth: width, into: output.mutableSpan,
                logSumExp: logSumExp.mutableSpan, on: context)
            return (output, logSumExp)
        }

        func backward(
            _ dOutput: [Float], _ qkv: [Float], _ output: [Float], _ logSumExp: [Float], on context: Context
        ) throws -> [Float] {
            var dQKV = [Float](repeating: .nan, count: qkv.count)
            try causalAttentionBackward(
                dOutput: dOutput.span, qkv: qkv.span, output: output.span, logSumExp: logSumExp.span, batch: batch,
                length: length, heads: heads, headWidth: width, into: dQKV.mutableSpan, on: context)
            return dQKV
        }
    }

    static let widths = [1, 8, 31, 32, 33, 64, 80]

    @Test(arguments: [1, 2, 15, 16, 17, 47, 49, 63, 64, 65, 130])
    func matchesMaterializedAttention(length: Int) throws {
        let contexts = try Kernels.attention.filter(\.runsHere).map { try ($0, $0.context(threads: 1)) }
        for width in Self.widths {
            let example = Case(
                batch: length > 100 ? 1 : 2, length: length, heads: 2, width: width,
                seed: UInt64(length * 1000 + width))
            let (qkv, dOutput) = example.inputs()
            let oracle = AttentionOracle(
                qkv: qkv.map(Double.init), batch: example.batch, length: length, heads: 2, width: width)
            let expected = oracle.backward(dOutput.map(Double.init))
            for (variant, context) in contexts {
                let (output, logSumExp) = try example.forward(qkv, on: context)
                let dQKV = try example.backward(dOutput, qkv, output, logSumExp, on: context)
                let o = worstExcess(output, expected: oracle.output) { oracle.outputBound[$0] }
                let l = worstExcess(logSumExp, expected: oracle.logSumExp) { oracle.logSumExpBound[$0] }
                let g = worstExcess(dQKV, expected: expected.gradient) { expected.bound[$0] }
                #expect(o == nil && l == nil && g == nil, "\(variant) \(example)")
            }
        }
    }

    /// The oracle's gradient is the slope of the oracle.
    @Test(arguments: [(5, 3), (9, 2)])
    func oracleGradientMatchesFiniteDifferences(length: Int, width: Int) {
        var numbers = SplitMix(seed: 7)
        let qkv = numbers.normals(length * 6 * width).map(Double.init)
        let dOutput = numbers.normals(length * 2 * width).map(Double.init)
        func value(_ qkv: [Double]) -> Double {
            let o = AttentionOracle(qkv: qkv, batch: 1, length: length, heads: 2, width: width).output
            return zip(o, dOutput).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let gradient = AttentionOracle(qkv: qkv, batch: 1, length: length, heads: 2, width: width).backward(dOutput)
        let step = 0x1p-17  // the cube root of a double's unit: error of order step^2 times the third derivative
        for e in qkv.indices {
            var up = qkv, down = qkv
            up[e] += step
            down[e] -= step
            let slope = (value(up) - value(down)) / (2 * step)
            #expect(abs(slope - gradient.gradient[e]) < 1e-8, "element \(e) length \(length) width \(width)")
        }
    }

    /// Scores of ±10000 and rows whose maximum keeps moving.
    @Test func extremeScores() throws {
        for variant in Kernels.attention where variant.runsHere {
            let context = try variant.context(threads: 1)
            for width in [8, 32] {
                let example = Case(batch: 1, length: 200, heads: 1, width: width, seed: 11)
                var (qkv, dOutput) = example.inputs()
                for i in 0..<200 {
                    for d in 0..<(2 * width) { qkv[i * 3 * width + d] *= 60 }
                    qkv[i * 3 * width + width] *= Float(i) / 20
                }
                let oracle = AttentionOracle(
                    qkv: qkv.map(Double.init), batch: 1, length: 200, heads: 1, width: width)
                let expected = oracle.backward(dOutput.map(Double.init))
                let (output, logSumExp) = try example.forward(qkv, on: context)
                let dQKV = try example.backward(dOutput, qkv, output, logSumExp, on: context)
                let o = worstExcess(output, expected: oracle.output) { oracle.outputBound[$0] }
                let l = worstExcess(logSumExp, expected: oracle.logSumExp) { oracle.logSumExpBound[$0] }
                let g = worstExcess(dQKV, expected: expected.gradient) { expected.bound[$0] }
                #expect(o == nil && l == nil && g == nil, "\(variant) \(example)")
            }
        }
    }

    @Test func sameBitsForAnyNumberOfThreads() throws {
        let cases = [
            Case(batch: 1, length: 600, heads: 1, width: 16, seed: 1),
            Case(batch: 2, length: 130, heads: 3, width: 33, seed: 2),
            Case(batch: 7, length: 65, heads: 1, width: 8, seed: 3),
            Case(batch: 1, length: 1100, heads: 2, width: 5, seed: 4),
        ]
        for variant in Kernels.attention where variant.runsHere {
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
    @Test(arguments: [8, 31, 32, 64, 80])
    func cachedAttentionHasTheBitsOfTheWholeSequence(width: Int) throws {
        let length = 150, heads = 2, columns = heads * width
        for variant in Kernels.attention where variant.runsHere {
            let example = Case(batch: 1, length: length, heads: heads, width: width, seed: UInt64(width))
            let (qkv, _) = example.inputs(deviation: 3)
            let whole = try example.forward(qkv, on: variant.context(threads: 1)).output
            let context = try variant.context(threads: 3)
            var keys = [Float](repeating: .nan, count: 256 * columns), values = keys
            var position = 0
            for bite in [1, 1, 5, 1, 40, 1, 16, 1, 1, 50, 17, 1, 1, 14] {
                let end = position + bite
                for i in position..<end {
                    for c in 0..<columns {
                        keys[i * columns + c] = qkv[i * 3 * columns + columns + c]
                        values[i * columns + c] = qkv[i * 3 * columns + 2 * columns + c]
                    }
                }
                let query = Array(qkv[(position * 3 * columns)..<(end * 3 * columns)])
                var output = [Float](repeating: .nan, count: bite * columns)
                try cachedAttention(
                    query: query.span, queryStride: 3 * columns, keys: keys.span, values: values.span, queries: bite,
                    keyCount: end, heads: heads, headWidth: width, into: output.mutableSpan, on: context)
                let difference = firstDifference(output, Array(whole[(position * columns)..<(end * columns)]))
                #expect(difference == nil, "\(variant) width \(width) rows \(position)..<\(end)")
                position = end
            }
            #expect(position == length)
        }
    }

    /// A sequence's rows have the same bits alone, in a batch, and with other tokens after them.
    @Test func rowsDependOnWhatTheySeeOnly() throws {
        for variant in Kernels.attention where variant.runsHere {
            let context = try variant.context(threads: 2)
            let long = Case(batch: 3, length: 130, heads: 2, width: 24, seed: 5)
            let short = Case(batch: 1, length: 77, heads: 2, width: 24, seed: 5)
            let (qkv, _) = long.inputs()
            let sequence = long.length * 3 * long.columns
            let start = Array(qkv[sequence..<(sequence + short.length * 3 * short.columns)])
            let many = try long.forward(qkv, on: context).output, one = try short.forward(start, on: context).output
            let same = many[(long.length * long.columns)...].prefix(one.count)
            #expect(firstDifference(one, Array(same)) == nil, "\(variant) \(long)")
        }
    }

    /// Values that are infinite or NaN do not reach the rows before them, however the rows are divided among workers.
    @Test func rowsDoNotTouchValuesTheyDoNotSee() throws {
        for variant in Kernels.attention where variant.runsHere {
            for width in [16, 33] {
                let example = Case(batch: 1, length: 300, heads: 1, width: width, seed: 6)
                let (clean, _) = example.inputs()
                let expected = try example.forward(clean, on: variant.context(threads: 1)).output
                for first in [1, 5, 63, 64, 97, 142, 145, 243, 299] {
                    var qkv = clean
                    for i in first..<example.length {
                        for d in 0..<width { qkv[(i * 3 + 2) * width + d] = i % 2 == 0 ? .infinity : .nan }
                    }
                    for threads in threadCounts {
                        let output = try example.forward(qkv, on: variant.context(threads: threads)).output
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
    }
}
