import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import AlambicTokenizers
import AlambicTraining
import Testing

@testable import AlambicPruning

/// What tests of pruning on plain numbers share.
enum Naive {
    /// Rows of inputs, neighbours correlated with 0.9.
    static func inputs(_ count: Int, rows: Int = 400, silent: Set<Int> = []) throws -> Tensor {
        var random = SplitMix(seed: UInt64(count))
        var values = random.normals(rows * count)
        for i in values.indices where i % count != 0 { values[i] = 0.9 * values[i - 1] + 0.44 * values[i] }
        for i in values.indices where silent.contains(i % count) { values[i] = 0 }
        return try Tensor([rows, count], values)
    }

    static func hessian(_ x: Tensor) throws -> Hessian {
        let hessian = try Hessian(inputs: x.columns)
        try hessian.add(x, on: .default)
        return hessian
    }

    static func weight(_ outputs: Int, _ inputs: Int) throws -> Tensor {
        var random = SplitMix(seed: UInt64(outputs * 1000 + inputs))
        return try Tensor([outputs, inputs], random.normals(outputs * inputs, deviation: 0.1))
    }

    /// Xᵀ X + λ I in double precision, λ a share of the mean diagonal.
    static func gram(_ x: Tensor, damping: Double) -> [[Double]] {
        let (n, e) = (x.columns, x.elements.map(Double.init))
        var h = [[Double]](repeating: [Double](repeating: 0, count: n), count: n)
        for r in 0..<x.rows { for i in 0..<n { for j in 0..<n { h[i][j] += e[r * n + i] * e[r * n + j] } } }
        let mean = (0..<n).reduce(0) { $0 + h[$1][$1] } / Double(n)
        for i in 0..<n { h[i][i] += damping * mean }
        return h
    }

    /// Gauss and Jordan with pivots.
    static func inverse(_ matrix: [[Double]]) -> [[Double]] {
        let n = matrix.count
        var a = matrix
        var b = (0..<n).map { i in (0..<n).map { $0 == i ? 1.0 : 0 } }
        for c in 0..<n {
            let pivot = (c..<n).max { abs(a[$0][c]) < abs(a[$1][c]) } ?? c
            a.swapAt(c, pivot)
            b.swapAt(c, pivot)
            let d = a[c][c]
            for j in 0..<n { (a[c][j], b[c][j]) = (a[c][j] / d, b[c][j] / d) }
            for r in 0..<n where r != c {
                let f = a[r][c]
                for j in 0..<n { (a[r][j], b[r][j]) = (a[r][j] - f * a[c][j], b[r][j] - f * b[c][j]) }
            }
        }
        return b
    }

    /// ||(W - V) Xᵀ||² over all rows.
    static func error(_ w: Tensor, _ v: Tensor, _ x: Tensor) -> Double {
        let d = zip(w.elements, v.elements).map { Double($0) - Double($1) }
        let (n, e) = (x.columns, x.elements)
        var total = 0.0
        for r in 0..<x.rows {
            for o in 0..<w.rows {
                var s = 0.0
                for k in 0..<n { s += d[o * n + k] * Double(e[r * n + k]) }
                total += s * s
            }
        }
        return total
    }
}

@Suite struct WandaTests {
    /// Inputs 1, 10 and 0.1 large: row by row, |w| times that.
    @Test func weighsByTheNormOfTheInput() throws {
        let x = try Tensor([2, 4], [3, 0, 0.1, 1, 4, 10, 0, 1])
        // Norms 5, 10, 0.1, √2.
        let w = try Tensor([2, 4], [1, 0.4, 9, -2, -0.1, 0.2, 30, 0.5])
        let pruned = try Wanda().prune(w, inputs: try Naive.hessian(x), to: .unstructured(0.5), on: .default).weights
        // Scores 5, 4, 0.9, 2.83; and 0.5, 2, 3, 0.71.
        #expect(pruned.elements == [1, 0.4, 0, 0, 0, 0.2, 30, 0])
        let pattern = try Wanda().prune(w, inputs: try Naive.hessian(x), to: .pattern(1, of: 2), on: .default).weights
        #expect(pattern.elements == [1, 0, 0, -2, 0, 0.2, 30, 0])
    }

