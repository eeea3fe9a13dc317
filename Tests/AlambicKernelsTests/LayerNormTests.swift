import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct LayerNormTests {
    // MARK: oracles, one row at a time, in double precision

    private struct Row {
        var mean = 0.0
        var inverse = 0.0
        var normalized: [Double] = []

        init(_ x: [Double], _ epsilon: Double) {
            let n = Double(x.count)
            let average = x.reduce(0, +) / n
            mean = average
            inverse = 1 / (x.reduce(0) { $0 + ($1 - average) * ($1 - average) } / n + epsilon).squareRoot()
            let scale = inverse
            normalized = x.map { ($0 - average) * scale }
        }

        func output(_ gain: [Double], _ bias: [Double]) -> [Double] {
            normalized.indices.map { gain[$0] * normalized[$0] + bias[$0] }
        }

        func backward(_ dy: [Double], _ gain: [Double]) -> [Double] {
            let n = Double(dy.count)
            let g = zip(dy, gain).map(*)
            let average = g.reduce(0, +) / n
            let along = zip(g, normalized).reduce(0) { $0 + $1.0 * $1.1 } / n
            return g.indices.map { inverse * (g[$0] - average - normalized[$0] * along) }
        }
    }

    @Test func oracleAgreesWithDifferences() {
        var random = SplitMix(seed: 8)
        let x = random.normals(7).map(Double.init), dy = random.normals(7).map(Double.init)
        let gain = random.normals(7).map(Double.init), bias = random.normals(7).map(Double.init)
        func loss(_ x: [Double], _ gain: [Double]) -> Double {
            zip(dy, Row(x, 1e-5).output(gain, bias)).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let row = Row(x, 1e-5)
        let dx = row.backward(dy, gain)
        for j in x.indices {
            var up = x, down = x
            up[j] += 1e-5
            down[j] -= 1e-5
            #expect(abs((loss(up, gain) - loss(down, gain)) / 2e-5 - dx[j]) < 1e-8, "dx[\(j)]")
            var more = gain
            more[j] += 1  // linear in the gain
            #expect(abs(loss(x, more) - loss(x, gain) - dy[j] * row.normalized[j]) < 1e-12, "dGain[\(j)]")
        }
    }

    private static func compare(rows: Int, columns: Int, shift: Float = 0.5, threads: [Int]) throws {
        let seed = UInt64(rows * 10_000 + columns)
        var random = SplitMix(seed: seed)
        let epsilon: Float = 1e-5
        let x = random.normals(rows * columns, deviation: 2).map { $0 + shift }
        let dy = random.normals(rows * columns), gain = random.normals(columns), bias = random.normals(columns)
        let before = random.normals(columns), beforeToo = random.normals(columns)
        try onEveryContext(Kernels.norm, "\(rows) x \(columns), seed \(seed)", threads: threads) { context, label in
            let y = Guarded(count: x.count), mean = Guarded(count: rows), inverse = Guarded(count: rows)
            let bare = Guarded(count: x.count), dx = Guarded(count: x.count)
            let dGain = Guarded(before), dBias = Guarded(beforeToo)
            let xs = Guarded(x), dys = Guarded(dy), gains = Guarded(gain), biases = Guarded(bias)
            try layerNorm(
                xs.span, gain: gains.span, bias: biases.span, epsilon: epsilon, rows: rows, columns: columns,
                into: y.mutableSpan, mean: mean.mutableSpan, inverseDeviation: inverse.mutableSpan, on: context)
            try layerNorm(
                xs.span, gain: gains.span, bias: biases.span, epsilon: epsilon, rows: rows, columns: columns,
                into: bare.mutableSpan, on: context)
            try layerNormBackward(
                dys.span, xs.span, gain: gains.span, mean: mean.span, inverseDeviation: inverse.span, rows: rows,
                columns: columns, into: dx.mutableSpan, dGain: dGain.mutableSpan, dBias: dBias.mutableSpan, on: context)
            return [y, mean, inverse, dx, dGain, dBias, bare].map { $0.values(label) }
        } check: { results, label in
            #expect(firstDifference(results[0], results[6]) == nil, "without statistics: \(label)")
            check(
                results, label, rows: rows, columns: columns, epsilon: Double(epsilon), x: x.map(Double.init),
                dy: dy.map(Double.init), gain: gain.map(Double.init), bias: bias.map(Double.init),
                before: [before, beforeToo].map { $0.map(Double.init) })
        }
    }

    private static func check(
        _ results: [[Float]], _ label: String, rows: Int, columns: Int, epsilon: Double, x: [Double], dy: [Double],
        gain: [Double], bias: [Double], before: [[Double]]
    ) {
        var dGain = before[0], dBias = before[1]
        var gainSize = before[0].map(abs), biasSize = before[1].map(abs),
            gainError = [Double](repeating: 0, count: columns)
        // The longest chain of a row's sum at the narrowest width and their tree: 2 x 4 partial sums going forward, 4 back.
        let chain = Double(columns) / 8 + 8, chainBack = Double(columns) / 4 + 8
        for i in 0..<rows {
            let range = i * columns..<(i + 1) * columns
            let xs = Array(x[range]), dys = Array(dy[range])
            let row = Row(xs, epsilon)
            let meanError = roundoff * (chain + 1) * xs.reduce(0) { $0 + abs($1) } / Double(columns)
            // variance: relative (chain + 3) roundings and the square of the mean's error; the root halves it.
            let shift = meanError * row.inverse
            let inverseError = roundoff * (chain / 2 + 4) + shift * shift
            // n = (x - mean) inverse
            let normalizedError = row.normalized.map { shift + abs($0) * (inverseError + 2 * roundoff) }
            expectWithin([results[1][i]], [row.mean], "mean of row \(i), \(label)") { _ in meanError + 1e-40 }
            expectWithin([results[2][i]], [row.inverse], "inverse of row \(i), \(label)") { _ in
                row.inverse * inverseError
            }
            let y = row.output(gain, bias)
            expectWithin(Array(results[0][range]), y, "y, row \(i), \(label)") {
                abs(gain[$0]) * normalizedError[$0] + roundoff * (abs(y[$0]) + abs(gain[$0] * row.normalized[$0]))
                    + 1e-40
            }
            let g = zip(dys, gain).map { abs($0 * $1) }
            let size = g.reduce(0, +) / Double(columns)
            let along = zip(g, row.normalized).reduce(0) { $0 + abs($1.0 * $1.1) } / Double(columns)
            let alongError = zip(g, normalizedError).reduce(0) { $0 + $1.0 * $1.1 } / Double(columns)
            let dx = row.backward(dys, gain)
            expectWithin(Array(results[3][range]), dx, "dx, row \(i), \(label)") {
                let n = abs(row.normalized[$0])
                let sums =
                    roundoff * (chainBack + 4) * (size + n * along) + n * alongError + normalizedError[$0] * along
                return row.inverse * (sums + (inverseError + 4 * roundoff) * (g[$0] + size + n * along)) + 1e-40
            }
            for j in 0..<columns {
                dGain[j] += dys[j] * row.normalized[j]
                dBias[j] += dys[j]
                gainSize[j] += abs(dys[j] * row.normalized[j])
                biasSize[j] += abs(dys[j])
                gainError[j] += abs(dys[j]) * normalizedError[j]
            }
        }
        // A chain of at most 320 rows here, a tree of 8 levels, the addition to what was there.
        let depth = roundoff * (Double(min(rows, 320)) + 10)
        expectWithin(results[4], dGain, "dGain, \(label)") { depth * gainSize[$0] + gainError[$0] + 1e-40 }
        expectWithin(results[5], dBias, "dBias, \(label)") { depth * biasSize[$0] + 1e-40 }
    }

    @Test(arguments: edgeColumns) func edges(_ columns: Int) throws {
        for rows in [1, 4, 7] { try Self.compare(rows: rows, columns: columns, threads: [1]) }
    }

    @Test(arguments: [(63, 300), (64, 257), (65, 256), (131, 768), (515, 129), (17_000, 5)])
    func chunksAndThreads(rows: Int, columns: Int) throws {
        try Self.compare(rows: rows, columns: columns, threads: threadCounts)
    }

    /// Decoding one token must give the bits that the whole prompt gave.
    @Test(arguments: [5, 16, 100, 768]) func aRowDoesNotDependOnTheOthers(_ columns: Int) throws {
        var random = SplitMix(seed: 9)
        let rows = 7, input = random.normals(rows * columns)
        let gain = Guarded(random.normals(columns)), x = Guarded(input)
        for variant in Kernels.norm where variant.runsHere {
            let context = try variant.context(threads: 1), together = Guarded(count: rows * columns)
            try layerNorm(
                x.span, gain: gain.span, bias: gain.span, epsilon: 1e-5, rows: rows, columns: columns,
                into: together.mutableSpan, on: context)
            var rowByRow: [Float] = []
            for row in 0..<rows {
                let one = Guarded(Array(input[row * columns..<(row + 1) * columns])), y = Guarded(count: columns)
                try layerNorm(
                    one.span, gain: gain.span, bias: gain.span, epsilon: 1e-5, rows: 1, columns: columns,
                    into: y.mutableSpan, on: context)
                rowByRow += y.values("row \(row)")
            }
            let difference = firstDifference(together.values("together"), rowByRow)
            #expect(difference == nil, "\(columns) columns, \(variant)")
        }
    }

    @Test func farFromZero() throws {
        // A mean a thousand deviations away: the two passes keep what f32 can hold.
        try Self.compare(rows: 5, columns: 333, shift: 2000, threads: [1])
    }

    @Test func constantRows() throws {
        for variant in Kernels.norm where variant.runsHere {
            let columns = 48, context = try variant.context(threads: 1)
            let x = Guarded([Float](repeating: 3.25, count: columns)), y = Guarded(count: columns)
            let gain = Guarded([Float](repeating: 2, count: columns)), bias = Guarded((0..<columns).map(Float.init))
            try layerNorm(
                x.span, gain: gain.span, bias: bias.span, epsilon: 1e-5, rows: 1, columns: columns, into: y.mutableSpan,
                on: context)
            #expect(y.values("constant") == (0..<columns).map(Float.init), "\(variant)")
        }
    }

    @Test func negativeEpsilonThrows() throws {
        let x = Guarded([1, 2]), y = Guarded(count: 2)
        for epsilon in [-1, Float.nan] {
            #expect(throws: KernelError.self) {
                try layerNorm(
                    x.span, gain: x.span, bias: x.span, epsilon: epsilon, rows: 1, columns: 2,
                    into: y.mutableSpan, on: .default)
            }
        }
    }
}
