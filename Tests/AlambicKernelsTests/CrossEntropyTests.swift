import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct CrossEntropyTests {
    static let vocabularies = [1, 2, 3, 15, 16, 17, 31, 63, 64, 65, 255, 256, 257, 1000]

    static func logits(_ rows: Int, _ vocabulary: Int, seed: UInt64) -> [Float] {
        var numbers = SplitMix(seed: seed)
        var x = numbers.normals(rows * vocabulary, deviation: 3)
        // Row by row: as drawn, shifted far up, shifted far down, ±10000, one far ahead, all equal.
        for i in 0..<rows {
            for j in 0..<vocabulary {
                let e = i * vocabulary + j
                switch i % 6 {
                case 1: x[e] += 10_000
                case 2: x[e] -= 10_000
                case 3: x[e] = x[e] > 0 ? 10_000 : -10_000
                case 4: x[e] += j == vocabulary / 2 ? 500 : 0
                case 5: x[e] = 0.1
                default: break
                }
            }
        }
        return x
    }

    static func targets(_ rows: Int, _ vocabulary: Int, seed: UInt64) -> [Int32] {
        var numbers = SplitMix(seed: seed &+ 99)
        var targets = numbers.integers(rows, in: 0...Int32(vocabulary - 1))
        for i in stride(from: 6, to: rows, by: 7) { targets[i] = ignoredTarget }
        return targets
    }

    @Test(arguments: vocabularies)
    func matchesDoubles(vocabulary: Int) throws {
        let rows = 13, scale: Float = 1 / 16, seed = UInt64(vocabulary)
        let x = Self.logits(rows, vocabulary, seed: seed), targets = Self.targets(rows, vocabulary, seed: seed)
        let expected = (0..<rows).map { i in
            CrossEntropyOracle.plain(
                x[(i * vocabulary)..<((i + 1) * vocabulary)].map(Double.init), target: Int(targets[i]),
                scale: Double(scale))
        }
        for variant in Kernels.crossEntropy where variant.runsHere {
            var reference: (gradient: [Float], losses: [Float])?
            for threads in threadCounts {
                let context = try variant.context(threads: threads)
                var gradient = x, losses = [Float](repeating: .nan, count: rows), alone = losses
                try crossEntropy(
                    gradient.mutableSpan, targets: targets.span, rows: rows, vocabulary: vocabulary,
                    gradientScale: scale, losses: losses.mutableSpan, on: context)
                try crossEntropyLosses(
                    x.span, targets: targets.span, rows: rows, vocabulary: vocabulary, into: alone.mutableSpan,
                    on: context)
                #expect(firstDifference(losses, alone) == nil, "\(variant) vocabulary \(vocabulary) seed \(seed)")
                guard let reference else {
                    reference = (gradient, losses)
                    let l = worstExcess(losses, expected: expected.map(\.loss)) { expected[$0].lossBound }
                    let g = worstExcess(gradient, expected: expected.flatMap(\.gradient)) {
                        expected[$0 / vocabulary].gradientBound[$0 % vocabulary]
                    }
                    #expect(l == nil && g == nil, "\(variant) vocabulary \(vocabulary) seed \(seed)")
                    continue
                }
                #expect(firstDifference(gradient, reference.gradient) == nil, "\(variant) \(threads) \(vocabulary)")
                #expect(firstDifference(losses, reference.losses) == nil, "\(variant) \(threads) \(vocabulary)")
            }
        }
    }

    struct Recipe: Sendable { var temperature, mixing: Float, labelled: Bool }

    @Test(arguments: [
        Recipe(temperature: 1, mixing: 0.5, labelled: true), Recipe(temperature: 2, mixing: 0.7, labelled: true),
        Recipe(temperature: 20, mixing: 1, labelled: false), Recipe(temperature: 0.5, mixing: 0, labelled: true),
        Recipe(temperature: 3, mixing: 1, labelled: true),
    ])
    func distillationMatchesDoubles(recipe: Recipe) throws {
        let rows = 13, scale: Float = 0.125
        for vocabulary in Self.vocabularies {
            let seed = UInt64(vocabulary)
            let x = Self.logits(rows, vocabulary, seed: seed), targets = Self.targets(rows, vocabulary, seed: seed)
            let teacher = Self.logits(rows, vocabulary, seed: seed + 5)
            let expected = (0..<rows).map { i in
                let row = (i * vocabulary)..<((i + 1) * vocabulary)
                return CrossEntropyOracle.distillation(
                    student: x[row].map(Double.init), teacher: teacher[row].map(Double.init),
                    target: recipe.labelled ? Int(targets[i]) : nil, temperature: Double(recipe.temperature),
                    mixing: Double(recipe.mixing), scale: Double(scale))
            }
            for variant in Kernels.crossEntropy where variant.runsHere {
                let context = try variant.context(threads: 2)
                var gradient = x, soft = [Float](repeating: .nan, count: rows), hard = soft
                var softAlone = soft, hardAlone = soft
                try distillationCrossEntropy(
                    gradient.mutableSpan, teacher: teacher.span, targets: recipe.labelled ? targets.span : nil,
                    rows: rows, vocabulary: vocabulary, temperature: recipe.temperature, mixing: recipe.mixing,
                    gradientScale: scale, soft: soft.mutableSpan, hard: hard.mutableSpan, on: context)
                try distillationLosses(
                    student: x.span, teacher: teacher.span, targets: recipe.labelled ? targets.span : nil, rows: rows,
                    vocabulary: vocabulary, temperature: recipe.temperature, soft: softAlone.mutableSpan,
                    hard: hardAlone.mutableSpan, on: context)
                let s = worstExcess(soft, expected: expected.map(\.soft)) { expected[$0].softBound }
                let h = worstExcess(hard, expected: expected.map(\.hard)) { expected[$0].hardBound }
                let g = worstExcess(gradient, expected: expected.flatMap(\.gradient)) {
                    expected[$0 / vocabulary].bound[$0 % vocabulary]
                }
                #expect(s == nil && h == nil && g == nil, "\(variant) \(recipe) vocabulary \(vocabulary) seed \(seed)")
                #expect(firstDifference(soft, softAlone) == nil && firstDifference(hard, hardAlone) == nil)
            }
        }
    }

    /// The oracle's gradients are the slopes of its losses.
    @Test func oracleGradientsMatchFiniteDifferences() {
        var numbers = SplitMix(seed: 3)
        let x = numbers.normals(9, deviation: 2).map(Double.init), t = numbers.normals(9, deviation: 2).map(Double.init)
        func value(_ x: [Double]) -> Double {
            let d = CrossEntropyOracle.distillation(
                student: x, teacher: t, target: 4, temperature: 2.5, mixing: 0.6, scale: 1)
            return 0.6 * d.soft + 0.4 * d.hard
        }
        let gradient = CrossEntropyOracle.distillation(
            student: x, teacher: t, target: 4, temperature: 2.5, mixing: 0.6, scale: 1
        ).gradient
        for j in x.indices {
            var up = x, down = x
            up[j] += 0x1p-17
            down[j] -= 0x1p-17
            #expect(abs((value(up) - value(down)) / 0x1p-16 - gradient[j]) < 1e-8, "element \(j)")
        }
    }

    @Test func masksAndBrokenRows() throws {
        let x: [Float] = [0, -.infinity, 0, 1, .nan, 2, 1, .infinity, 3]
        let targets: [Int32] = [0, 0, 2]
        for variant in Kernels.crossEntropy where variant.runsHere {
            var gradient = x, losses: [Float] = [0, 0, 0]
            try crossEntropy(
                gradient.mutableSpan, targets: targets.span, rows: 3, vocabulary: 3, gradientScale: 1,
                losses: losses.mutableSpan, on: variant.context(threads: 1))
            #expect(abs(losses[0] - 0.6931472) < 1e-6 && gradient[1] == 0)
            #expect(losses[1].isNaN && losses[2].isNaN)
        }
    }

    @Test(arguments: [Int32(-2), 3, .max, .min])
    func refusesTargetsThatAreNoClass(bad: Int32) {
        var x: [Float] = [1, 2, 3, 4, 5, 6], losses: [Float] = [7, 7], other: [Float] = [7, 7]
        let before = x, targets = [0, bad]
        let plain = #expect(throws: KernelError.self) {
            try crossEntropy(
                x.mutableSpan, targets: targets.span, rows: 2, vocabulary: 3, gradientScale: 1,
                losses: losses.mutableSpan, on: .default)
        }
        let distilled = #expect(throws: KernelError.self) {
            try distillationCrossEntropy(
                x.mutableSpan, teacher: before.span, targets: targets.span, rows: 2, vocabulary: 3, temperature: 1,
                mixing: 0.5, gradientScale: 1, soft: losses.mutableSpan, hard: other.mutableSpan, on: .default)
        }
        #expect(plain?.code == .badArgument && distilled?.code == .badArgument)
        #expect(x == before && losses == [7, 7] && other == [7, 7])
    }

    @Test(arguments: [
        (Float(0), Float(0.5)), (-1, 0.5), (.infinity, 0.5), (.nan, 0.5), (0x1p-128, 0.5), (1, -0.1), (1, 1.1),
        (1, .nan),
    ])
    func refusesImpossibleRecipes(temperature: Float, mixing: Float) {
        var x: [Float] = [1, 2, 3], soft: [Float] = [7], hard: [Float] = [7]
        let teacher = x, targets: [Int32] = [1]
        #expect(throws: KernelError.self) {
            try distillationCrossEntropy(
                x.mutableSpan, teacher: teacher.span, targets: targets.span, rows: 1, vocabulary: 3,
                temperature: temperature, mixing: mixing, gradientScale: 1, soft: soft.mutableSpan,
                hard: hard.mutableSpan, on: .default)
        }
        #expect(x == teacher && soft == [7] && hard == [7])
    }
}
