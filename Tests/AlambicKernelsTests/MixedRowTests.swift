import AlambicKernels
import AlambicTestSupport
import Testing

/// Row kernels with operands in bf16 against the same kernels in f32, which have oracles of their own: arithmetic is that of
/// f32, with one rounding at the end.
@Suite struct MixedRowTests {
    private static func compareLayerNorm(rows: Int, columns: Int, threads: [Int]) throws {
        let seed = UInt64(rows * 10_000 + columns)
        var random = SplitMix(seed: seed)
        let x = random.normals(rows * columns, deviation: 2), halves = nearestBF16(random.normals(rows * columns))
        let gain = random.normals(columns), bias = random.normals(columns), around = random.normals(rows * columns)
        let before = random.normals(columns), beforeToo = random.normals(columns)
        try onEveryContext(Kernels.norm, "\(rows) x \(columns), seed \(seed)", threads: threads) { context, label in
            let xs = Guarded(x), gains = Guarded(gain), biases = Guarded(bias), dys = Guarded(halves.map(float))
            let y = Guarded(count: x.count), mean = Guarded(count: rows), inverse = Guarded(count: rows)
            let meanToo = Guarded(count: rows), inverseToo = Guarded(count: rows), dx = Guarded(count: x.count)
            let narrow = GuardedHalves(count: x.count), bare = GuardedHalves(count: x.count)
            let dGain = Guarded(before), dBias = Guarded(beforeToo)
            try layerNorm(
                xs.span, gain: gains.span, bias: biases.span, epsilon: 1e-5, rows: rows, columns: columns,
                into: y.mutableSpan, mean: mean.mutableSpan, inverseDeviation: inverse.mutableSpan, on: context)
            try layerNorm(
                xs.span, gain: gains.span, bias: biases.span, epsilon: 1e-5, rows: rows, columns: columns,
                into: narrow.mutableSpan, mean: meanToo.mutableSpan, inverseDeviation: inverseToo.mutableSpan,
                on: context)
            try layerNorm(
                xs.span, gain: gains.span, bias: biases.span, epsilon: 1e-5, rows: rows, columns: columns,
                into: bare.mutableSpan, on: context)
            try layerNormBackward(
                dys.span, xs.span, gain: gains.span, mean: mean.span, inverseDeviation: inverse.span, rows: rows,
                columns: columns, into: dx.mutableSpan, dGain: dGain.mutableSpan, dBias: dBias.mutableSpan, on: context)
            // dx in place of the residual, its copy in place of dy, sums that replace.
            let moved = Guarded(around), narrowDY = GuardedHalves(halves)
            let gainAlone = Guarded(count: columns), biasAlone = Guarded(count: columns)
            try layerNormBackward(
                narrowDY.span, xs.span, gain: gains.span, mean: mean.span, inverseDeviation: inverse.span,
                residual: moved.span, rows: rows, columns: columns, into: moved.mutableSpan, copy: narrowDY.mutableSpan,
                dGain: gainAlone.mutableSpan, dBias: biasAlone.mutableSpan, store: .replace, on: context)
            // dx elsewhere, dy in f32, no residual.
            let dxToo = Guarded(count: x.count), copy = GuardedHalves(count: x.count)
            try layerNormBackward(
                dys.span, xs.span, gain: gains.span, mean: mean.span, inverseDeviation: inverse.span, rows: rows,
                columns: columns, into: dxToo.mutableSpan, copy: copy.mutableSpan, dGain: gainAlone.mutableSpan,
                dBias: biasAlone.mutableSpan, store: .replace, on: context)
            return [y, mean, inverse, meanToo, inverseToo, dx, dGain, dBias, moved, gainAlone, biasAlone, dxToo].map {
                $0.values(label)
            } + [narrow, bare, narrowDY, copy].map { $0.values(label) }
        } check: { r, label in
            func same(_ a: [Float], _ b: [Float]?, _ what: String) {
                let difference = firstDifference(a, b ?? [])
                #expect(difference == nil, "\(what): \(label)")
            }
            same(r[1], r[3], "mean")
            same(r[2], r[4], "inverse")
            same(r[12], try? roundedToBF16(r[0]), "bf16 y")
            same(r[12], r[13], "without statistics")
            same(r[8], zip(r[5], around).map(+), "dx and residual")
            same(r[14], try? roundedToBF16(r[8]), "copy in place of dy")
            same(r[6], zip(before, r[9]).map(+), "dGain")
            same(r[7], zip(beforeToo, r[10]).map(+), "dBias")
            same(r[11], r[5], "dx")
            same(r[15], try? roundedToBF16(r[5]), "copy")
        }
    }

