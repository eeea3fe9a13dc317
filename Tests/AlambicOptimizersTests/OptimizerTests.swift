import AlambicKernels
import AlambicOptimizers
import AlambicTensor
import Foundation
import Testing

@Suite struct HandComputedSteps {
    // Two weights, three steps; every number below can be followed with pencil and paper.
    let weights: [Float] = [1, -2]
    let gradients: [[Float]] = [[0.5, -1], [0.25, 2], [-1, 0]]

    @Test func sgd() throws {
        // 1 - 0.1 (0.5 + 0.25 - 1) = 1.025; -2 - 0.1 (-1 + 2 + 0) = -2.1
        expectClose(try run(.sgd(rate: 0.1), weights: weights, gradients: gradients).weights, [1.025, -2.1], "sgd")
    }

    @Test func sgdWithL2() throws {
        // One step: w - 0.1 (g + 0.5 w): 1 - 0.1 (0.5 + 0.5) = 0.9; -2 - 0.1 (-1 - 1) = -1.8
        let once = [gradients[0]]
        expectClose(try run(.sgd(rate: 0.1, l2: 0.5), weights: weights, gradients: once).weights, [0.9, -1.8], "l2")
        // A bias does not decay.
        let bias = try run(.sgd(rate: 0.1, l2: 0.5), weights: weights, gradients: once, kind: .vector)
        expectClose(bias.weights, [0.95, -1.9], "l2 on a bias")
    }

    @Test func momentum() throws {
        // v: 0.5, 0.5·0.5 + 0.25 = 0.5, 0.5·0.5 - 1 = -0.75; sum 0.25  → 1 - 0.025
        // v: -1, -0.5 + 2 = 1.5, 0.75; sum 1.25                        → -2 - 0.125
        let result = try run(.momentum(rate: 0.1, 0.5), weights: weights, gradients: gradients)
        expectClose(result.weights, [0.975, -2.125], "momentum")
        expectClose(result.state.named[0].tensor.elements, [-0.75, 0.75], "velocity")
        #expect(result.state.named.map(\.name) == ["w.momentum_buffer"])
    }

    @Test func nesterov() throws {
        // With v as above, the steps are g + 0.5 v: 0.75, 0.5, -1.375: sum -0.125; -1.5, 2.75, 0.375: sum 1.625
        let result = try run(.nesterov(rate: 0.1, momentum: 0.5), weights: weights, gradients: gradients)
        expectClose(result.weights, [1.0125, -2.1625], "nesterov")
    }

    @Test func averagesOfGradientsThatEndedAreZeroInTheEnd() throws {
        // 1e-36 · 0.9^n is below the smallest normal number after 43 steps. Left alone it would never be zero: 0.9 of
        // the smallest denormal rounds to itself. More weights than a vector has, and some that do not fill one.
        let nothing = [Float](repeating: 0, count: 37)
        let once = [[Float](repeating: 1e-36, count: 37)] + [[Float]](repeating: nothing, count: 60)
        let weights = [Float](repeating: 1, count: 37)
        let rules: [any Optimizer] = [
            .momentum(rate: 0.1, 0.9), .nesterov(rate: 0.1, momentum: 0.9), .adam(rate: 0.1, beta2: 0.9),
            .lion(rate: 0.1, beta2: 0.9), .lamb(rate: 0.1, beta2: 0.9), .muon(rate: 0.1, momentum: 0.9),
        ]
        for rule in rules {
            let early = try run(rule, weights: weights, gradients: Array(once.prefix(20)))
            #expect(early.state.named[0].tensor.elements.allSatisfy { $0 > 0 }, "\(rule)")
            for state in try run(rule, weights: weights, gradients: once).state.named {
                #expect(state.tensor.elements.allSatisfy { $0 == 0 }, "\(rule): \(state.name)")
            }
        }
    }

    @Test func adamsFirstStepIsTheRateInTheDirectionOfTheSign() throws {
        // Kingma and Ba 2015, section 2.1: after one step m̂ = g and v̂ = g², so that the step is rate · g / |g|.
        let result = try run(.adam(rate: 0.01), weights: weights, gradients: [gradients[0]])
        expectClose(result.weights, [0.99, -1.99], "first step")
        // m = 0.1 g, v = 0.001 g²
        expectClose(result.state.named[0].tensor.elements, [0.05, -0.1], "first moment")
        expectClose(result.state.named[1].tensor.elements, [0.00025, 0.001], "second moment")
        #expect(result.state.named.map(\.name) == ["w.exp_avg", "w.exp_avg_sq"])
    }

