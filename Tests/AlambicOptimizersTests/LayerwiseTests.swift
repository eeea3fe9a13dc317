import AlambicKernels
import AlambicOptimizers
import AlambicTensor
import Foundation
import Testing

/// Drives one matrix through some steps with known gradients.
func runMatrix(
    _ optimizer: some Optimizer, _ shape: Shape, weights: [Float], gradients: [[Float]], kind: ParameterKind = .matrix,
    scale: Double = 1, threads: Int = 1
) throws -> (weights: [Float], state: OptimizerState) {
    let context = try Context(threads: threads)
    let parameter = Parameter(path: "w", kind: kind, value: try Tensor(shape, weights))
    let state = try OptimizerState(optimizer, for: [parameter])
    for gradient in gradients {
        let set = try GradientSet(for: [parameter])
        set.tensors[0].copy(from: try Tensor(shape, gradient))
        try state.step([parameter], gradients: set, gradientScale: scale, on: context)
    }
    return (parameter.value.elements, state)
}

private func rms(_ x: [Double]) -> Double { (x.reduce(0) { $0 + $1 * $1 } / Double(x.count)).squareRoot() }

private func expectNear(_ found: [Float], _ expected: [Double], within share: Double, _ what: String) {
    #expect(found.count == expected.count, "\(what)")
    let largest = expected.map(abs).max() ?? 0
    let worst = zip(found, expected).map { abs(Double($0) - $1) }.max() ?? 0
    #expect(worst <= share * largest, "\(what): off by \(worst) of \(largest)")
}

@Suite struct LAMBSteps {
    @Test func byHand() throws {
        // First step: m̂ = g, v̂ = g²: u = sign(g) = (1, -1), ‖u‖ = √2; ‖w‖ = 5: w -= 0.1 · 5/√2 · u
        let step = 0.1 * 5 / 2.0.squareRoot()
        let plain = try run(
            .lamb(rate: 0.1, epsilon: 0, weightDecay: 0), weights: [3, 4], gradients: [[0.5, -7]])
        expectClose(plain.weights, [3 - step, 4 + step], "trust ratio")
        // Decay is in the direction: u = (1 + 3/2, -1 + 4/2) = (2.5, 1)
        let ratio = 0.1 * 5 / 7.25.squareRoot()
        let decayed = try run(
            .lamb(rate: 0.1, epsilon: 0, weightDecay: 0.5), weights: [3, 4], gradients: [[0.5, -7]])
        expectClose(decayed.weights, [3 - ratio * 2.5, 4 - ratio], "decay")
        // A bias takes Adam's step, and so do weights of zero.
        let bias = try run(
            .lamb(rate: 0.1, epsilon: 0, weightDecay: 0.5), weights: [3, 4], gradients: [[0.5, -7]], kind: .vector)
        expectClose(bias.weights, [2.9, 4.1], "bias")
        let zeros = try run(.lamb(rate: 0.1, epsilon: 0), weights: [0, 0], gradients: [[0.5, -7]])
        expectClose(zeros.weights, [-0.1, 0.1], "zeros")
        #expect(plain.state.named.map(\.name) == ["w.exp_avg", "w.exp_avg_sq"])
    }

    /// Without an epsilon a weight that has never had a gradient has no direction.
    @Test func withoutEpsilonNothingIsDividedByNothing() throws {
        let still = try run(.lamb(rate: 0.1, epsilon: 0, weightDecay: 0), weights: [3, 4], gradients: [[0, 0]])
        #expect(still.weights == [3, 4])
        // u = (1, 0), ‖u‖ = 1, ‖w‖ = 5
        let one = try run(.lamb(rate: 0.1, epsilon: 0, weightDecay: 0), weights: [3, 4], gradients: [[0.5, 0]])
        expectClose(one.weights, [2.5, 4], "one of two")
    }

