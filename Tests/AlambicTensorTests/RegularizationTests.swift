import AlambicKernels
import AlambicTestSupport
import Foundation
import Testing

@testable import AlambicTensor

@Suite struct LabelSmoothingTests {
    /// Against the definition in double precision: -Σ q log p, and p - q.
    @Test(arguments: [1, 2, 5, 16, 17, 64, 100]) func matchesTheDefinition(vocabulary: Int) throws {
        let (rows, smoothing, scale) = (9, 0.1, 0.25)
        var generator = SplitMix(seed: UInt64(vocabulary))
        let logits = generator.normals(rows * vocabulary, deviation: 3)
        var targets = generator.integers(rows, in: 0...Int32(vocabulary - 1))
        targets[4] = ignoredTarget
        var losses = [Double](repeating: 0, count: rows)
        var gradient = [Double](repeating: 0, count: logits.count)
        for i in 0..<rows where targets[i] >= 0 {
            let x = logits[i * vocabulary..<(i + 1) * vocabulary].map(Double.init)
            let sum = x.reduce(0) { $0 + exp($1) }
            for j in 0..<vocabulary {
                let q = (j == Int(targets[i]) ? 1 - smoothing : 0) + smoothing / Double(vocabulary)
                losses[i] -= q * (x[j] - log(sum))
                gradient[i * vocabulary + j] = scale * (exp(x[j]) / sum - q)
            }
        }
        for variant in Kernels.crossEntropy where variant.runsHere {
            for threads in [1, 2] {
                let context = try variant.context(threads: threads)
                var (x, found) = (logits, [Float](repeating: .nan, count: rows))
                try smoothedCrossEntropy(
                    x.mutableSpan, targets: targets.span, rows: rows, vocabulary: vocabulary, smoothing: 0.1,
                    gradientScale: 0.25, losses: found.mutableSpan, on: context)
                let a = worstExcess(found, expected: losses) { _ in 4e-6 }
                let b = worstExcess(x, expected: gradient) { _ in 1e-6 }
                #expect(a == nil && b == nil, "\(variant), vocabulary \(vocabulary): \(a ?? "") \(b ?? "")")
            }
        }
    }

    /// Without smoothing the bits are those of plain cross-entropy; all of it is the distance to the uniform distribution.
    @Test func theEndsOfTheRange() throws {
        let vocabulary = 37
        var generator = SplitMix(seed: 4)
        let logits = generator.normals(3 * vocabulary, deviation: 2)
        let targets: [Int32] = [0, 36, 7]
        var (a, b, c) = (logits, logits, logits)
        var (la, lb, lc) = (
            [Float](repeating: 0, count: 3), [Float](repeating: 0, count: 3), [Float](repeating: 0, count: 3)
        )
        try crossEntropy(
            a.mutableSpan, targets: targets.span, rows: 3, vocabulary: vocabulary, gradientScale: 1,
            losses: la.mutableSpan, on: .default)
        try smoothedCrossEntropy(
            b.mutableSpan, targets: targets.span, rows: 3, vocabulary: vocabulary, smoothing: 0, gradientScale: 1,
            losses: lb.mutableSpan, on: .default)
        #expect(a == b && la == lb)
        try smoothedCrossEntropy(
            c.mutableSpan, targets: targets.span, rows: 3, vocabulary: vocabulary, smoothing: 1, gradientScale: 1,
            losses: lc.mutableSpan, on: .default)
        // Then the gradient forgets the target.
        var other = logits
        let others: [Int32] = [5, 5, 5]
        try smoothedCrossEntropy(
            other.mutableSpan, targets: others.span, rows: 3, vocabulary: vocabulary, smoothing: 1, gradientScale: 1,
            losses: lb.mutableSpan, on: .default)
        for (x, y) in zip(c, other) { #expect(abs(x - y) < 1e-6) }
        for smoothing in [-0.1, 1.1, Float.nan] {
            #expect(throws: KernelError.self) {
                try smoothedCrossEntropy(
                    b.mutableSpan, targets: targets.span, rows: 3, vocabulary: vocabulary, smoothing: smoothing,
                    gradientScale: 1, losses: lb.mutableSpan, on: .default)
            }
        }
    }
}

