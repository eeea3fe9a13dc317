import AlambicKernels
import AlambicTestSupport
import Testing

/// The row kernels as a list that runs in one parallel region, against one by one.
@Suite struct RowListTests {
    @Test(arguments: [(3, 40), (130, 700)]) func listsGiveTheSameBits(rows: Int, columns: Int) throws {
        var random = SplitMix(seed: 4)
        let input = random.normals(rows * columns), gain = random.normals(columns)
        let slope = Guarded(gain), x = Guarded(input)
        struct Results {
            let y, n, dx, mean, inverse, dGain, dBias: Guarded
            var all: [Guarded] { [y, n, dx, mean, inverse, dGain, dBias] }
            init(_ rows: Int, _ columns: Int) throws {
                (y, n) = (Guarded(count: rows * columns), Guarded(count: rows * columns))
                (dx, mean) = (Guarded(count: rows * columns), Guarded(count: rows))
                inverse = Guarded(count: rows)
                dGain = Guarded([Float](repeating: 0, count: columns))
                dBias = Guarded([Float](repeating: 0, count: columns))
            }
        }
        func note(_ r: Results, on context: Context) throws {
            try gelu(x.span, into: r.y.mutableSpan, on: context)
            try layerNorm(
                r.y.span, gain: slope.span, bias: slope.span, epsilon: 1e-5, rows: rows, columns: columns,
                into: r.n.mutableSpan, mean: r.mean.mutableSpan, inverseDeviation: r.inverse.mutableSpan, on: context)
            try softmax(r.n.span, rows: rows, columns: columns, into: r.n.mutableSpan, on: context)
            try layerNormBackward(
                r.n.span, r.y.span, gain: slope.span, mean: r.mean.span, inverseDeviation: r.inverse.span, rows: rows,
                columns: columns, into: r.dx.mutableSpan, dGain: r.dGain.mutableSpan, dBias: r.dBias.mutableSpan,
                on: context)
            try accumulate(r.dx.span, into: r.y.mutableSpan, on: context)
            try scale(by: 0.5, into: r.y.mutableSpan, on: context)
            try columnSum(r.y.span, rows: rows, columns: columns, into: r.dBias.mutableSpan, on: context)
        }
        let plain = try Results(rows, columns)
        try note(plain, on: Context(threads: 1))
        for threads in threadCounts {
            let listed = try Results(rows, columns)
            let list = try OperationList(on: Context(threads: threads))
            try note(listed, on: list.context)
            try list.run()
            for (i, (a, b)) in zip(plain.all, listed.all).enumerated() {
                let label = "result \(i), \(threads) threads"
                #expect(firstDifference(a.values(label), b.values(label)) == nil, "\(label)")
            }
        }
    }
}