    @Test(arguments: [1, 17, 300]) func againstDoublePrecision(count: Int) throws {
        let start = AgainstDoublePrecision.values(count, seed: 5)
        let gradients = (0..<5).map { AgainstDoublePrecision.values(count, seed: UInt64(70 + $0)) }
        let (rate, beta1, beta2, epsilon, decay, scale) = (0.02, 0.9, 0.99, 1e-6, 0.1, 0.5)
        var w = start.map(Double.init)
        var m = [Double](repeating: 0, count: count)
        var v = m
        for (t, gradient) in zip(1..., gradients) {
            var u = m
            for i in 0..<count {
                let g = scale * Double(gradient[i])
                m[i] = beta1 * m[i] + (1 - beta1) * g
                v[i] = beta2 * v[i] + (1 - beta2) * g * g
                u[i] =
                    m[i] / (1 - pow(beta1, Double(t))) / ((v[i] / (1 - pow(beta2, Double(t)))).squareRoot() + epsilon)
                    + decay * w[i]
            }
            let ratio = rms(w) / rms(u)
            for i in 0..<count { w[i] -= rate * ratio * u[i] }
        }
        let result = try run(
            .lamb(rate: .constant(rate), beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay),
            weights: start, gradients: gradients, scale: scale)
        expectNear(result.weights, w, within: 5 * 20 * Double(Float.ulpOfOne), "lamb of \(count)")
    }
}

@Suite struct AdafactorSteps {
    @Test func byHand() throws {
        // g² = [[1, 4], [9, 36]] has rank one, so that the factors are exact: R = (2.5, 22.5), C = (5, 20), mean R = 12.5,
        // R C / mean R = g²: u = sign(g), whose RMS is 1: not clipped.
        let result = try runMatrix(
            .adafactor(rate: 0.1), [2, 2], weights: [1, 1, 1, 1], gradients: [[1, -2, 3, 6]])
        expectClose(result.weights, [0.9, 1.1, 0.9, 0.9], "rank one")
        let state = Dictionary(uniqueKeysWithValues: result.state.named.map { ($0.name, $0.tensor.elements) })
        #expect(state.keys.sorted() == ["w.exp_avg_sq_col", "w.exp_avg_sq_row"], "no full moment")
        expectClose(state["w.exp_avg_sq_row"] ?? [], [2.5, 22.5], "rows")
        expectClose(state["w.exp_avg_sq_col"] ?? [], [5, 20], "columns")
        // Clipped to an RMS of 1/2.
        let clipped = try runMatrix(
            .adafactor(rate: 0.1, clipping: 0.5), [2, 2], weights: [1, 1, 1, 1], gradients: [[1, -2, 3, 6]])
        expectClose(clipped.weights, [0.95, 1.05, 0.95, 0.95], "clipped")
        // A bias has a full moment: u = sign(g). Decay is beside it, for matrices alone.
        let bias = try runMatrix(
            .adafactor(rate: 0.1, weightDecay: 0.5), [3], weights: [1, 1, 2], gradients: [[5, -0.1, 1]], kind: .vector)
        expectClose(bias.weights, [0.9, 1.1, 1.9], "bias")
        #expect(bias.state.named.map(\.name) == ["w.exp_avg_sq"])
        let decayed = try runMatrix(
            .adafactor(rate: 0.1, weightDecay: 0.5), [2, 2], weights: [1, 1, 1, 1], gradients: [[1, -2, 3, 6]])
        expectClose(decayed.weights, [0.85, 1.05, 0.85, 0.85], "decayed")
    }

    @Test func relativeStepsFollowTheWeights() throws {
        // RMS(w) = 2, min(0.25, 1/√1) = 0.25: steps of 0.5. At zero the floor is 1/1000.
        let result = try runMatrix(
            .adafactorRelative(rate: 0.25), [2, 2], weights: [2, -2, 2, -2], gradients: [[1, -2, 3, 6]])
        expectClose(result.weights, [1.5, -1.5, 1.5, -2.5], "relative")
        let zeros = try runMatrix(
            .adafactorRelative(rate: 0.25), [2, 2], weights: [0, 0, 0, 0], gradients: [[1, -2, 3, 6]])
        expectClose(zeros.weights, [-0.00025, 0.00025, -0.00025, -0.00025], "floor")
        // 1/√t takes over: at t = 1 the cap of 2 is no cap.
        let first = try runMatrix(
            .adafactorRelative(rate: 2), [2, 2], weights: [2, -2, 2, -2], gradients: [[1, -2, 3, 6]])
        expectNear(first.weights, [0, 0, 0, -4], within: 1e-6, "1/√t")
    }