@Suite struct LabelSmoothingExtremeTests {
    private func losses(
        _ x: inout [Float], _ targets: [Int32], vocabulary: Int, on context: Context
    ) throws -> [Float] {
        var losses = [Float](repeating: 7, count: targets.count)
        try smoothedCrossEntropy(
            x.mutableSpan, targets: targets.span, rows: targets.count, vocabulary: vocabulary, smoothing: 0.1,
            gradientScale: 1, losses: losses.mutableSpan, on: context)
        return losses
    }

    /// Every target has a share of an excluded class, so that the loss is infinite; the gradient is not.
    @Test func excludedClasses() throws {
        for variant in Kernels.crossEntropy where variant.runsHere {
            let context = try variant.context(threads: 1)
            var x: [Float] = [0, -.infinity, 0, -.infinity]
            let infinite = try losses(&x, [0, 1], vocabulary: 2, on: context)
            #expect(infinite == [.infinity, .infinity], "\(variant)")
            // p = (1, 0), q = (0.95, 0.05) and (0.05, 0.95)
            for (found, wanted) in zip(x, [0.05, -0.05, 0.95, -0.95] as [Float]) {
                #expect(abs(found - wanted) < 1e-6, "\(variant)")
            }
            var broken: [Float] = [.nan, -.infinity, .infinity, -.infinity]
            let none = try losses(&broken, [0, 0], vocabulary: 2, on: context)
            #expect(none.allSatisfy { $0.isNaN }, "\(variant)")
        }
    }

    /// Logits may have any finite size, and so may their sum.
    @Test func largeLogits() throws {
        for variant in Kernels.crossEntropy where variant.runsHere {
            let context = try variant.context(threads: 1)
            var x = [Float](repeating: 3e38, count: 37)
            let equal = try losses(&x, [5], vocabulary: 37, on: context)
            #expect(abs(Double(equal[0]) - log(37)) < 1e-5, "\(variant)")
            // The other class has a share of 0.05, and is 6e38 below.
            var y: [Float] = [3e38, -3e38]
            let apart = try losses(&y, [0], vocabulary: 2, on: context)
            #expect(abs(apart[0] - 3e37) < 1e32, "\(variant)")
        }
    }
}

@Suite struct UnitDropoutTests {
    static let rates = [0, 0.5, 0.25, 0.9, 0.1, 0, 0.75]

    /// With one rate for all units it is dropout, mask by mask.
    @Test(arguments: [(1, 1), (3, 7), (40, 33), (129, 257)]) func equalRatesAreDropout(rows: Int, columns: Int) throws {
        var generator = SplitMix(seed: 3)
        let x = generator.floats(rows * columns)
        let units = try UnitDropout(inverted: [Double](repeating: 0.3, count: columns))
        let (thresholds, scales) = (units.thresholds, units.scales)
        for isa in instructionSets {
            let context = try context(isa)
            var (y, z) = (x, x)
            try unitDropout(
                x.span, rows: rows, columns: columns, thresholds: thresholds.span, scales: scales.span, seed: 5,
                stream: 9, firstElement: 16, into: y.mutableSpan, on: context)
            try dropout(
                x.span, rate: 0.3, seed: 5, stream: 9, firstElement: 16, into: z.mutableSpan, on: context)
            #expect(y == z, "\(rows)x\(columns), \(isa)")
        }
    }