    @Test func adamFollowsAlgorithm1() throws {
        // beta1 = beta2 = 0.5, epsilon = 0, two steps with g = 1 and then g = -1:
        // m = 0.5, -0.25; m̂ = 1, -0.25 / 0.75 = -1/3; v = 0.5, 0.75; v̂ = 1, 1; w = 1 - 0.3 (1 - 1/3) = 0.8
        let result = try run(
            .adam(rate: 0.3, beta1: 0.5, beta2: 0.5, epsilon: 0), weights: [1], gradients: [[1], [-1]])
        expectClose(result.weights, [0.8], "two steps")
        expectClose(result.state.named[0].tensor.elements, [-0.25], "m")
        expectClose(result.state.named[1].tensor.elements, [0.75], "v")
    }

    @Test func adamWDecaysBesideTheMoments() throws {
        // Loshchilov and Hutter 2019, Algorithm 2: w - rate · (g / |g|) - rate · 0.5 · w = 1 - 0.1 - 0.05
        let result = try run(.adamW(rate: 0.1, weightDecay: 0.5), weights: [1], gradients: [[2]])
        expectClose(result.weights, [0.85], "decayed")
        // The moments are those of the gradient alone.
        expectClose(result.state.named[0].tensor.elements, [0.2], "first moment")
        let bias = try run(.adamW(rate: 0.1, weightDecay: 0.5), weights: [1], gradients: [[2]], kind: .vector)
        expectClose(bias.weights, [0.9], "a bias does not decay")
    }

    @Test func lionMovesByTheSign() throws {
        // Chen et al. 2023, Algorithm 2: the first direction is the gradient's sign, w - 0.1 (±1 + 0.5 w); m = 0.01 g
        let result = try run(.lion(rate: 0.1, weightDecay: 0.5), weights: weights, gradients: [gradients[0]])
        expectClose(result.weights, [0.85, -1.8], "first step")
        expectClose(result.state.named[0].tensor.elements, [0.005, -0.01], "momentum")
        let bias = try run(
            .lion(rate: 0.1, weightDecay: 0.5), weights: weights, gradients: [gradients[0]], kind: .vector)
        expectClose(bias.weights, [0.9, -1.9], "a bias does not decay")
    }

    @Test func l2InAdamGoesThroughTheMoments() throws {
        let result = try run(.adam(rate: 0.1, l2: 0.5), weights: [1], gradients: [[2]])
        expectClose(result.weights, [0.9], "one step")
        expectClose(result.state.named[0].tensor.elements, [0.25], "0.1 (2 + 0.5 · 1)")
    }

    @Test func clippingScalesTheGradientFirst() throws {
        let clipped = try run(.momentum(rate: 0.1, 0.5), weights: weights, gradients: [gradients[0]], scale: 0.5)
        expectClose(clipped.weights, [0.975, -1.95], "half of the gradient")
        #expect(clippingScale(norm: 4, limit: 1) == 0.25)
        #expect(clippingScale(norm: 0.5, limit: 1) == 1)
        #expect(clippingScale(norm: 100, limit: nil) == 1)
    }

    @Test func schedulesAreFollowed() throws {
        let rate = Schedule.stepDecay(rate: 1, factor: 0.5, every: 1)
        expectClose(try run(.sgd(rate: rate), weights: [0], gradients: [[1], [1], [1]]).weights, [-1.75], "1 + ½ + ¼")
    }
}

/// The papers' algorithms in double precision, weight by weight, sharing nothing with the kernels.
@Suite struct AgainstDoublePrecision {
    static func values(_ count: Int, seed: UInt64) -> [Float] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
        }
    }

    @Test(arguments: [1, 15, 16, 17, 1000]) func adamW(count: Int) throws {
        let steps = 5
        let weights = Self.values(count, seed: 1)
        let gradients = (0..<steps).map { Self.values(count, seed: UInt64(10 + $0)) }
        let (rate, beta1, beta2, epsilon, decay) = (0.01, 0.9, 0.99, 1e-8, 0.1)
        let result = try run(
            .adamW(rate: .constant(rate), beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay),
            weights: weights, gradients: gradients)
        for index in 0..<count {
            var (w, m, v) = (Double(weights[index]), 0.0, 0.0)
            for t in 1...steps {
                let g = Double(gradients[t - 1][index])
                m = beta1 * m + (1 - beta1) * g
                v = beta2 * v + (1 - beta2) * g * g
                let update =
                    m / (1 - pow(beta1, Double(t))) / ((v / (1 - pow(beta2, Double(t)))).squareRoot() + epsilon)
                w -= rate * (update + decay * w)
            }
            // Each step rounds w once and moves it by at most about 10 rates with a relative error of a few ulps.
            let tolerance = Double(steps) * Double(Float.ulpOfOne) * (abs(w) + 1 + 100 * rate)
            #expect(abs(Double(result.weights[index]) - w) < tolerance, "weight \(index) of \(count)")
        }
    }

    @Test func everyOptimizerHasTheSameBitsForAnyNumberOfThreads() throws {
        let weights = Self.values(70_001, seed: 3)
        let gradients = [Self.values(70_001, seed: 4), Self.values(70_001, seed: 5)]
        for name in Optimizers.names {
            let optimizer = try Optimizers.named(name, rate: 0.01)
            let one = try run(optimizer, weights: weights, gradients: gradients).weights
            for threads in 2...4 {
                let many = try run(optimizer, weights: weights, gradients: gradients, threads: threads).weights
                #expect(one == many, "\(name) with \(threads) threads")
            }
        }
    }
}