    @Test(arguments: [(1, 3, 0.34), (5, 16, 0.5), (7, 33, 0.9), (3, 8, 0), (3, 8, 1)])
    func everyRowHasTheShare(rows: Int, columns: Int, share: Double) throws {
        let w = try Naive.weight(rows, columns)
        let pruned = try Wanda().prune(
            w, inputs: try Naive.hessian(try Naive.inputs(columns)), to: .unstructured(share), on: .default
        ).weights
        for row in 0..<rows {
            let zeros = pruned.rows(row..<row + 1).elements.count { $0 == 0 }
            #expect(zeros == Int((share * Double(columns)).rounded()), "\(rows) x \(columns), row \(row)")
        }
    }

    @Test func inputsThatAreNotFiniteAreNamed() throws {
        let hessian = try Naive.hessian(try Tensor([1, 2], [Float.nan, 1]))
        #expect(throws: KernelError.self) {
            try Wanda().prune(try Tensor([1, 2], [1, 2]), inputs: hessian, to: .unstructured(0.5), on: .default)
        }
    }
}

@Suite struct SparseGPTTests {
    /// The paper's section 3.2 with an inverse of its own for every column: no factor, no blocks, one row at a time.
    private static func naive(
        _ w: Tensor, _ x: Tensor, damping: Double, maskBlock: Int, share: Double
    ) -> [[Double]] {
        let (n, rows) = (w.columns, w.rows)
        let h = Naive.gram(x, damping: damping)
        let inverses = (0..<n).map { j in Naive.inverse((j..<n).map { Array(h[$0][j..<n]) }) }
        var v = (0..<rows).map { r in (0..<n).map { Double(w.elements[r * n + $0]) } }
        var before = 0
        for start in stride(from: 0, to: n, by: maskBlock) {
            let end = min(start + maskBlock, n)
            let upTo = Int((share * Double(end * rows)).rounded())
            var places: [(Double, Int, Int)] = []
            for r in 0..<rows { for j in start..<end { places.append((v[r][j] * v[r][j] / inverses[j][0][0], r, j)) } }
            places.sort { $0.0 < $1.0 }
            let going = places[..<(upTo - before)]
            before = upTo
            for j in start..<end {
                for (_, r, column) in going where column == j {
                    let e = v[r][j] / inverses[j][0][0]
                    for l in j..<n { v[r][l] -= e * inverses[j][l - j][0] }
                    v[r][j] = 0
                }
            }
        }
        return v
    }

    @Test(arguments: [(3, 8, 4), (5, 24, 24), (6, 40, 16)])
    func isThePapersAlgorithm(outputs: Int, inputs: Int, maskBlock: Int) throws {
        let (w, x) = (try Naive.weight(outputs, inputs), try Naive.inputs(inputs))
        let method = SparseGPT(damping: 0.01, maskBlock: maskBlock)
        let found = try method.prune(w, inputs: try Naive.hessian(x), to: .unstructured(0.5), on: .default)
        let naive = Self.naive(w, x, damping: 0.01, maskBlock: maskBlock, share: 0.5)
        let scale = Double(w.elements.map(\.magnitude).max() ?? 1)
        for r in 0..<outputs {
            for k in 0..<inputs {
                let (a, b) = (Double(found.weights.elements[r * inputs + k]), naive[r][k])
                #expect((a == 0) == (b == 0) && abs(a - b) < 1e-4 * scale, "\(r), \(k): \(a) for \(b)")
            }
        }
        #expect(found.damping == 0.01)
    }

