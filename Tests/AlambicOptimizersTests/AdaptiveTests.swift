import AlambicKernels
import AlambicOptimizers
import AlambicTensor
import Foundation
import Testing

@Suite struct AdaptiveStepsByHand {
    @Test func adagrad() throws {
        // Duchi 2011, Figure 1: a = 9, w = 10 - 0.5 · 3/3 = 9.5; a = 25, w = 9.5 - 0.5 · (-4)/5 = 9.9
        let result = try run(.adagrad(rate: 0.5, epsilon: 1e-30), weights: [10], gradients: [[3], [-4]])
        expectClose(result.weights, [9.9], "adagrad")
        expectClose(result.state.named[0].tensor.elements, [25], "sum")
        #expect(result.state.named.map(\.name) == ["w.sum"])
    }

    @Test func adagradFromAnInitialSum() throws {
        // √(16 + 9) + 1 = 6: w = 10 - 0.5 · 3/6 = 9.75
        let first = try run(
            .adagrad(rate: 0.5, initialAccumulator: 16, epsilon: 1), weights: [10], gradients: [[3]])
        expectClose(first.weights, [9.75], "initial sum")
        // With the penalty g = 1 + 0.2 · 10 = 3.
        let penalty = try run(
            .adagrad(rate: 0.5, initialAccumulator: 16, epsilon: 1, l2: 0.2), weights: [10], gradients: [[1]])
        expectClose(penalty.weights, [9.75], "l2")
        let bias = try run(
            .adagrad(rate: 0.5, initialAccumulator: 16, epsilon: 1, l2: 0.2), weights: [10], gradients: [[3]],
            kind: .vector)
        expectClose(bias.weights, [9.75], "l2 spares a bias")
    }

    @Test func rmsProp() throws {
        // decay 3/4: v = 4/4 = 1, w = 1 - 0.1 · 2/(1 + 1) = 0.9; v = 3/4 + 25/4 = 7, w = 0.9 + 0.1 · 5/(√7 + 1)
        let result = try run(.rmsProp(rate: 0.1, decay: 0.75, epsilon: 1), weights: [1], gradients: [[2], [-5]])
        expectClose(result.weights, [0.9 + 0.5 / (7.0.squareRoot() + 1)], "rmsprop")
        expectClose(result.state.named[0].tensor.elements, [7], "mean of squares")
        #expect(result.state.named.map(\.name) == ["w.square_avg"])
    }

    @Test func adaMaxFollowsAlgorithm2() throws {
        // beta1 = 1/2, beta2 = 3/4: m = 2, u = 4, w = 1 - 0.5/(1/2) · 2/4 = 0.5;
        // m = 1 + 1/2 = 3/2, u = max(3, 1) = 3, w = 0.5 - 0.5/(3/4) · (3/2)/3 = 1/6
        let result = try run(
            .adaMax(rate: 0.5, beta1: 0.5, beta2: 0.75), weights: [1, 7], gradients: [[4, 0], [1, 0]])
        expectClose(result.weights, [1.0 / 6, 7], "adamax; a weight without gradients stays")
        expectClose(result.state.named[0].tensor.elements, [1.5, 0], "m")
        expectClose(result.state.named[1].tensor.elements, [3, 0], "u")
        #expect(result.state.named.map(\.name) == ["w.exp_avg", "w.exp_inf"])
    }

    @Test func adamWithoutCorrectionTakesALongFirstStep() throws {
        // m = 0.1 g, v = 0.0001 g²: the first step is 0.1 / 0.01 = 10 rates long.
        let result = try run(
            .adamUncorrected(rate: 0.01, beta2: 0.9999, epsilon: 0), weights: [1, -2], gradients: [[0.5, -1]])
        expectClose(result.weights, [0.9, -1.9], "first step")
        let corrected = try run(.adam(rate: 0.01, beta2: 0.9999, epsilon: 0), weights: [1], gradients: [[0.5]])
        expectClose(corrected.weights, [0.99], "with the correction it is one rate long")
    }

    @Test func impossibleSettingsAreRefused() throws {
        #expect(throws: KernelError.self) {
            try run(.adagrad(rate: 1, initialAccumulator: -1), weights: [1], gradients: [[1]])
        }
        #expect(throws: KernelError.self) {
            try run(.adagrad(rate: 1, initialAccumulator: 0, epsilon: 0), weights: [1], gradients: [[1]])
        }
        #expect(throws: KernelError.self) { try run(.rmsProp(rate: 1, decay: 1), weights: [1], gradients: [[1]]) }
        #expect(throws: KernelError.self) { try run(.rmsProp(rate: 1, epsilon: 0), weights: [1], gradients: [[1]]) }
        #expect(throws: KernelError.self) { try run(.adaMax(rate: 1, beta1: .nan), weights: [1], gradients: [[1]]) }
    }
}

