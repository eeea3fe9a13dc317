import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct ColumnSumTests {
    private static func compare(rows: Int, columns: Int, threads: [Int]) throws {
        let seed = UInt64(rows * 10_000 + columns)
        var random = SplitMix(seed: seed)
        let x = random.normals(rows * columns), before = random.normals(columns)
        try onEveryContext(Kernels.columnSum, "\(rows) x \(columns), seed \(seed)", threads: threads) {
            context, label in
            let xs = Guarded(x), y = Guarded(before)
            try columnSum(xs.span, rows: rows, columns: columns, into: y.mutableSpan, on: context)
            return [y.values(label)]
        } check: { results, label in
            var sum = before.map(Double.init), size = sum.map(abs)
            for i in 0..<rows {
                for j in 0..<columns {
                    sum[j] += Double(x[i * columns + j])
                    size[j] += abs(Double(x[i * columns + j]))
                }
            }
            // A chain of at most 320 rows at these shapes, a tree of 8 levels, the addition to y.
            expectWithin(results[0], sum, label) { roundoff * (Double(min(rows, 320)) + 10) * size[$0] }
        }
    }

    @Test(arguments: edgeColumns) func edges(_ columns: Int) throws {
        for rows in [0, 1, 7, 8, 9, 17] { try Self.compare(rows: rows, columns: columns, threads: [1]) }
    }

    @Test(arguments: [(63, 1000), (64, 768), (65, 1023), (129, 3072), (1000, 255), (60_000, 7)])
    func chunksAndThreads(rows: Int, columns: Int) throws {
        try Self.compare(rows: rows, columns: columns, threads: threadCounts)
    }

    @Test func wholeNumbersAreExact() throws {
        let rows = 20_000, columns = 11
        let x = (0..<rows * columns).map { Float(($0 * 7919) % 13 - 6) }
        var expected = [Float](repeating: 0, count: columns)
        for i in x.indices { expected[i % columns] += x[i] }
        try onEveryContext(Kernels.columnSum, "whole numbers") { context, label in
            let xs = Guarded(x), y = Guarded([Float](repeating: 0, count: columns))
            try columnSum(xs.span, rows: rows, columns: columns, into: y.mutableSpan, on: context)
            return [y.values(label)]
        } check: { results, label in
            #expect(results[0] == expected, "\(label)")
        }
    }
}