    /// Units keep their own shares, and the inverted form its mean.
    @Test func everyUnitHasItsRate() throws {
        let (rows, columns) = (40_000, Self.rates.count)
        let ones = [Float](repeating: 1, count: rows * columns)
        for units in [try UnitDropout(inverted: Self.rates), try UnitDropout(paper: Self.rates)] {
            let tape = try Tape([], on: try Context(threads: 2))
            try tape.begin(seed: 11)
            let y = try tape.dropout(tape.place(try Tensor([rows, columns], ones)), units: units).value.elements
            for (unit, rate) in Self.rates.enumerated() {
                let column = (0..<rows).map { Double(y[$0 * columns + unit]) }
                let kept = Double(column.count { $0 != 0 }) / Double(rows)
                // Four standard deviations of a share of 40000.
                #expect(abs(kept - (1 - rate)) <= 4 * (rate * (1 - rate) / Double(rows)).squareRoot(), "unit \(unit)")
                let scale = units.scales.elements[unit]
                #expect(column.allSatisfy { $0 == 0 || $0 == Double(scale) }, "unit \(unit)")
            }
        }
        let inverted = try UnitDropout(inverted: [0.5, 0]), paper = try UnitDropout(paper: [0.5, 0])
        #expect(inverted.scales.elements == [2, 1] && paper.scales.elements == [1, 1])
    }

    @Test func testTimeScalingIsByTheRetention() throws {
        let weights = try Tensor([2, 3], [1, 2, 3, 4, 5, 6])
        let paper = try UnitDropout(paper: [0.5, 0, 0.75])
        #expect(try paper.retained(weights).elements == [0.5, 2, 0.75, 2, 5, 1.5])
        #expect(try UnitDropout(inverted: [0.5, 0, 0.75]).retained(weights).elements == weights.elements)
        #expect(weights.elements[0] == 1, "a copy")
        for rate in [-0.1, 1, 0.99999999, .nan] {
            #expect(throws: KernelError.self) { try UnitDropout(inverted: [rate]) }
        }
    }

    @Test func theGradientHasTheMask() throws {
        for isa in instructionSets {
            let tape = try Tape([], on: try context(isa))
            try tape.begin(seed: 2)
            var generator = SplitMix(seed: 1)
            let shape: Shape = [2, 5, 7]
            let x = tape.place(try Tensor(shape, generator.floats(shape.count, in: 1...2)))
            let y = try tape.dropout(x, units: try UnitDropout(inverted: Self.rates))
            try tape.seed(try Tensor(shape, [Float](repeating: 1, count: shape.count)), of: y)
            try tape.backward()
            let gradient = try #require(tape.gradient(of: x)).elements
            for (i, (g, (a, b))) in zip(gradient, zip(x.value.elements, y.value.elements)).enumerated() {
                #expect(abs(g * a - b) <= 1e-6 * abs(b), "\(isa), element \(i)")
            }
            try tape.begin(seed: 2, dropout: false)
            let z = tape.place(x.value)
            #expect(
                try tape.dropout(z, units: try UnitDropout(inverted: Self.rates)).value.elements == x.value.elements)
        }
    }
}

@Suite struct StochasticDepthTests {
    @Test func samplesAreDroppedAsAWhole() throws {
        let (samples, rate) = (4000, 0.25)
        let shape: Shape = [samples, 3, 5]
        for isa in instructionSets {
            let tape = try Tape([], on: try context(isa))
            try tape.begin(seed: 6)
            let x = tape.place(try Tensor(shape, [Float](repeating: 3, count: shape.count)))
            let y = try tape.stochasticDepth(x, rate: Float(rate))
            let values = y.value.elements
            var kept = 0
            for sample in 0..<samples {
                let own = values[15 * sample..<15 * (sample + 1)]
                #expect(own.allSatisfy { $0 == own.first }, "sample \(sample)")
                if own.first == 4 { kept += 1 } else { #expect(own.first == 0) }
            }
            #expect(abs(Double(kept) / Double(samples) - 0.75) < 4 * (0.1875 / Double(samples)).squareRoot())
            try tape.seed(try Tensor(shape, [Float](repeating: 1, count: shape.count)), of: y)
            try tape.backward()
            let gradient = try #require(tape.gradient(of: x)).elements
            #expect(gradient == values.map { $0 / 3 }, "\(isa)")
            try tape.begin(seed: 6, dropout: false)
            let z = tape.place(x.value)
            #expect(try tape.stochasticDepth(z, rate: 0.5).value.elements == x.value.elements)
        }
    }

    @Test func ratesRiseInAStraightLine() {
        #expect((0..<4).map { stochasticDepthRate(branch: $0, of: 4, last: 0.5) } == [0.125, 0.25, 0.375, 0.5])
    }
}