    /// Shapes around the kernels' blocks of rows and columns.
    @Test(arguments: [(2, 3), (7, 17), (64, 16), (65, 33), (130, 257), (300, 5)])
    func againstDoublePrecision(rows: Int, columns: Int) throws {
        let count = rows * columns
        let start = AgainstDoublePrecision.values(count, seed: 5)
        let gradients = (0..<4).map { AgainstDoublePrecision.values(count, seed: UInt64(80 + $0)) }
        let (rate, scale, epsilon, limit) = (0.02, 0.25, 1e-30, 0.9)
        var w = start.map(Double.init)
        var r = [Double](repeating: 0, count: rows)
        var c = [Double](repeating: 0, count: columns)
        for (t, gradient) in zip(1..., gradients) {
            let beta = 1 - pow(Double(t), -0.8)
            let g = gradient.map { scale * Double($0) }
            for i in 0..<rows {
                let mean = (0..<columns).reduce(0) { $0 + g[i * columns + $1] * g[i * columns + $1] } / Double(columns)
                r[i] = beta * r[i] + (1 - beta) * (mean + epsilon)
            }
            for j in 0..<columns {
                let mean = (0..<rows).reduce(0) { $0 + g[$1 * columns + j] * g[$1 * columns + j] } / Double(rows)
                c[j] = beta * c[j] + (1 - beta) * (mean + epsilon)
            }
            let mean = r.reduce(0, +) / Double(rows)
            let u = (0..<count).map { g[$0] / (r[$0 / columns] * c[$0 % columns] / mean).squareRoot() }
            let share = max(1, rms(u) / limit)
            for i in 0..<count { w[i] -= rate * u[i] / share }
        }
        for threads in [1, 3] {
            let result = try runMatrix(
                .adafactor(rate: .constant(rate), epsilon: epsilon, clipping: limit), [rows, columns], weights: start,
                gradients: gradients, scale: scale, threads: threads)
            expectNear(
                result.weights, w, within: 4 * 20 * Double(Float.ulpOfOne), "\(rows)x\(columns), \(threads) threads")
        }
    }

    @Test func remembersLess() throws {
        let parameter = Parameter(path: "w", kind: .matrix, value: try Tensor([300, 200]))
        let state = try OptimizerState(.adafactor(rate: 1), for: [parameter])
        #expect(state.named.reduce(0) { $0 + $1.tensor.count } == 500)
        #expect(state.state(ofParameter: 0).isEmpty, "nothing of it belongs to a weight")
    }

    @Test func aGradientOfZeroMovesNothing() throws {
        let result = try runMatrix(
            .adafactor(rate: 0.1), [2, 2], weights: [1, 2, 3, 4], gradients: [[0, 0, 0, 0], [0, 0, 0, 0]])
        #expect(result.weights == [1, 2, 3, 4])
    }
}

@Suite struct MuonSteps {
    /// What five steps make of a singular value: the polynomial alone.
    private static func mapped(_ singular: Double) -> Double {
        var x = singular
        for _ in 0..<5 { x = 3.4445 * x - 4.7750 * x * x * x + 2.0315 * x * x * x * x * x }
        return x
    }

