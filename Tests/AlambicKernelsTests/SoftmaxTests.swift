import AlambicKernels
import AlambicTestSupport
import Foundation
import Testing

@Suite struct SoftmaxTests {
    // MARK: oracles

    private static func forward(_ x: [Double]) -> [Double] {
        let highest = x.max() ?? 0
        let e = x.map { exp($0 - highest) }
        let sum = e.reduce(0, +)
        return e.map { $0 / sum }
    }

    private static func backward(_ dy: [Double], _ y: [Double]) -> [Double] {
        let dot = zip(dy, y).reduce(0) { $0 + $1.0 * $1.1 }
        return zip(dy, y).map { $1 * ($0 - dot) }
    }

    @Test func oracleAgreesWithDifferences() {
        var random = SplitMix(seed: 3)
        let x = random.normals(9).map(Double.init), dy = random.normals(9).map(Double.init)
        let dx = Self.backward(dy, Self.forward(x))
        for j in x.indices {
            func loss(_ step: Double) -> Double {
                var moved = x
                moved[j] += step
                return zip(dy, Self.forward(moved)).reduce(0) { $0 + $1.0 * $1.1 }
            }
            #expect(abs((loss(1e-5) - loss(-1e-5)) / 2e-5 - dx[j]) < 1e-9, "column \(j)")
        }
    }

    private static func compare(rows: Int, columns: Int, deviation: Float, threads: [Int]) throws {
        let seed = UInt64(rows * 10_000 + columns)
        var random = SplitMix(seed: seed)
        let x = random.normals(rows * columns, deviation: deviation), dy = random.normals(rows * columns)
        let label = "\(rows) x \(columns), seed \(seed)"
        try onEveryContext(Kernels.softmax, label, threads: threads) { context, label in
            let y = Guarded(count: x.count), dx = Guarded(count: x.count)
            let xs = Guarded(x), dys = Guarded(dy)
            try softmax(xs.span, rows: rows, columns: columns, into: y.mutableSpan, on: context)
            try softmaxBackward(
                dys.span, y.span, rows: rows, columns: columns, into: dx.mutableSpan, on: context)
            return [y.values(label), dx.values(label)]
        } check: { results, label in
            for row in 0..<rows {
                let range = row * columns..<(row + 1) * columns
                let xs = x[range].map(Double.init), expected = forward(xs)
                // Relative: the roundings of x - max, of its product with log2 e and of log2 e itself become 2.5 |x - max|
                // roundings of the exponential (and of the sum's), which itself has 3; the sum of all-positive terms has as
                // many as its longest chain, columns / 8 at the narrowest width, and a tree. Denormal results round
                // absolutely.
                let range5 = 5 * ((xs.max() ?? 0) - (xs.min() ?? 0))
                let relative = roundoff * (range5 + Double(columns) / 8 + 20)
                expectWithin(Array(results[0][range]), expected, "row \(row), \(label)") {
                    expected[$0] * relative + 0x1p-147
                }
                // Backward from the kernel's own y. The dot product's chain is columns / 16 long at the narrowest width.
                let y = results[0][range].map(Double.init), dys = dy[range].map(Double.init)
                let dx = backward(dys, y)
                let size = zip(dys, y).reduce(0) { $0 + abs($1.0 * $1.1) }
                expectWithin(Array(results[1][range]), dx, "backward, row \(row), \(label)") {
                    y[$0] * roundoff * ((Double(columns) / 16 + 8) * size + 4 * abs(dys[$0]) + 4 * size) + 0x1p-147
                }
            }
        }
    }

    @Test(arguments: edgeColumns) func edges(_ columns: Int) throws {
        try Self.compare(rows: 3, columns: columns, deviation: 3, threads: [1])
    }

    @Test(arguments: [(301, 1000), (2000, 65), (2, 50_257), (70_000, 3)]) func large(rows: Int, columns: Int) throws {
        try Self.compare(rows: rows, columns: columns, deviation: 5, threads: threadCounts)
    }

    @Test func extremes() throws {
        let rows: [([Float], [Float])] = [
            ([1e30, -1e30, 1e30], [0.5, 0, 0.5]),
            ([-3e38, -3e38, -3e38], [1 / 3.0, 1 / 3.0, 1 / 3.0]),
            ([-.infinity, 0, 0], [0, 0.5, 0.5]),
            ([0, -200, -88], [1, 0, 0x1.07c6p-127]),
        ]
        for variant in Kernels.softmax where variant.runsHere {
            let context = try variant.context(threads: 1)
            for (x, expected) in rows {
                let xs = Guarded(x), y = Guarded(count: 3)
                try softmax(xs.span, rows: 1, columns: 3, into: y.mutableSpan, on: context)
                for (a, b) in zip(y.values("\(x)"), expected) {
                    #expect(abs(a - b) <= 1e-6 * b + 0x1p-139, "\(variant): \(x)")
                }
            }
            for x: [Float] in [[.nan, 0, 0], [0, 0, .nan], [.infinity, 0, 1], [-.infinity, -.infinity, -.infinity]] {
                let xs = Guarded(x), y = Guarded(count: 3)
                try softmax(xs.span, rows: 1, columns: 3, into: y.mutableSpan, on: context)
                #expect(y.values("\(x)").contains { $0.isNaN }, "\(variant): \(x)")
            }
            let none = Guarded([])
            try softmax(none.span, rows: 0, columns: 3, into: none.mutableSpan, on: context)
        }
    }
}
