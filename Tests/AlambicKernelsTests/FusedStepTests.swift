import AlambicKernels
import AlambicTestSupport
import Foundation
import Testing

/// What a step changes.
struct StepArrays {
    let rows: Int, columns: Int
    var w: [Float], g: [Float], first: [Float], second: [Float]

    init(_ rows: Int, _ columns: Int, seed: UInt64) {
        (self.rows, self.columns) = (rows, columns)
        var generator = SplitMix(seed: seed)
        let count = rows * columns
        w = generator.floats(count)
        g = generator.floats(count)
        first = generator.floats(count)
        second = generator.floats(count, in: 0...1)
    }
}

/// The steps that can rebuild packed forms.
enum FusedRule: CaseIterable {
    case adamW, plain, momentum, nesterov, lion

    var variants: [Variant] {
        switch self {
        case .adamW: Kernels.adamW
        case .lion: Kernels.lion
        default: Kernels.sgd
        }
    }

    func step(
        _ x: inout StepArrays, scale: Double = 1, clip: NormClip? = nil, panels: WeightPanels? = nil,
        on context: Context
    ) throws {
        let g = x.g
        // Spans of several parts of x at once would be overlapping accesses.
        var (w, first, second) = (x.w, x.first, x.second)
        switch self {
        case .adamW:
            try adamWStep(
                weights: w.mutableSpan, gradient: g.span, firstMoment: first.mutableSpan,
                secondMoment: second.mutableSpan, rate: 0.01, weightDecay: 0.1, l2: 0.05, correction1: 10,
                correction2: 1000, gradientScale: scale, clip: clip, panels: panels, on: context)
        case .plain:
            try sgdStep(
                weights: w.mutableSpan, gradient: g.span, velocity: nil, rate: 0.1, weightDecay: 0.1,
                gradientScale: scale, clip: clip, panels: panels, on: context)
        case .momentum, .nesterov:
            try sgdStep(
                weights: w.mutableSpan, gradient: g.span, velocity: first.mutableSpan, rate: 0.1, momentum: 0.9,
                nesterov: self == .nesterov, l2: 0.05, gradientScale: scale, clip: clip, panels: panels, on: context)
        case .lion:
            try lionStep(
                weights: w.mutableSpan, gradient: g.span, momentum: first.mutableSpan, rate: 0.01,
                weightDecay: 0.1, gradientScale: scale, clip: clip, panels: panels, on: context)
        }
        (x.w, x.first, x.second) = (w, first, second)
    }
}

@Suite struct FusedStepTests {
    static let shapes = [(1, 5), (33, 31), (64, 130), (3, 2049), (40, 70)]