@Suite struct EightBitMoments {
    /// Least squares with curvatures over two decades and noise: both precisions come to rest at the same loss.
    @Test func convergeLikeFullOnes() throws {
        let count = 600
        let target = AgainstDoublePrecision.values(count, seed: 40)
        let curvature = (0..<count).map { Float(0.05) + Float($0 % 100) / 20 }
        func loss(_ optimizer: some Optimizer) throws -> Double {
            let context = try Context(threads: 1)
            let parameter = Parameter(path: "w", kind: .matrix, value: try Tensor([2, count / 2]))
            let state = try OptimizerState(optimizer, for: [parameter])
            let set = try GradientSet(for: [parameter])
            for step in 0..<600 {
                let noise = AgainstDoublePrecision.values(count, seed: UInt64(100 + step))
                let w = parameter.value.elements
                let g = (0..<count).map { curvature[$0] * (w[$0] - target[$0]) + 0.1 * noise[$0] }
                set.tensors[0].copy(from: try Tensor([2, count / 2], g))
                try state.step([parameter], gradients: set, on: context)
            }
            return zip(parameter.value.elements, zip(target, curvature)).reduce(0) { sum, next in
                let distance = Double(next.0 - next.1.0)
                return sum + Double(next.1.1) * distance * distance / 2
            }
        }
        let rate = Schedule.cosine(peak: 0.02, warmup: 10, over: 600)
        let start = zip(target, curvature).reduce(0) { $0 + Double($1.1 * $1.0 * $1.0) / 2 }
        let full = try loss(.adamW(rate: rate, weightDecay: 0))
        let eight = try loss(.adamW8bit(rate: rate, weightDecay: 0))
        // Both are three orders below the start, and within half of each other: what is left is the noise.
        #expect(full < start * 1e-3 && eight < start * 1e-3, "from \(start) to \(full) and \(eight)")
        #expect(eight < 1.5 * full + 1e-6 && full < 1.5 * eight + 1e-6, "\(full) and \(eight)")
    }

    @Test func restoreChecksCodesAndScales() throws {
        let parameter = Parameter(path: "w", kind: .matrix, value: try Tensor([2, 300]))
        let state = try OptimizerState(.adamW8bit(rate: 1), for: [parameter])
        #expect(state.named.isEmpty && state.namedQuantized.map(\.name) == ["w.exp_avg", "w.exp_avg_sq"])
        #expect(state.namedQuantized[0].state.scaleShape == [2, 2])
        #expect(throws: OptimizerError.missingState("w.exp_avg")) { try state.restore(step: 1, from: [:]) }
        let bytes = ["w.exp_avg": try Memory<UInt8>(count: 600), "w.exp_avg_sq": try Memory<UInt8>(count: 600)]
        #expect(throws: OptimizerError.missingState("w.exp_avg.absmax")) {
            try state.restore(step: 1, from: [:], bytes: bytes)
        }
        let scales = ["w.exp_avg.absmax": try Tensor([2, 2]), "w.exp_avg_sq.absmax": try Tensor([2, 1])]
        #expect(throws: OptimizerError.wrongState("w.exp_avg_sq.absmax", expected: 4, found: 2)) {
            try state.restore(step: 1, from: scales, bytes: bytes)
        }
    }
}

