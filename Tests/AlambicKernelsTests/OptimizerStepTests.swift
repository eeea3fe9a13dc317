import AlambicKernels
import AlambicTestSupport
import Foundation
import Testing

@Suite struct OptimizerStepTests {
    static let lengths = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 16_383, 16_385, 50_000]

    /// Kingma and Ba's Algorithm 1 by hand, in exact fractions: rate 0.5, beta1 1/2, beta2 3/4, epsilon 0, gradients 3 then -1,
    /// weight 10.
    ///
    /// t = 1: m = 3/2, v = 9/4, m̂ = 3, v̂ = 9, w = 10 - 0.5 · 3/3 = 9.5.
    /// t = 2: m = 1/4, v = 31/16, m̂ = (1/4) / (3/4) = 1/3, v̂ = (31/16) / (7/16) = 31/7, w = 9.5 - 0.5 / 3 / √(31/7).
    @Test func adamByHand() throws {
        for variant in Kernels.adamW where variant.runsHere {
            let context = try variant.context(threads: 1)
            var w: [Float] = [10]
            var m: [Float] = [0]
            var v: [Float] = [0]
            for (t, g) in [(1.0, Float(3)), (2, -1)] {
                let gradient = [g]
                try adamWStep(
                    weights: w.mutableSpan, gradient: gradient.span, firstMoment: m.mutableSpan,
                    secondMoment: v.mutableSpan, rate: 0.5, beta1: 0.5, beta2: 0.75, epsilon: 0,
                    correction1: 1 / (1 - pow(0.5, t)), correction2: 1 / (1 - pow(0.75, t)), on: context)
                if t == 1 { #expect(w == [9.5] && m == [1.5] && v == [2.25], "\(variant)") }
            }
            #expect(m == [0.25] && v == [31 / 16], "\(variant)")
            let expected = 9.5 - 0.5 / 3 / (31.0 / 7).squareRoot()
            #expect(abs(Double(w[0]) - expected) <= 4 * 0x1p-24 * expected, "\(variant)")
        }
    }

    /// Loshchilov and Hutter's decay is outside the moments: with a gradient of zero only the decay acts.
    @Test func decayIsDecoupled() throws {
        for variant in Kernels.adamW where variant.runsHere {
            var w: [Float] = [8, -4, 2]
            var m: [Float] = [0, 0, 0]
            var v: [Float] = [0, 0, 0]
            let g: [Float] = [0, 0, 0]
            try adamWStep(
                weights: w.mutableSpan, gradient: g.span, firstMoment: m.mutableSpan, secondMoment: v.mutableSpan,
                rate: 0.5, weightDecay: 0.25, correction1: 10, correction2: 1000, on: variant.context(threads: 1))
            #expect(w == [7, -3.5, 1.75] && m == g && v == g, "\(variant)")
        }
    }

    /// Five steps against the algorithm in double precision.
    ///
    /// Each step rounds w once (2⁻²⁴ |w|) and makes an update whose terms m, v, the root and the quotient lose a few units
    /// each; |m̂| / √v̂ stays below √T by Cauchy and Schwarz for these betas, so an error of 40 units times the rate and
    /// √T a step covers the moments' accumulated roundings. A coupled penalty's own rounding is part of the gradient's.
    @Test func adamWFollowsTheAlgorithm() throws {
        let steps = 5
        for (seed, (weightDecay, l2, scale)) in [(0.0, 0.0, 1.0), (0.1, 0, 1), (0, 0.05, 1), (0.1, 0.05, 0.25)]
            .enumerated()
        {
            for count in Self.lengths {
                var generator = SplitMix(seed: UInt64(seed * 1_000_003 + count))
                let start = generator.floats(count)
                let gradients = (0..<steps).map { _ in generator.floats(count, in: -2...2) }
                let (rate, beta1, beta2, epsilon) = (0.01, 0.9, 0.999, 1e-8)
                var w = start.map(Double.init)
                var m = [Double](repeating: 0, count: count)
                var v = m
                for t in 1...steps {
                    for i in 0..<count {
                        let g = scale * Double(gradients[t - 1][i]) + l2 * w[i]
                        m[i] = beta1 * m[i] + (1 - beta1) * g
                        v[i] = beta2 * v[i] + (1 - beta2) * g * g
                        let first = m[i] / (1 - pow(beta1, Double(t)))
                        let second = v[i] / (1 - pow(beta2, Double(t)))
                        w[i] -= rate * (first / (second.squareRoot() + epsilon) + weightDecay * w[i])
                    }
                }
                var seen: [String: [Float]] = [:]
                try onEveryVariant(Kernels.adamW) { label, context in
                    var actual = start
                    var first = [Float](repeating: 0, count: count)
                    var second = first
                    for t in 1...steps {
                        let gradient = gradients[t - 1]
                        try adamWStep(
                            weights: actual.mutableSpan, gradient: gradient.span,
                            firstMoment: first.mutableSpan, secondMoment: second.mutableSpan, rate: rate,
                            beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay,
                            l2: l2, correction1: 1 / (1 - pow(beta1, Double(t))),
                            correction2: 1 / (1 - pow(beta2, Double(t))), gradientScale: scale,
                            on: context)
                    }
                    let excess = worstExcess(actual, expected: w) {
                        Double(steps) * 0x1p-24 * (abs(w[$0]) + 0.1 + 40 * rate * Double(steps).squareRoot())
                    }
                    #expect(excess == nil, "\(label), \(count) weights, seed \(seed): \(excess ?? "")")
                    let key = "\(context.isa)"
                    if let other = seen[key] {
                        #expect(firstDifference(actual, other) == nil, "\(label), \(count) weights, seed \(seed)")
                    }
                    seen[key] = actual
                }
            }
        }
    }

    @Test func badSettingsAreRefused() throws {
        var w: [Float] = [1]
        let g: [Float] = [1]
        var m: [Float] = [0]
        var v: [Float] = [0]
        var u: [Float] = [0]
        for (beta1, beta2, correction) in [(1, 0.9, 1), (0.9, -0.1, 1), (Double.nan, 0.9, 1), (0.9, 0.9, 0.1)] {
            #expect(throws: KernelError.self) {
                try adamWStep(
                    weights: w.mutableSpan, gradient: g.span, firstMoment: m.mutableSpan, secondMoment: v.mutableSpan,
                    rate: 0.1, beta1: beta1, beta2: beta2, correction1: correction, correction2: 1, on: .default)
            }
        }
        #expect(throws: KernelError.self) {
            try sgdStep(weights: w.mutableSpan, gradient: g.span, velocity: nil, rate: 1, momentum: 0.9, on: .default)
        }
        #expect(throws: KernelError.self) {
            try sgdStep(
                weights: w.mutableSpan, gradient: g.span, velocity: u.mutableSpan, rate: 1, momentum: 1, on: .default)
        }
        #expect(w == [1] && m == [0] && v == [0] && u == [0])
    }

    /// Momentum by hand, exact in binary: rate 1/4, momentum 1/2, gradients 8 then 4, weight 16.
    ///
    /// Polyak: u = 8, w = 14; u = 8, w = 12. Nesterov: u = 8, d = 12, w = 13; u = 8, d = 8, w = 11. Plain: 14, 13.
    @Test func momentumByHand() throws {
        for variant in Kernels.sgd where variant.runsHere {
            let context = try variant.context(threads: 1)
            for (nesterov, expected) in [(false, [Float(14), 12]), (true, [13, 11])] {
                var w: [Float] = [16]
                var u: [Float] = [0]
                var seen: [Float] = []
                for g: [Float] in [[8], [4]] {
                    try sgdStep(
                        weights: w.mutableSpan, gradient: g.span, velocity: u.mutableSpan, rate: 0.25, momentum: 0.5,
                        nesterov: nesterov, on: context)
                    seen.append(w[0])
                }
                #expect(seen == expected && u == [8], "\(variant), Nesterov \(nesterov)")
            }
            var w: [Float] = [16]
            for g: [Float] in [[8], [4]] {
                try sgdStep(weights: w.mutableSpan, gradient: g.span, velocity: nil, rate: 0.25, on: context)
            }
            #expect(w == [13], "\(variant), plain")
        }
    }

    /// Against double precision. A step makes at most eight roundings of terms no larger than |w| + |g| + 10 |g|, the most
    /// that a velocity of momentum 0.9 can hold.
    @Test func sgdFollowsTheAlgorithm() throws {
        let steps = 4
        for (form, momentum, nesterov) in [("plain", 0.0, false), ("momentum", 0.9, false), ("nesterov", 0.9, true)] {
            for (weightDecay, l2, scale) in [(0.0, 0.0, 1.0), (0.1, 0.05, 0.5)] {
                for count in Self.lengths {
                    var generator = SplitMix(seed: UInt64(count))
                    let start = generator.floats(count)
                    let gradients = (0..<steps).map { _ in generator.floats(count) }
                    var w = start.map(Double.init)
                    var u = [Double](repeating: 0, count: count)
                    for gradient in gradients {
                        for i in 0..<count {
                            let g = scale * Double(gradient[i]) + l2 * w[i]
                            u[i] = momentum * u[i] + g
                            w[i] -= 0.1 * ((nesterov ? g + momentum * u[i] : u[i]) + weightDecay * w[i])
                            if form == "plain" { u[i] = 0 }
                        }
                    }
                    var seen: [String: [Float]] = [:]
                    try onEveryVariant(Kernels.sgd) { label, context in
                        var actual = start
                        var velocity = [Float](repeating: 0, count: count)
                        for gradient in gradients {
                            if form == "plain" {
                                try sgdStep(
                                    weights: actual.mutableSpan, gradient: gradient.span, velocity: nil, rate: 0.1,
                                    weightDecay: weightDecay, l2: l2, gradientScale: scale,
                                    on: context)
                            } else {
                                try sgdStep(
                                    weights: actual.mutableSpan, gradient: gradient.span,
                                    velocity: velocity.mutableSpan, rate: 0.1, momentum: momentum,
                                    nesterov: nesterov, weightDecay: weightDecay, l2: l2,
                                    gradientScale: scale, on: context)
                            }
                        }
                        let excess = worstExcess(actual, expected: w) { _ in Double(steps) * 8 * 0x1p-24 * 12 }
                        #expect(excess == nil, "\(label), \(form), \(count) weights: \(excess ?? "")")
                        let key = "\(context.isa)"
                        if let other = seen[key] {
                            #expect(firstDifference(actual, other) == nil, "\(label), \(form), \(count) weights")
                        }
                        seen[key] = actual
                    }
                }
            }
        }
    }
}
