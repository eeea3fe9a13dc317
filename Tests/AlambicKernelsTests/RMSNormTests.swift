import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct RMSNormTests {
    // MARK: oracles, one row at a time, in double precision

    private struct Row {
        var inverse = 0.0
        var normalized: [Double] = []

        init(_ x: [Double], _ epsilon: Double) {
            inverse = 1 / (x.reduce(0) { $0 + $1 * $1 } / Double(x.count) + epsilon).squareRoot()
            let scale = inverse
            normalized = x.map { $0 * scale }
        }

        func backward(_ dy: [Double], _ gain: [Double]) -> [Double] {
            let g = zip(dy, gain).map(*)
            let along = zip(g, normalized).reduce(0) { $0 + $1.0 * $1.1 } / Double(dy.count)
            return g.indices.map { inverse * (g[$0] - normalized[$0] * along) }
        }
    }

    @Test func oracleAgreesWithDifferences() {
        var random = SplitMix(seed: 18)
        let x = random.normals(7).map(Double.init), dy = random.normals(7).map(Double.init)
        let gain = random.normals(7).map(Double.init)
        func loss(_ x: [Double]) -> Double {
            let n = Row(x, 1e-5).normalized
            return x.indices.reduce(0) { $0 + dy[$1] * gain[$1] * n[$1] }
        }
        let dx = Row(x, 1e-5).backward(dy, gain)
        for j in x.indices {
            var up = x, down = x
            up[j] += 1e-5
            down[j] -= 1e-5
            #expect(abs((loss(up) - loss(down)) / 2e-5 - dx[j]) < 1e-8, "dx[\(j)]")
        }
    }

    private static func compare(rows: Int, columns: Int, threads: [Int]) throws {
        let seed = UInt64(rows * 10_000 + columns)
        var random = SplitMix(seed: seed)
        let epsilon: Float = 1e-5
        let x = random.normals(rows * columns, deviation: 2), dy = roundedToBF16(random.normals(rows * columns))
        let gain = random.normals(columns), before = random.normals(columns)
        let around = random.normals(rows * columns), halves = nearestBF16(dy)
        try onEveryContext(Kernels.norm, "\(rows) x \(columns), seed \(seed)", threads: threads) { context, label in
            let y = Guarded(count: x.count), inverse = Guarded(count: rows), dx = Guarded(count: x.count)
            let dGain = Guarded(before), xs = Guarded(x), dys = Guarded(dy), gains = Guarded(gain)
            let narrow = GuardedHalves(count: x.count), bare = GuardedHalves(count: x.count),
                inverseToo = Guarded(count: rows)
            let narrowDY = GuardedHalves(halves), moved = Guarded(around), replaced = Guarded(count: columns)
            try rmsNorm(
                xs.span, gain: gains.span, epsilon: epsilon, rows: rows, columns: columns, into: y.mutableSpan,
                inverseRMS: inverse.mutableSpan, on: context)
            try rmsNorm(
                xs.span, gain: gains.span, epsilon: epsilon, rows: rows, columns: columns, into: narrow.mutableSpan,
                inverseRMS: inverseToo.mutableSpan, on: context)
            try rmsNorm(
                xs.span, gain: gains.span, epsilon: epsilon, rows: rows, columns: columns, into: bare.mutableSpan,
                on: context)
            try rmsNormBackward(
                dys.span, xs.span, gain: gains.span, inverseRMS: inverse.span, rows: rows, columns: columns,
                into: dx.mutableSpan, dGain: dGain.mutableSpan, on: context)
            // All that mixed precision adds at once: dx in place of the residual, its copy in place of dy.
            try rmsNormBackward(
                narrowDY.span, xs.span, gain: gains.span, inverseRMS: inverse.span, residual: moved.span, rows: rows,
                columns: columns, into: moved.mutableSpan, copy: narrowDY.mutableSpan, dGain: replaced.mutableSpan,
                store: .replace, on: context)
            return [y, inverse, dx, dGain, inverseToo, moved, replaced].map { $0.values(label) }
                + [narrow, bare, narrowDY].map { $0.values(label) }
        } check: { results, label in
            check(
                results, label, rows: rows, columns: columns, epsilon: Double(epsilon), x: x.map(Double.init),
                dy: dy.map(Double.init), gain: gain.map(Double.init), before: before.map(Double.init))
            #expect(firstDifference(results[1], results[4]) == nil, "statistics: \(label)")
            let rounded = try? [roundedToBF16(results[0]), roundedToBF16(results[5])]
            #expect(firstDifference(results[7], rounded?[0] ?? []) == nil, "bf16 y: \(label)")
            #expect(firstDifference(results[7], results[8]) == nil, "without statistics: \(label)")
            #expect(firstDifference(results[9], rounded?[1] ?? []) == nil, "copy of dx: \(label)")
            let sums = zip(results[2], around).map(+)
            #expect(firstDifference(results[5], sums) == nil, "dx and residual: \(label)")
            let added = zip(results[6], before).map { $1 + $0 }
            #expect(firstDifference(results[3], added) == nil, "dGain: \(label)")
        }
    }

    private static func check(
        _ results: [[Float]], _ label: String, rows: Int, columns: Int, epsilon: Double, x: [Double], dy: [Double],
        gain: [Double], before: [Double]
    ) {
        var dGain = before, size = before.map(abs), error = [Double](repeating: 0, count: columns)
        // The longest chain of a row's sum at the narrowest width and their tree: 2 x 4 partial sums going forward, 4 back.
        let chain = Double(columns) / 8 + 8, chainBack = Double(columns) / 4 + 8
        for i in 0..<rows {
            let range = i * columns..<(i + 1) * columns
            let dys = Array(dy[range]), row = Row(Array(x[range]), epsilon)
            // Squares are positive: relative (chain + 3) roundings, which the root halves, and those of root and quotient.
            let inverseError = roundoff * (chain / 2 + 4)
            let normalizedError = row.normalized.map { abs($0) * (inverseError + roundoff) }
            expectWithin([results[1][i]], [row.inverse], "inverse of row \(i), \(label)") { _ in
                row.inverse * inverseError
            }
            let y = row.normalized.indices.map { gain[$0] * row.normalized[$0] }
            expectWithin(Array(results[0][range]), y, "y, row \(i), \(label)") {
                abs(gain[$0]) * normalizedError[$0] + roundoff * abs(y[$0]) + 1e-40
            }
            let g = zip(dys, gain).map { abs($0 * $1) }
            let along = zip(g, row.normalized).reduce(0) { $0 + abs($1.0 * $1.1) } / Double(columns)
            let alongError = zip(g, normalizedError).reduce(0) { $0 + $1.0 * $1.1 } / Double(columns)
            expectWithin(Array(results[2][range]), row.backward(dys, gain), "dx, row \(i), \(label)") {
                let n = abs(row.normalized[$0])
                let sums = roundoff * (chainBack + 4) * n * along + n * alongError + normalizedError[$0] * along
                return row.inverse * (sums + (inverseError + 4 * roundoff) * (g[$0] + n * along)) + 1e-40
            }
            for j in 0..<columns {
                dGain[j] += dys[j] * row.normalized[j]
                size[j] += abs(dys[j] * row.normalized[j])
                error[j] += abs(dys[j]) * normalizedError[j]
            }
        }
        // A chain of at most 320 rows here, a tree of 8 levels, the addition to what was there.
        let depth = roundoff * (Double(min(rows, 320)) + 10)
        expectWithin(results[3], dGain, "dGain, \(label)") { depth * size[$0] + error[$0] + 1e-40 }
    }

    @Test(arguments: edgeColumns) func edges(_ columns: Int) throws {
        for rows in [1, 4, 7] { try Self.compare(rows: rows, columns: columns, threads: [1]) }
    }

    @Test(arguments: [(63, 300), (64, 257), (65, 256), (131, 768), (515, 129), (17_000, 5)])
    func chunksAndThreads(rows: Int, columns: Int) throws {
        try Self.compare(rows: rows, columns: columns, threads: threadCounts)
    }

    @Test func aRowDoesNotDependOnTheOthers() throws {
        var random = SplitMix(seed: 19)
        let rows = 7, columns = 100, input = random.normals(rows * columns)
        let gain = Guarded(random.normals(columns)), x = Guarded(input)
        for variant in Kernels.norm where variant.runsHere {
            let context = try variant.context(threads: 1), together = Guarded(count: rows * columns)
            try rmsNorm(
                x.span, gain: gain.span, epsilon: 1e-5, rows: rows, columns: columns, into: together.mutableSpan,
                on: context)
            var rowByRow: [Float] = []
            for row in 0..<rows {
                let one = Guarded(Array(input[row * columns..<(row + 1) * columns])), y = Guarded(count: columns)
                try rmsNorm(
                    one.span, gain: gain.span, epsilon: 1e-5, rows: 1, columns: columns, into: y.mutableSpan,
                    on: context)
                rowByRow += y.values("row \(row)")
            }
            #expect(firstDifference(together.values("together"), rowByRow) == nil, "\(variant)")
        }
    }

    @Test func negativeEpsilonThrows() throws {
        let x = Guarded([1, 2]), y = Guarded(count: 2)
        for epsilon in [-1, Float.nan] {
            #expect(throws: KernelError.self) {
                try rmsNorm(
                    x.span, gain: x.span, epsilon: epsilon, rows: 1, columns: 2, into: y.mutableSpan, on: .default)
            }
        }
    }
}