@Suite struct PackedForms {
    /// Every optimizer leaves packed forms that are those of the weights.
    @Test func followTheWeights() throws {
        let context = try Context(threads: 2)
        let (rows, columns) = (40, 70)
        for name in Optimizers.names {
            let parameter = Parameter(
                path: "w", kind: .matrix,
                value: try Tensor([rows, columns], AgainstDoublePrecision.values(rows * columns, seed: 1)))
            let state = try OptimizerState(Optimizers.named(name, rate: 0.01), for: [parameter])
            let set = try GradientSet(for: [parameter])
            set.tensors[0].copy(
                from: try Tensor([rows, columns], AgainstDoublePrecision.values(rows * columns, seed: 2)))
            let forward = try PackedMatrix(empty: .f32, N: rows, K: columns, on: context)
            let backward = try PackedMatrix(empty: .f32, N: columns, K: rows, on: context)
            try state.step(
                [parameter], gradients: set, panels: [WeightPanels(forward: forward, backward: backward)], on: context)
            let x = AgainstDoublePrecision.values(3 * columns, seed: 3)
            let value = parameter.value
            let again = try PackedMatrix(.f32, value.span, N: rows, K: columns, on: context)
            var results: [[Float]] = []
            for packed in [forward, again] {
                var y = [Float](repeating: 0, count: 3 * rows)
                try matmul(M: 3, x.span, packed, into: y.mutableSpan, on: context)
                results.append(y)
            }
            #expect(results[0] == results[1], "\(name)")
            var row = [Float](repeating: 0, count: columns)
            var unit = [Float](repeating: 0, count: rows)
            unit[33] = 1
            try matmul(M: 1, unit.span, backward, into: row.mutableSpan, on: context)
            #expect(row == Array(parameter.value.elements[33 * columns..<34 * columns]), "\(name)")
        }
    }
}

@Suite struct RegistryAndState {
    @Test func optimizersAreFoundByName() throws {
        #expect(
            Optimizers.names == [
                "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adam-uncorrected", "adamax", "adamw",
                "adamw8bit", "lamb", "adafactor", "adafactor-relative", "lion", "muon",
            ])
        let adamW = try #require(try Optimizers.named("adamw", rate: 1e-3, settings: ["weightDecay": 0.5]) as? AdamW)
        #expect(adamW.weightDecay == 0.5)
        #expect(adamW.beta2 == 0.999)
        #expect(adamW.rate == .constant(1e-3))
    }

    @Test func unknownNamesListTheKnownOnes() {
        #expect(throws: OptimizerError.unknownOptimizer("rprop", known: Optimizers.names)) {
            try Optimizers.named("rprop", rate: 1)
        }
        #expect(throws: OptimizerError.unknownSetting("beta", of: "sgd", known: ["l2"])) {
            try Optimizers.named("sgd", rate: 1, settings: ["beta": 1])
        }
        let text = "\(OptimizerError.unknownOptimizer("rprop", known: Optimizers.names))"
        #expect(text.contains("'rprop'") && text.contains("adamw") && !text.contains("\n"))
    }

    @Test func descriptionsHaveDottedNames() {
        let flat = Optimizers.description(of: AdamW.adamW(rate: .cosine(peak: 1e-3, warmup: 5, over: 50)))
        #expect(flat["name"] == "adamw")
        #expect(flat["rate.cosine.warmup"] == "5")
        #expect(flat["weightDecay"] == "0.01")
    }

    @Test func restoredStateContinuesWithTheSameBits() throws {
        let weights = AgainstDoublePrecision.values(33, seed: 8)
        let gradients = (0..<4).map { AgainstDoublePrecision.values(33, seed: UInt64(20 + $0)) }
        let whole = try run(.adamW(rate: 0.01), weights: weights, gradients: gradients)
        let half = try run(.adamW(rate: 0.01), weights: weights, gradients: Array(gradients[..<2]))

        let context = try Context(threads: 1)
        let parameter = Parameter(path: "w", kind: .matrix, value: try Tensor([1, 33], half.weights))
        let state = try OptimizerState(.adamW(rate: 0.01), for: [parameter])
        let saved = Dictionary(uniqueKeysWithValues: half.state.named.map { ($0.name, $0.tensor) })
        try state.restore(step: half.state.step, from: saved)
        for gradient in gradients[2...] {
            let set = try GradientSet(for: [parameter])
            set.tensors[0].copy(from: try Tensor([1, 33], gradient))
            try state.step([parameter], gradients: set, on: context)
        }
        #expect(parameter.value.elements == whole.weights)
        #expect(state.step == 4)

        #expect(throws: OptimizerError.missingState("w.exp_avg")) { try state.restore(step: 1, from: [:]) }
        let wrong = ["w.exp_avg": try Tensor([2]), "w.exp_avg_sq": try Tensor([33])]
        #expect(throws: OptimizerError.wrongState("w.exp_avg", expected: 33, found: 2)) {
            try state.restore(step: 1, from: wrong)
        }
    }
}