    /// The optimal brain surgeon by brute force: with one weight to remove, the first, it is the least squares fit of the others.
    @Test func survivorsAreTheLeastSquaresFit() throws {
        let (w, x) = (try Tensor([1, 4], [0.01, 1, -2, 0.5]), try Naive.inputs(4))
        let found = try SparseGPT(damping: 1e-9).prune(
            w, inputs: try Naive.hessian(x), to: .unstructured(0.25), on: .default
        ).weights.elements
        #expect(found[0] == 0 && !found[1...].contains(0))
        // minimise ||x·w - x[1...]·v||²: normal equations.
        let h = Naive.gram(x, damping: 0)
        let inverse = Naive.inverse((1..<4).map { Array(h[$0][1..<4]) })
        let right = (1..<4).map { i in (0..<4).reduce(0.0) { $0 + h[i][$1] * Double(w.elements[$1]) } }
        for i in 0..<3 {
            let expected = (0..<3).reduce(0.0) { $0 + inverse[i][$1] * right[$1] }
            #expect(abs(Double(found[i + 1]) - expected) < 1e-5, "\(found) \(i): \(expected)")
        }
    }

    @Test(arguments: [Sparsity.unstructured(0.6), .pattern(2, of: 4)])
    func isCloserThanWandaAndMagnitude(sparsity: Sparsity) throws {
        let (w, x) = (try Naive.weight(32, 160), try Naive.inputs(160))
        let h = try Naive.hessian(x)
        let solved = try SparseGPT().prune(w, inputs: h, to: sparsity, on: .default).weights
        let weighed = try Wanda().prune(w, inputs: h, to: sparsity, on: .default).weights
        let cut = try w.copied()
        try Magnitude().mask(of: w, to: sparsity, after: nil).apply(to: cut, on: .default)
        let errors = [solved, weighed, cut].map { Naive.error(w, $0, x) }
        #expect(errors[0] < 0.7 * errors[1] && errors[0] < 0.7 * errors[2], "\(errors)")
        let zeros = solved.elements.count { $0 == 0 }
        #expect(zeros == Int((sparsity.fraction * 5120).rounded()))
        if case .pattern = sparsity {
            for i in stride(from: 0, to: 5120, by: 4) { #expect(solved.elements[i..<i + 4].count { $0 == 0 } == 2) }
        }
    }

    @Test func theBitsDoNotDependOnThreads() throws {
        let (w, x) = (try Naive.weight(300, 144), try Naive.inputs(144))
        let h = try Naive.hessian(x)
        let one = try SparseGPT().prune(w, inputs: h, to: .unstructured(0.5), on: try Context(threads: 1)).weights
        let two = try SparseGPT().prune(w, inputs: h, to: .unstructured(0.5), on: try Context(threads: 2)).weights
        #expect(one.elements == two.elements)
    }

    @Test func aSingularHessianIsDamped() throws {
        // Fewer rows than inputs, and an input that is always zero.
        let x = try Naive.inputs(16, rows: 6, silent: [3])
        let hessian = try Naive.hessian(x)
        #expect(hessian.isSingular)
        #expect(!(try Naive.hessian(try Naive.inputs(16))).isSingular)
        let found = try SparseGPT().prune(
            try Naive.weight(4, 16), inputs: hessian, to: .unstructured(0.5), on: .default)
        #expect(found.damping >= 0.01 && found.weights.elements.allSatisfy(\.isFinite))
        // All inputs zero: nothing to divide by.
        let none = try Naive.hessian(try Tensor([8, 16]))
        let zeroed = try SparseGPT().prune(try Naive.weight(4, 16), inputs: none, to: .unstructured(0.5), on: .default)
        #expect(zeroed.weights.elements.count { $0 == 0 } == 32)
    }
}

/// Whole models.
@Suite struct CalibratedModelTests {
    private static func corpus() throws -> Corpus {
        let line = Array("peter piper picked a peck of pickled peppers; ".utf8)
        return try Corpus(text: (0..<3000).map { line[($0 * ($0 / 83 + 1)) % line.count] }, tokenizer: .bytes)
    }

    private static func trained() throws -> Model {
        let trainer = try Trainer(
            try Model(.gpt(layers: 2, width: 32, heads: 2, context: 16), seed: 1), optimizer: .adamW(rate: 3e-3),
            on: try Context(threads: 2))
        try trainer.run(try corpus().batches(of: 8, context: 16, seed: 1), until: 300)
        return try trainer.snapshot()
    }