    /// A matrix with one entry in each row and column has them as singular values, whatever its shape: they go through the
    /// polynomial, after division by their norm, and the zeros stay zeros.
    @Test(arguments: [(3, 3), (3, 5), (6, 3)]) func singularValuesGoThroughThePolynomial(rows: Int, columns: Int) throws
    {
        let entries = [3.0, -1, 0.5]
        var g = [Float](repeating: 0, count: rows * columns)
        let places = [(0, 2), (1, 0), (2, 1)]
        for (entry, (i, j)) in zip(entries, places) { g[i * columns + j] = Float(entry) }
        let norm = entries.reduce(0) { $0 + $1 * $1 }.squareRoot()
        var expected = [Double](repeating: 0, count: rows * columns)
        let tallness = max(1, Double(rows) / Double(columns)).squareRoot()
        for (entry, (i, j)) in zip(entries, places) {
            expected[i * columns + j] = -0.1 * tallness * Self.mapped(entry / norm)
            #expect(abs(abs(expected[i * columns + j]) / 0.1 / tallness - 0.95) < 0.3, "near one")
        }
        let result = try runMatrix(
            .muon(rate: 0.1), [rows, columns], weights: [Float](repeating: 0, count: rows * columns), gradients: [g])
        expectNear(result.weights, expected, within: 1e-5, "\(rows)x\(columns)")
    }

    /// Two steps against the iteration in double precision, with plain loops.
    @Test(arguments: [(5, 5), (4, 19), (33, 8), (40, 40)]) func againstDoublePrecision(rows: Int, columns: Int) throws {
        let count = rows * columns
        let start = AgainstDoublePrecision.values(count, seed: 9)
        let gradients = [
            AgainstDoublePrecision.values(count, seed: 91), AgainstDoublePrecision.values(count, seed: 92),
        ]
        let (rate, decay, momentum, scale) = (0.05, 0.2, 0.9, 0.5)
        var w = start.map(Double.init)
        var m = [Double](repeating: 0, count: count)
        for gradient in gradients {
            for i in 0..<count { m[i] = momentum * m[i] + scale * Double(gradient[i]) }
            var x = (0..<count).map { scale * Double(gradient[$0]) + momentum * m[$0] }
            let norm = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
            x = x.map { $0 / norm }
            for _ in 0..<5 { x = Self.iterated(x, rows, columns) }
            let tallness = max(1, Double(rows) / Double(columns)).squareRoot()
            for i in 0..<count { w[i] -= rate * (tallness * x[i] + decay * w[i]) }
        }
        for threads in [1, 2] {
            let result = try runMatrix(
                .muon(rate: .constant(rate), momentum: momentum, weightDecay: decay), [rows, columns], weights: start,
                gradients: gradients, scale: scale, threads: threads)
            // Small singular values grow by 3.4 a step, and their errors with them: some 500 times.
            expectNear(result.weights, w, within: 500 * 4 * Double(Float.ulpOfOne), "\(rows)x\(columns)")
        }
    }

    /// X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X, always from the left.
    private static func iterated(_ x: [Double], _ rows: Int, _ columns: Int) -> [Double] {
        func product(_ a: [Double], _ b: [Double], _ m: Int, _ n: Int, _ k: Int) -> [Double] {
            var c = [Double](repeating: 0, count: m * n)
            for i in 0..<m {
                for j in 0..<n { for l in 0..<k { c[i * n + j] += a[i * k + l] * b[l * n + j] } }
            }
            return c
        }
        var transposed = x
        for i in 0..<rows { for j in 0..<columns { transposed[j * rows + i] = x[i * columns + j] } }
        let gram = product(x, transposed, rows, rows, columns)
        let once = product(gram, x, rows, columns, rows)
        let twice = product(gram, once, rows, columns, rows)
        return x.indices.map { 3.4445 * x[$0] - 4.7750 * once[$0] + 2.0315 * twice[$0] }
    }

