import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct VocabularyCrossEntropyTests {
    struct Case: CustomStringConvertible {
        var rows, vocabulary, columns, teacherColumns: Int
        var seed: UInt64
        var description: String { "rows \(rows) vocabulary \(vocabulary) columns \(columns) seed \(seed)" }
    }
    struct Inputs {
        var hidden, weights, teacherHidden, teacherWeights, dWeights: [Float]
        var targets: [Int32]
    }
    struct Gradients {
        var soft, hard, dHidden, dWeights: [Float]
    }

    static let cases = [
        Case(rows: 1, vocabulary: 1, columns: 1, teacherColumns: 2, seed: 1),
        Case(rows: 17, vocabulary: 33, columns: 15, teacherColumns: 16, seed: 2),
        Case(rows: 65, vocabulary: 256, columns: 32, teacherColumns: 8, seed: 3),
        Case(rows: 600, vocabulary: 5000, columns: 7, teacherColumns: 3, seed: 4),  // three chunks of 256 rows
    ]

    static func inputs(_ example: Case) -> Inputs {
        var numbers = SplitMix(seed: example.seed)
        return Inputs(
            hidden: numbers.normals(example.rows * example.columns),
            weights: numbers.normals(example.vocabulary * example.columns),
            teacherHidden: numbers.normals(example.rows * example.teacherColumns),
            teacherWeights: numbers.normals(example.vocabulary * example.teacherColumns),
            dWeights: numbers.normals(example.vocabulary * example.columns),
            targets: CrossEntropyTests.targets(example.rows, example.vocabulary, seed: example.seed))
    }

    static func fused(_ example: Case, _ inputs: Inputs, distilling: Bool, on context: Context) throws -> Gradients {
        var soft = [Float](repeating: .nan, count: example.rows), hard = soft
        var dHidden = [Float](repeating: .nan, count: inputs.hidden.count), dWeights = inputs.dWeights
        var softAlone = soft, hardAlone = soft
        let count = vocabularyWorkspaceCount(
            rows: example.rows, vocabulary: example.vocabulary, teacher: distilling)
        var workspace = [Float](repeating: .nan, count: count)
        if distilling {
            try vocabularyDistillation(
                hidden: inputs.hidden.span, weights: inputs.weights.span, teacherHidden: inputs.teacherHidden.span,
                teacherWeights: inputs.teacherWeights.span, targets: inputs.targets.span, rows: example.rows,
                vocabulary: example.vocabulary, columns: example.columns, teacherColumns: example.teacherColumns,
                temperature: 2, mixing: 0.7, gradientScale: 0.25, soft: soft.mutableSpan,
                hard: hard.mutableSpan, dHidden: dHidden.mutableSpan, dWeights: dWeights.mutableSpan,
                workspace: workspace.mutableSpan, on: context)
            try vocabularyDistillationLosses(
                hidden: inputs.hidden.span, weights: inputs.weights.span, teacherHidden: inputs.teacherHidden.span,
                teacherWeights: inputs.teacherWeights.span, targets: inputs.targets.span, rows: example.rows,
                vocabulary: example.vocabulary, columns: example.columns, teacherColumns: example.teacherColumns,
                temperature: 2, soft: softAlone.mutableSpan, hard: hardAlone.mutableSpan,
                workspace: workspace.mutableSpan,
                on: context)
            #expect(firstDifference(soft, softAlone) == nil, "\(example)")
        } else {
            try vocabularyCrossEntropy(
                hidden: inputs.hidden.span, weights: inputs.weights.span, targets: inputs.targets.span,
                rows: example.rows, vocabulary: example.vocabulary, columns: example.columns, gradientScale: 0.25,
                losses: hard.mutableSpan, dHidden: dHidden.mutableSpan, dWeights: dWeights.mutableSpan,
                workspace: workspace.mutableSpan, on: context)
            try vocabularyLosses(
                hidden: inputs.hidden.span, weights: inputs.weights.span, targets: inputs.targets.span,
                rows: example.rows, vocabulary: example.vocabulary, columns: example.columns,
                into: hardAlone.mutableSpan,
                workspace: workspace.mutableSpan, on: context)
        }
        #expect(firstDifference(hard, hardAlone) == nil, "\(example)")
        return Gradients(soft: soft, hard: hard, dHidden: dHidden, dWeights: dWeights)
    }

    /// The same steps with all the logits in memory and no chunks: the bits must agree, which is more than any tolerance.
    static func unfused(_ example: Case, _ inputs: Inputs, distilling: Bool, on context: Context) throws -> Gradients {
        var soft = [Float](repeating: .nan, count: example.rows), hard = soft
        var dHidden = [Float](repeating: .nan, count: inputs.hidden.count), dWeights = inputs.dWeights
        let (M, N, K) = (example.rows, example.vocabulary, example.columns)
        var x = [Float](repeating: .nan, count: M * N), teacher = x
        try matmul(
            M: M, N: N, K: K, inputs.hidden.span, .asIs, inputs.weights.span, .transposed, into: x.mutableSpan,
            on: context)
        if distilling {
            try matmul(
                M: M, N: N, K: example.teacherColumns, inputs.teacherHidden.span, .asIs, inputs.teacherWeights.span,
                .transposed, into: teacher.mutableSpan, on: context)
            try distillationCrossEntropy(
                x.mutableSpan, teacher: teacher.span, targets: inputs.targets.span, rows: M, vocabulary: N,
                temperature: 2, mixing: 0.7, gradientScale: 0.25, soft: soft.mutableSpan,
                hard: hard.mutableSpan, on: context)
        } else {
            try crossEntropy(
                x.mutableSpan, targets: inputs.targets.span, rows: M, vocabulary: N, gradientScale: 0.25,
                losses: hard.mutableSpan, on: context)
        }
        try matmul(
            M: N, N: K, K: M, x.span, .transposed, inputs.hidden.span, .asIs, into: dWeights.mutableSpan,
            store: .accumulate, on: context)
        try matmul(
            M: M, N: K, K: N, x.span, .asIs, inputs.weights.span, .asIs, into: dHidden.mutableSpan, on: context)
        return Gradients(soft: soft, hard: hard, dHidden: dHidden, dWeights: dWeights)
    }

    @Test(arguments: [false, true])
    func hasTheBitsOfItsStepsForAnyNumberOfThreads(distilling: Bool) throws {
        for variant in Kernels.crossEntropy where variant.runsHere {
            let contexts = try threadCounts.map { try variant.context(threads: $0) }
            for example in Self.cases {
                let inputs = Self.inputs(example)
                let expected = try Self.unfused(example, inputs, distilling: distilling, on: contexts[0])
                for context in contexts {
                    let found = try Self.fused(example, inputs, distilling: distilling, on: context)
                    let differences = [
                        distilling ? firstDifference(found.soft, expected.soft) : nil,
                        firstDifference(found.hard, expected.hard),
                        firstDifference(found.dHidden, expected.dHidden),
                        firstDifference(found.dWeights, expected.dWeights),
                    ]
                    #expect(differences == [nil, nil, nil, nil], "\(variant) \(context.threads) \(example)")
                }
            }
        }
    }

    /// Against doubles that share no step with it. The bound of a product of K terms is K u times the sum of their sizes;
    /// logits that are off by e put a probability off by a factor 1 ± 2 e.
    @Test func matchesDoubles() throws {
        for example in Self.cases.prefix(3) {
            let inputs = Self.inputs(example), unit = 0x1p-24
            let (hidden, weights) = (inputs.hidden.map(Double.init), inputs.weights.map(Double.init))
            var losses: [Double] = [], lossBound: [Double] = []
            var dHidden = [Double](repeating: 0, count: hidden.count), hiddenBound = dHidden
            var dWeights = inputs.dWeights.map(Double.init)
            var weightBound = dWeights.map { abs($0) * Double(example.rows + 1) * unit + 1e-30 }
            for i in 0..<example.rows {
                var x: [Double] = [], e = 0.0
                for j in 0..<example.vocabulary {
                    var sum = 0.0, size = 0.0
                    for c in 0..<example.columns {
                        let product = hidden[i * example.columns + c] * weights[j * example.columns + c]
                        sum += product
                        size += abs(product)
                    }
                    x.append(sum)
                    e = max(e, Double(example.columns) * unit * size)
                }
                let row = CrossEntropyOracle.plain(x, target: Int(inputs.targets[i]), scale: 0.25)
                losses.append(row.loss)
                lossBound.append(row.lossBound + 2 * e)
                for j in 0..<example.vocabulary {
                    // d gradient = scale p (1 - p) times twice the error of a logit at most, and p (1 - p) <= 1/4.
                    let g = row.gradient[j], bound = row.gradientBound[j] + 2 * e * 0.25 * 0.25
                    for c in 0..<example.columns {
                        let (h, w) = (i * example.columns + c, j * example.columns + c)
                        dHidden[h] += g * weights[w]
                        hiddenBound[h] += (bound + Double(example.vocabulary) * unit * abs(g)) * abs(weights[w]) + 1e-30
                        dWeights[w] += g * hidden[h]
                        weightBound[w] += (bound + Double(example.rows + 1) * unit * abs(g)) * abs(hidden[h])
                    }
                }
            }
            for variant in Kernels.crossEntropy where variant.runsHere {
                let found = try Self.fused(example, inputs, distilling: false, on: variant.context(threads: 1))
                let l = worstExcess(found.hard, expected: losses) { lossBound[$0] }
                let h = worstExcess(found.dHidden, expected: dHidden) { hiddenBound[$0] }
                let w = worstExcess(found.dWeights, expected: dWeights) { weightBound[$0] }
                #expect(l == nil && h == nil && w == nil, "\(variant) \(example)")
            }
        }
    }

    /// Noted in a list and run twice, as training does: gradients accumulate, the rest is replaced.
    @Test func canBeNotedInAList() throws {
        let example = Self.cases[2], inputs = Self.inputs(example)
        let expected = try Self.fused(example, inputs, distilling: false, on: Context(threads: 2))
        let list = try OperationList(on: Context(threads: 2))
        let hidden = try Memory<Float>(count: inputs.hidden.count), dHidden = try Memory<Float>(count: hidden.count)
        let weights = try Memory<Float>(count: inputs.weights.count), dWeights = try Memory<Float>(count: weights.count)
        let targets = try Memory<Int32>(count: example.rows), losses = try Memory<Float>(count: example.rows)
        let workspace = try Memory<Float>(
            count: vocabularyWorkspaceCount(rows: example.rows, vocabulary: example.vocabulary))
        var h = hidden.mutableSpan, w = weights.mutableSpan, t = targets.mutableSpan, d = dWeights.mutableSpan
        for i in inputs.hidden.indices { h[i] = inputs.hidden[i] }
        for i in inputs.weights.indices { w[i] = inputs.weights[i] }
        for i in inputs.targets.indices { t[i] = inputs.targets[i] }
        try vocabularyCrossEntropy(
            hidden: hidden.span, weights: weights.span, targets: targets.span, rows: example.rows,
            vocabulary: example.vocabulary, columns: example.columns, gradientScale: 0.25, losses: losses.mutableSpan,
            dHidden: dHidden.mutableSpan, dWeights: dWeights.mutableSpan, workspace: workspace.mutableSpan,
            on: list.context)
        #expect(list.count == 4)
        for _ in 0..<2 {
            for i in inputs.dWeights.indices { d[i] = inputs.dWeights[i] }
            try list.run()
            let found = dHidden.span, same = dWeights.span
            #expect(firstDifference(found.indices.map { found[$0] }, expected.dHidden) == nil)
            #expect(firstDifference(same.indices.map { same[$0] }, expected.dWeights) == nil)
        }
    }
    /// Refused before any of its steps has run, or is noted.
    @Test(arguments: [(Float(0), Float(0.5), true), (0x1p-128, 0.5, true), (1, 1.5, true), (1, 0.5, false)])
    func refusesImpossibleRecipes(temperature: Float, mixing: Float, labelled: Bool) throws {
        let one: [Float] = [1], ones: [Float] = [1, 1, 1], targets: [Int32] = [1]
        let list = try OperationList(on: .default)
        for context in [.default, list.context] {
            var soft: [Float] = [7], hard: [Float] = [7], dHidden: [Float] = [7], dWeights: [Float] = [7, 7, 7]
            var workspace = [Float](
                repeating: 7, count: vocabularyWorkspaceCount(rows: 1, vocabulary: 3, teacher: true))
            let error = #expect(throws: KernelError.self) {
                try vocabularyDistillation(
                    hidden: one.span, weights: ones.span, teacherHidden: one.span, teacherWeights: ones.span,
                    targets: labelled ? targets.span : nil, rows: 1, vocabulary: 3, columns: 1, teacherColumns: 1,
                    temperature: temperature, mixing: mixing, gradientScale: 1, soft: soft.mutableSpan,
                    hard: hard.mutableSpan, dHidden: dHidden.mutableSpan, dWeights: dWeights.mutableSpan,
                    workspace: workspace.mutableSpan, on: context)
            }
            #expect(error?.code == .badArgument)
            #expect((soft + hard + dHidden + dWeights + workspace).allSatisfy { $0 == 7 })
        }
        #expect(list.count == 0)
    }
}