    @Test("packed forms are those of the new weights, which are those of the plain step", arguments: FusedRule.allCases)
    func packs(_ rule: FusedRule) throws {
        for (index, (rows, columns)) in Self.shapes.enumerated() {
            let start = StepArrays(rows, columns, seed: UInt64(index))
            for product: MatrixProduct in [.bf16, .f16, .f32] {
                try onEveryVariant(rule.variants, threads: rows * columns < 3000 ? threadCounts : [2]) {
                    label, context in
                    let here = "\(label), \(rule), \(rows)x\(columns), \(product)"
                    var plain = start, fused = start
                    try rule.step(&plain, scale: 0.5, on: context)
                    let panels = WeightPanels(
                        forward: try PackedMatrix(empty: product, N: rows, K: columns, on: context),
                        backward: try PackedMatrix(empty: product, N: columns, K: rows, on: context))
                    try rule.step(&fused, scale: 0.5, panels: panels, on: context)
                    for (a, b) in [(plain.w, fused.w), (plain.first, fused.first), (plain.second, fused.second)] {
                        #expect(firstDifference(a, b) == nil, "\(here)")
                    }
                    let expected = plain.w.map { rounded($0, for: product) }
                    if columns < 1000 {
                        #expect(
                            try contents(of: #require(panels.forward), on: context) == expected, "\(here), forward")
                    }
                    let back = try contents(of: #require(panels.backward), on: context)
                    #expect(turned(back, columns, rows) == expected, "\(here), backward")
                }
            }
        }
    }

    /// Norm and updates in one list, as one gradient scale computed before.
    @Test("a norm from memory clips", arguments: FusedRule.allCases)
    func clips(_ rule: FusedRule) throws {
        let (rows, columns) = (37, 100)
        let start = StepArrays(rows, columns, seed: 3)
        for threads in threadCounts {
            let context = try Context(threads: threads)
            let sum = try sumOfSquares(start.g.span, on: context)
            for (limit, scale) in [(sum.squareRoot() / 4, 0.25), (1e9, 1), (.infinity, 1)] {
                var expected = start, found = start
                try rule.step(&expected, scale: scale, on: context)
                let list = try OperationList(on: context)
                let squares = try Memory<Double>(count: 2)
                let total = try Memory<Double>(count: 1)
                // One array in two parts.
                let g = start.g
                try sumOfSquares(
                    g.span.extracting(..<1000), into: squares.mutableSpan(0..<1), on: list.context)
                try sumOfSquares(
                    g.span.extracting(1000...), into: squares.mutableSpan(1..<2), on: list.context)
                try norm(ofSquares: squares.span, into: total.mutableSpan, on: list.context)
                try list.run()
                #expect(abs(total.span[0] - sum.squareRoot()) <= 1e-12 * sum.squareRoot())
                try rule.step(&found, clip: NormClip(norm: total, limit: limit), on: context)
                // The scale may differ in the last place of a float.
                let excess = worstExcess(found.w, expected: expected.w.map(Double.init)) { _ in 0x1p-20 }
                #expect(excess == nil, "\(rule), limit \(limit): \(excess ?? "")")
                if scale == 1 { #expect(firstDifference(found.w, expected.w) == nil, "\(rule), limit \(limit)") }
            }
        }
    }

    @Test("a norm that is not finite changes nothing", arguments: FusedRule.allCases)
    func leavesAlone(_ rule: FusedRule) throws {
        let context = try Context(threads: 2)
        let start = StepArrays(40, 50, seed: 4)
        let forward = try PackedMatrix(empty: .bf16, N: 40, K: 50, on: context)
        let total = try Memory<Double>(count: 1)
        for bad in [Double.nan, .infinity, -.infinity] {
            var span = total.mutableSpan
            span[0] = bad
            var found = start
            try rule.step(
                &found, clip: NormClip(norm: total, limit: .infinity), panels: WeightPanels(forward: forward),
                on: context)
            #expect(found.w == start.w && found.first == start.first && found.second == start.second, "\(rule), \(bad)")
            #expect(try contents(of: forward, on: context).allSatisfy { $0 == 0 }, "\(rule), \(bad)")
        }
    }

    /// Chen et al., Algorithm 2, in double precision. A direction near zero may go either way: its sign is decided by
    /// rounding, so the inputs keep it away from zero.
    @Test func lionFollowsTheAlgorithm() throws {
        let (rate, beta1, beta2, decay) = (0.25, 0.5, 0.75, 0.5)
        for count in [1, 3, 4, 5, 15, 16, 17, 33, 20_000] {
            // Small fractions: everything is exact.
            let start: [Float] = (0..<count).map { i -> Float in Float(i % 15 - 7) / 4 }
            let first: [Float] = (0..<count).map { i -> Float in Float(i % 7 - 3) }
            let second: [Float] = (0..<count).map { i -> Float in Float(i % 5 - 2) }
            let gradients = [first, second]
            var w = start.map(Double.init)
            var m = [Double](repeating: 0, count: count)
            for gradient in gradients {
                for i in 0..<count {
                    let g = Double(gradient[i]), c = beta1 * m[i] + (1 - beta1) * g
                    let sign: Double = c > 0 ? 1 : c < 0 ? -1 : 0
                    w[i] -= rate * (sign + decay * w[i])
                    m[i] = beta2 * m[i] + (1 - beta2) * g
                }
            }
            try onEveryVariant(Kernels.lion) { label, context in
                var actual = start
                var momentum = [Float](repeating: 0, count: count)
                for gradient in gradients {
                    try lionStep(
                        weights: actual.mutableSpan, gradient: gradient.span, momentum: momentum.mutableSpan,
                        rate: rate, beta1: beta1, beta2: beta2, weightDecay: decay, on: context)
                }
                #expect(actual.map(Double.init) == w && momentum.map(Double.init) == m, "\(label), \(count) weights")
            }
        }
    }
}