    /// A weight that a mask holds at zero has no gradient, and stays; others move.
    @Test func maskedWeightsStayAtZero() throws {
        var (start, gradients) = (
            AgainstDoublePrecision.values(20, seed: 1), (2...4).map { AgainstDoublePrecision.values(20, seed: $0) }
        )
        for masked in [0, 7, 19] {
            start[masked] = 0
            for step in gradients.indices { gradients[step][masked] = 0 }
        }
        let result = try runMatrix(.muon(rate: 0.1), [4, 5], weights: start, gradients: gradients)
        for index in 0..<20 { #expect((result.weights[index] == 0) == [0, 7, 19].contains(index), "weight \(index)") }
    }

    /// What is no matrix takes AdamW's step at a rate of its own.
    @Test(arguments: [ParameterKind.vector, .embedding, .positions]) func othersTakeAdamW(kind: ParameterKind) throws {
        let start = AgainstDoublePrecision.values(6, seed: 1)
        let gradients = [AgainstDoublePrecision.values(6, seed: 2), AgainstDoublePrecision.values(6, seed: 3)]
        let muon = try runMatrix(
            .muon(rate: 0.2, weightDecay: 0.1, adamRate: 0.05), [2, 3], weights: start, gradients: gradients, kind: kind
        )
        let adamW = try runMatrix(
            .adamW(rate: 0.01, beta2: 0.95, weightDecay: 0.1), [2, 3], weights: start, gradients: gradients, kind: kind)
        #expect(muon.weights == adamW.weights)
        #expect(muon.state.named.map(\.name) == ["w.exp_avg", "w.exp_avg_sq"])
    }

    @Test func aGradientOfZeroMovesNothing() throws {
        let result = try runMatrix(.muon(rate: 0.1), [2, 2], weights: [1, 2, 3, 4], gradients: [[0, 0, 0, 0]])
        #expect(result.weights == [1, 2, 3, 4])
    }
}

@Suite struct LayerwiseState {
    /// Several parameters share the workspace, in a list as at once, and half a run continues where it stopped.
    @Test(arguments: ["lamb", "adafactor", "adafactor-relative", "muon"]) func listsAndResume(name: String) throws {
        let context = try Context(threads: 2)
        let shapes: [(Shape, ParameterKind)] = [
            ([9, 20], .matrix), ([20], .vector), ([30, 4], .matrix), ([7, 3], .embedding),
        ]
        func parameters() throws -> [Parameter] {
            try shapes.enumerated().map { index, item in
                Parameter(
                    path: "p\(index)", kind: item.1,
                    value: try Tensor(item.0, AgainstDoublePrecision.values(item.0.count, seed: UInt64(index + 1))))
            }
        }
        func gradients(_ step: Int, _ parameters: [Parameter]) throws -> GradientSet {
            let set = try GradientSet(for: parameters)
            for (index, tensor) in set.tensors.enumerated() {
                let values = AgainstDoublePrecision.values(tensor.count, seed: UInt64(100 * step + index))
                tensor.copy(from: try Tensor(tensor.shape, values))
            }
            return set
        }
        let optimizer = try Optimizers.named(name, rate: 0.01)
        let (whole, noted, resumed) = (try parameters(), try parameters(), try parameters())
        let state = try OptimizerState(optimizer, for: whole)
        for step in 1...4 { try state.step(whole, gradients: gradients(step, whole), on: context) }

        let list = try OperationList(on: context)
        let notedState = try OptimizerState(optimizer, for: noted)
        for step in 1...4 {
            let set = try gradients(step, noted)
            list.clear()
            try notedState.step(noted, gradients: set, on: list.context)
            try list.run()
        }
        let half = try OptimizerState(optimizer, for: resumed)
        for step in 1...2 { try half.step(resumed, gradients: gradients(step, resumed), on: context) }
        let second = try OptimizerState(optimizer, for: resumed)
        try second.restore(
            step: half.step, from: Dictionary(uniqueKeysWithValues: half.named.map { ($0.name, $0.tensor) }))
        for step in 3...4 { try second.step(resumed, gradients: gradients(step, resumed), on: context) }
        for index in shapes.indices {
            #expect(noted[index].value.elements == whole[index].value.elements, "\(name), noted, parameter \(index)")
            #expect(resumed[index].value.elements == whole[index].value.elements, "\(name), resumed, \(index)")
        }
    }
}