    @Test func sparseGPTKeepsMoreOfAModelThanMagnitude() throws {
        let (model, context, text) = (try Self.trained(), try Context(threads: 2), try Self.corpus())
        let calibration = try Calibration(text, context: 16, tokens: 2048)
        let wanted = Dictionary(uniqueKeysWithValues: model.prunablePaths().map { ($0, Sparsity.unstructured(0.6)) })
        func loss(_ model: Model) throws -> Double { try model.evaluate(on: text, on: context).loss }
        var notices: [String] = []
        let solved = try model.pruned(
            .sparseGPT, to: wanted, readingOn: calibration, on: context, notice: { notices.append($0) })
        let weighed = try model.pruned(.wanda, to: wanted, readingOn: calibration, on: context)
        let losses = try [
            loss(model), loss(solved), loss(weighed), loss(try model.pruned(.magnitude, to: wanted, on: context)),
        ]
        #expect(losses[1] < losses[2] && losses[1] < losses[3], "dense, sparsegpt, wanda, magnitude: \(losses)")
        for (weight, description) in zip(solved.weights, model.architecture.parameters)
        where description.kind == .matrix {
            let zeros = 1 - Double(weight.nonzeroCount) / Double(weight.count)
            #expect(abs(zeros - 0.6) < 1e-3, "\(description.path): \(zeros)")
        }
        #expect(notices.isEmpty, "\(notices)")
    }

    @Test func singularHessiansAreSaid() throws {
        let model = try Model(.gpt(layers: 1, width: 32, heads: 2, context: 16), seed: 1)
        let calibration = try Calibration(try Self.corpus(), context: 16, tokens: 16)
        var notices: [String] = []
        _ = try model.pruned(
            .sparseGPT, to: ["h.0.mlp.c_fc.weight": .unstructured(0.5)], readingOn: calibration,
            notice: { notices.append($0) })
        #expect(
            notices == [
                "1 of 1 Hessians are singular (fewer tokens than inputs, or inputs that were always 0): damped by 1.0 % of the "
                    + "mean of their diagonal"
            ])
    }

    @Test func badInputIsNamed() throws {
        let model = try Model(.gpt(layers: 1, width: 32, heads: 2, context: 16, vocabulary: 64), seed: 1)
        let text = try Corpus(text: Array(repeating: 7, count: 64), tokenizer: .bytes)
        let calibration = try Calibration(text, context: 16)
        func message(_ sparsity: Sparsity, _ calibration: Calibration) -> String {
            let error = #expect(throws: TrainingError.self) {
                try model.pruned(.wanda, to: ["h.0.mlp.c_fc.weight": sparsity], readingOn: calibration)
            }
            return error?.description ?? ""
        }
        #expect(
            message(.pattern(2, of: 5), calibration)
                == "h.0.mlp.c_fc.weight is [128, 32]: the pattern 2:5 needs inputs that are a multiple of 5")
        #expect(message(.blocks(0.5), calibration).contains("no blocks: use magnitude"))
        #expect(
            message(.unstructured(0.5), try Calibration(try Self.corpus(), context: 16)).contains("vocabulary of 64"))
        let empty = #expect(throws: TrainingError.self) {
            try Calibration(try Corpus(text: Array("short".utf8), tokenizer: .bytes), context: 16)
        }
        #expect(empty?.description.contains("5 tokens") == true)
        var method = SparseGPT()
        method.damping = 0
        #expect(throws: TrainingError.self) { try method.check(.unstructured(0.5)) }
    }

    @Test func itStopsWhenAsked() throws {
        let model = try Model(.gpt(layers: 2, width: 16, heads: 2, context: 16), seed: 1)
        let cancellation = Cancellation()
        cancellation.cancel()
        let error = #expect(throws: TrainingError.self) {
            try model.pruned(
                .wanda, to: ["h.0.mlp.c_fc.weight": .unstructured(0.5)],
                readingOn: try Calibration(try Self.corpus(), context: 16, tokens: 64), cancellation: cancellation)
        }
        #expect(error?.description == "pruning interrupted after 1 of 2 blocks")
    }
}