/// Six steps against the papers' formulas in double precision, weight by weight.
@Suite struct AdaptiveStepsInDoublePrecision {
    static let steps = 6

    /// - Parameter rule: (gradient, t, a, b) -> the change of the weight in rates.
    private func compare(
        _ optimizer: some Optimizer, count: Int, rate: Double, l2: Double,
        _ rule: (Double, Int, inout Double, inout Double) -> Double
    ) throws {
        let weights = AgainstDoublePrecision.values(count, seed: 51)
        let gradients = (0..<Self.steps).map { AgainstDoublePrecision.values(count, seed: UInt64(60 + $0)) }
        let scale = 0.5
        let result = try run(optimizer, weights: weights, gradients: gradients, scale: scale).weights
        for index in 0..<count {
            var (w, a, b, path) = (Double(weights[index]), 0.0, 0.0, 0.0)
            for t in 1...Self.steps {
                let move = rule(scale * Double(gradients[t - 1][index]) + l2 * w, t, &a, &b)
                w -= rate * move
                path += abs(move)
            }
            // Every step rounds w once, and its move in a dozen places; a penalty brings the first error into the second.
            let tolerance = Double(Float.ulpOfOne) * (Double(Self.steps) * (abs(w) + 1) + 30 * rate * path)
            #expect(abs(Double(result[index]) - w) < tolerance, "\(name(of: optimizer)), weight \(index) of \(count)")
        }
    }

    private func name(of optimizer: some Optimizer) -> String { type(of: optimizer).name }

    @Test(arguments: [1, 15, 16, 17, 33, 1000]) func all(count: Int) throws {
        let rate = 0.01
        for l2 in [0, 0.1] {
            try compare(
                .adagrad(rate: .constant(rate), initialAccumulator: 0.1, epsilon: 1e-7, l2: l2), count: count,
                rate: rate, l2: l2
            ) { g, _, a, _ in
                a += g * g
                return g / ((0.1 + a).squareRoot() + 1e-7)
            }
            try compare(
                .rmsProp(rate: .constant(rate), decay: 0.9, epsilon: 1e-6, l2: l2), count: count, rate: rate, l2: l2
            ) { g, _, a, _ in
                a = 0.9 * a + (1 - 0.9) * g * g
                return g / (a.squareRoot() + 1e-6)
            }
            try compare(
                .adaMax(rate: .constant(rate), beta1: 0.9, beta2: 0.99, l2: l2), count: count, rate: rate, l2: l2
            ) { g, t, m, u in
                m = 0.9 * m + (1 - 0.9) * g
                u = Swift.max(0.99 * u, abs(g))
                return m / (1 - pow(0.9, Double(t))) / u
            }
            try compare(
                .adamUncorrected(rate: .constant(rate), beta1: 0.9, beta2: 0.99, epsilon: 1e-6, l2: l2), count: count,
                rate: rate, l2: l2
            ) { g, _, m, v in
                m = 0.9 * m + (1 - 0.9) * g
                v = 0.99 * v + (1 - 0.99) * g * g
                return m / (v.squareRoot() + 1e-6)
            }
        }
    }

    /// A norm that is read when the list runs clips all of them, and one that is not finite changes nothing.
    @Test func clippingIsReadWhenTheStepRuns() throws {
        let context = try Context(threads: 1)
        for name in Optimizers.names {
            let optimizer = try Optimizers.named(name, rate: 0.01)
            let weights = AgainstDoublePrecision.values(40, seed: 3)
            let gradient = AgainstDoublePrecision.values(40, seed: 4)
            let expected = try run(optimizer, weights: weights, gradients: [gradient], scale: 0.25).weights
            for (value, result) in [(4.0, expected), (.infinity, weights), (.nan, weights)] {
                let parameter = Parameter(path: "w", kind: .matrix, value: try Tensor([1, 40], weights))
                let state = try OptimizerState(optimizer, for: [parameter])
                let set = try GradientSet(for: [parameter])
                let norm = try Memory<Double>(count: 1)
                let list = try OperationList(on: context)
                set.tensors[0].copy(from: try Tensor([1, 40], gradient))
                try state.step([parameter], gradients: set, clip: NormClip(norm: norm, limit: 1), on: list.context)
                #expect(parameter.value.elements == weights, "\(name): noted, not run")
                setNorm(norm, value)
                try list.run()
                #expect(parameter.value.elements == result, "\(name), norm \(value)")
                if !value.isFinite {
                    #expect(state.named.allSatisfy { $0.tensor.elements.allSatisfy { $0 == 0 } }, "\(name)")
                }
            }
        }
    }

    private func setNorm(_ norm: Memory<Double>, _ value: Double) {
        var span = norm.mutableSpan
        span[0] = value
    }
}