    @Test(arguments: edgeColumns) func layerNormEdges(_ columns: Int) throws {
        for rows in [1, 4, 7] { try Self.compareLayerNorm(rows: rows, columns: columns, threads: [1]) }
    }

    @Test(arguments: [(63, 300), (65, 256), (131, 768), (515, 129)])
    func layerNormChunksAndThreads(rows: Int, columns: Int) throws {
        try Self.compareLayerNorm(rows: rows, columns: columns, threads: threadCounts)
    }

    /// Without rows the sums of columns are zeros, which replace what was there.
    @Test func noRows() throws {
        let nothing = Guarded([]), halves = GuardedHalves([]), gain = Guarded([1, 2, 3])
        for store in [Store.replace, .accumulate] {
            let expected: [Float] = store == .replace ? [0, 0, 0] : [4, 5, 6]
            let a = Guarded([4, 5, 6]), b = Guarded([4, 5, 6]), c = Guarded([4, 5, 6]), d = Guarded([4, 5, 6])
            try layerNormBackward(
                halves.span, nothing.span, gain: gain.span, mean: nothing.span, inverseDeviation: nothing.span, rows: 0,
                columns: 3, into: nothing.mutableSpan, dGain: a.mutableSpan, dBias: b.mutableSpan, store: store,
                on: .default)
            try rmsNormBackward(
                halves.span, nothing.span, gain: gain.span, inverseRMS: nothing.span, rows: 0, columns: 3,
                into: nothing.mutableSpan, dGain: c.mutableSpan, store: store, on: .default)
            try columnSum(halves.span, rows: 0, columns: 3, into: d.mutableSpan, store: store, on: .default)
            for sums in [a, b, c, d] { #expect(sums.values("\(store)") == expected) }
        }
    }

    // MARK: results too large for the caches

    /// What is written around the caches, since it does not fit them, is what would have been written through them: a result
    /// that is not aligned to a vector takes that way.
    @Test func largeResults() throws {
        let rows = 16_384, columns = 768, count = rows * columns
        var random = SplitMix(seed: 31)
        let some = random.normals(4099)
        let x = try Memory<Float>(count: count), dy = try Memory<Float>(count: count)
        var xs = x.mutableSpan, dys = dy.mutableSpan
        for i in 0..<count {
            xs[i] = some[i % 4099]
            dys[i] = some[i % 4093]
        }
        let gain = random.normals(columns), context = try Context(threads: 2)
        var (dGain, dBias) = (gain, gain)
        var mean = [Float](repeating: 0, count: rows), inverse = mean
        let whole = try Memory<Float>(count: count + 16), halves = try Memory<UInt16>(count: count + 32)
        func outputs(_ offset: Int) throws -> [[Float]] {
            let (range, half) = (offset..<offset + count, 2 * offset..<2 * offset + count)
            try layerNorm(
                x.span, gain: gain.span, bias: gain.span, epsilon: 1e-5, rows: rows, columns: columns,
                into: whole.mutableSpan(range), mean: mean.mutableSpan, inverseDeviation: inverse.mutableSpan,
                on: context)
            try layerNorm(
                x.span, gain: gain.span, bias: gain.span, epsilon: 1e-5, rows: rows, columns: columns,
                into: halves.mutableSpan(half), on: context)
            var results = [Self.digest(whole.span(range)), Self.digest(halves.span(half))]
            try layerNormBackward(
                dy.span, x.span, gain: gain.span, mean: mean.span, inverseDeviation: inverse.span, rows: rows,
                columns: columns, into: whole.mutableSpan(range), copy: halves.mutableSpan(half),
                dGain: dGain.mutableSpan, dBias: dBias.mutableSpan, store: .replace, on: context)
            results += [Self.digest(whole.span(range)), Self.digest(halves.span(half)), dGain, dBias]
            try rmsNorm(
                x.span, gain: gain.span, epsilon: 1e-5, rows: rows, columns: columns, into: whole.mutableSpan(range),
                inverseRMS: inverse.mutableSpan, on: context)
            results.append(Self.digest(whole.span(range)))
            try softmax(x.span, rows: rows, columns: columns, into: whole.mutableSpan(range), on: context)
            results.append(Self.digest(whole.span(range)))
            try softmaxBackward(
                dy.span, x.span, rows: rows, columns: columns, into: whole.mutableSpan(range), on: context)
            results.append(Self.digest(whole.span(range)))
            return results
        }
        let around = try outputs(0), through = try outputs(1)
        for (i, (a, b)) in zip(around, through).enumerated() {
            #expect(firstDifference(a, b) == nil, "result \(i)")
        }
    }

    /// Four thousand numbers that change when an element does.
    private static func digest(_ x: Span<Float>) -> [Float] {
        var words = [UInt32](repeating: 0, count: 4096)
        for i in 0..<x.count { words[i % 4096] = (words[i % 4096] &* 31 &+ x[i].bitPattern) & 0x3fff_ffff }
        return words.map { Float(bitPattern: $0) }
    }

    private static func digest(_ x: Span<UInt16>) -> [Float] {
        var words = [UInt32](repeating: 0, count: 4096)
        for i in 0..<x.count { words[i % 4096] = (words[i % 4096] &* 31 &+ UInt32(x[i])) & 0x3fff_ffff }
        return words.map { Float(bitPattern: $0) }
    }

    // MARK: column sums and cross-entropy

    @Test(arguments: edgeColumns + [3072]) func columnSums(_ columns: Int) throws {
        for rows in [0, 1, 7, 8, 9, 17, 64, 131] {
            let seed = UInt64(rows * 10_000 + columns)
            var random = SplitMix(seed: seed)
            let halves = nearestBF16(random.normals(rows * columns)), before = random.normals(columns)
            let threads = rows > 64 ? threadCounts : [1]
            try onEveryContext(Kernels.columnSum, "\(rows) x \(columns), seed \(seed)", threads: threads) {
                context, label in
                let wide = Guarded(halves.map(float)), narrow = GuardedHalves(halves)
                let a = Guarded(before), b = Guarded(before), c = Guarded(count: columns)
                try columnSum(wide.span, rows: rows, columns: columns, into: a.mutableSpan, on: context)
                try columnSum(narrow.span, rows: rows, columns: columns, into: b.mutableSpan, on: context)
                try columnSum(
                    narrow.span, rows: rows, columns: columns, into: c.mutableSpan, store: .replace, on: context)
                return [a, b, c].map { $0.values(label) }
            } check: { results, label in
                #expect(firstDifference(results[0], results[1]) == nil, "\(label)")
                #expect(firstDifference(results[1], zip(before, results[2]).map(+)) == nil, "replaced: \(label)")
            }
        }
    }

    @Test(arguments: CrossEntropyTests.vocabularies + [50_257]) func crossEntropies(vocabulary: Int) throws {
        let rows = vocabulary > 1000 ? 7 : 13, scale: Float = 1 / 16, seed = UInt64(vocabulary)
        let halves = nearestBF16(CrossEntropyTests.logits(rows, vocabulary, seed: seed))
        let targets = CrossEntropyTests.targets(rows, vocabulary, seed: seed)
        let expected = (0..<rows).map { i in
            CrossEntropyOracle.plain(
                halves[(i * vocabulary)..<((i + 1) * vocabulary)].map { Double(float($0)) }, target: Int(targets[i]),
                scale: Double(scale))
        }
        let slopes = expected.flatMap(\.gradient), bounds = expected.flatMap(\.gradientBound)
        try onEveryContext(Kernels.crossEntropy, "vocabulary \(vocabulary), seed \(seed)") { context, label in
            let logits = GuardedHalves(halves), losses = Guarded(count: rows), alone = Guarded(count: rows)
            try crossEntropyLosses(
                logits.span, targets: targets.span, rows: rows, vocabulary: vocabulary, into: alone.mutableSpan,
                on: context)
            try crossEntropy(
                logits.mutableSpan, targets: targets.span, rows: rows, vocabulary: vocabulary, gradientScale: scale,
                losses: losses.mutableSpan, on: context)
            return [losses, alone].map { $0.values(label) } + [logits.values(label)]
        } check: { results, label in
            #expect(firstDifference(results[0], results[1]) == nil, "losses alone: \(label)")
            let l = worstExcess(results[0], expected: expected.map(\.loss)) { expected[$0].lossBound }
            // Rounded once, by at most 2^-8 of itself.
            let g = worstExcess(results[2], expected: slopes) { bounds[$0] + 0x1p-8 * (abs(slopes[$0]) + bounds[$0]) }
            #expect(l == nil && g == nil, "\(label)")
        }
    }

    /// One logit of 130 that is not a number, infinite or huge, among vectors or behind the last one.
    @Test(arguments: [50, 129]) func extraordinaryLogits(place: Int) throws {
        let broken: [Float] = [.nan, -.nan, .infinity], lost: [Float] = [-.infinity, -0x1.fp127, -0x1p16]
        let winning: [Float] = [0x1.fp127, 0x1p17, 0x1p16]
        let rows = broken + lost + winning
        var logits = [UInt16](repeating: 0, count: 130 * rows.count)
        for (i, value) in rows.enumerated() { logits[130 * i + place] = UInt16(value.bitPattern >> 16) }
        let targets = [Int32](repeating: 3, count: rows.count)
        for variant in Kernels.crossEntropy where variant.runsHere {
            var gradient = logits, losses = [Float](repeating: 0, count: rows.count)
            try crossEntropy(
                gradient.mutableSpan, targets: targets.span, rows: rows.count, vocabulary: 130, gradientScale: 1,
                losses: losses.mutableSpan, on: variant.context(threads: 1))
            for (i, value) in rows.enumerated() {
                let slope = float(gradient[130 * i + place]), label: Comment = "\(variant) \(value)"
                switch i / 3 {
                case 0: #expect(losses[i].isNaN && slope.isNaN, label)
                case 1: #expect(abs(losses[i] - 4.8598124) < 1e-6 && slope == 0, label)
                default: #expect(losses[i] == value && slope == 1, label)
                }
            }
        }
    }

    @Test(arguments: [Int32(-2), 3, .max, .min]) func refusesTargetsThatAreNoClass(bad: Int32) throws {
        let x = GuardedHalves([1, 2, 3, 4, 5, 6]), losses = Guarded([7, 7]), targets = [0, bad]
        let before = x.values("before")
        let refused = #expect(throws: KernelError.self) {
            try crossEntropy(
                x.mutableSpan, targets: targets.span, rows: 2, vocabulary: 3, gradientScale: 1,
                losses: losses.mutableSpan, on: .default)
        }
        #expect(refused?.code == .badArgument)
        #expect(x.values("after") == before && losses.values("losses") == [7, 7])
    }
}
