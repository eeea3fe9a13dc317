import AlambicTestSupport
import Foundation
import Testing

@testable import AlambicQuantization

@Suite struct ObserverTests {
    private static func range(
        _ observer: some RangeObserver, _ batches: [[Float]], _ form: AffineForm = .activations()
    ) throws -> ClosedRange<Float> {
        var observer = observer
        for batch in batches { try observer.observe(batch.span) }
        return try observer.range(for: form, of: "values")
    }

    @Test func minMaxIsTheWholeRange() throws {
        #expect(try Self.range(MinMaxObserver(), [[1, 2], [], [-3, 0.5], [1.5]]) == -3...2)
        #expect(try Self.range(MinMaxObserver(), [[7]]) == 7...7)
    }

    /// 0.75 · (-1) + 0.25 · (-3) and so on.
    @Test func movingAveragesByHand() throws {
        let batches: [[Float]] = [[-1, 0, 1], [-3, 5], [], [-1.5, -1.5]]
        #expect(try Self.range(MovingAverageObserver(decay: 0.75), Array(batches.prefix(1))) == -1...1)
        #expect(try Self.range(MovingAverageObserver(decay: 0.75), Array(batches.prefix(2))) == -1.5...2)
        #expect(try Self.range(MovingAverageObserver(decay: 0.75), batches) == -1.5...1.125)
        #expect(try Self.range(MovingAverageObserver(decay: 0), batches) == -1.5 ... -1.5)
    }

    /// Values 1 ... 1000 in bins of 1/4: 5 % lie below 51, and 5 % from 951 on.
    @Test func percentilesByHand() throws {
        let values = (1...1000).map(Float.init)
        #expect(try Self.range(PercentileObserver(share: 0.9), [values]) == 51...950.25)
        #expect(try Self.range(PercentileObserver(share: 1), [values]) == 1...1000)
        #expect(try Self.range(PercentileObserver(share: 0.9), [values.map { -$0 }]) == -950 ... -50.75)
        // Half of them are zeros: so are the outermost 5 % on that side.
        let zeros = [Float](repeating: 0, count: 1000)
        #expect(try Self.range(PercentileObserver(share: 0.9), [values, zeros]) == 0...900.25)
    }

    @Test func percentilesIgnoreAnOutlier() throws {
        var random = SplitMix(seed: 1)
        let values = random.normals(100_000)
        let range = try Self.range(PercentileObserver(), [values, [1000]])
        // One bin is 1024 / 4096.
        #expect(range.upperBound <= 4.75 && range.upperBound >= 3)
    }

    /// Against every candidate's error over the values themselves.
    @Test(arguments: [2, 4, 8], Symmetry.allCases) func mseIsTheLeast(bits: Int, symmetry: Symmetry) throws {
        let form = AffineForm(bits: bits, levels: .signed, symmetry: symmetry)
        var random = SplitMix(seed: UInt64(bits))
        let values = random.normals(4000) + [8, -3, 12]
        func error(_ range: ClosedRange<Float>) -> Double {
            let (low, high) = (min(0, Double(range.lowerBound)), max(0, Double(range.upperBound)))
            let top = pow(2, Double(bits - 1))
            let s = symmetry == .symmetric ? max(-low, high) / (top - 1) : (high - low) / (2 * top - 1)
            let z = symmetry == .symmetric ? 0 : (-top - low / s).rounded()
            return values.reduce(0) { sum, x in
                let q = min(max((Double(x) / s).rounded() + z, -top), top - 1)
                return sum + pow(Double(x) - s * (q - z), 2)
            }
        }
        let found = try Self.range(MSEObserver(), [values], form)
        let least = (1...128).map { error(scaled(values, $0)) }.min() ?? 0
        #expect(error(found) <= 1.02 * least, "\(found): \(error(found)) against \(least)")
        if bits < 8 { #expect(error(found) < 0.7 * error(scaled(values, 128))) }
    }

    private func scaled(_ values: [Float], _ share: Int) -> ClosedRange<Float> {
        let a = Float(share) / 128
        return a * (values.min() ?? 0)...a * (values.max() ?? 0)
    }

    /// The method as the slides have it, with distributions written out.
    @Test(arguments: [4, 6, 8]) func entropyIsTheSlidesMethod(bits: Int) throws {
        var random = SplitMix(seed: UInt64(bits))
        // Heavy tails.
        let values = zip(random.normals(3000), random.normals(3000)).map { $0 * $1 * $1 }
        var histogram = Histogram()
        try histogram.add(values.span, of: "values")
        let (counts, levels) = (histogram.magnitudes, 1 << (bits - 1))
        let last = try #require(counts.lastIndex { $0 > 0 })
        var (best, least) = (0, Double.infinity)
        for end in levels...last + 1 {
            var p = counts[..<end].map(Double.init)
            let outside = counts[end...].reduce(0, +)
            var q = [Double](repeating: 0, count: end)
            for level in 0..<levels {
                let bins = (0..<end).filter { $0 >= level * end / levels && $0 < (level + 1) * end / levels }
                let occupied = bins.filter { p[$0] > 0 }
                for bin in occupied { q[bin] = bins.reduce(0) { $0 + p[$1] } / Double(occupied.count) }
            }
            p[end - 1] += Double(outside)
            let (pSum, qSum) = (p.reduce(0, +), q.reduce(0, +))
            var divergence = 0.0
            for i in 0..<end where p[i] > 0 { divergence += p[i] / pSum * log((p[i] / pSum) / (q[i] / qSum)) }
            if divergence <= least { (best, least) = (end, divergence) }
        }
        #expect(EntropyObserver.threshold(counts, levels: levels) == best)
        let form = AffineForm(bits: bits, levels: .narrow, symmetry: .symmetric)
        let range = try Self.range(EntropyObserver(), [values], form)
        #expect(
            abs(range.upperBound - Float(Double(best) * histogram.width)) < 1e-6 || range.upperBound == values.max())
        #expect(range.upperBound < 0.9 * (values.map { abs($0) }.max() ?? 0))
    }

    @Test func fewValuesAreNotCutOffByEntropy() throws {
        #expect(try Self.range(EntropyObserver(), [[0, 0]]) == 0...0)
        #expect(try Self.range(EntropyObserver(), [[0.3, 0.3, 0.3]]) == 0.3...0.3)
        #expect(try Self.range(EntropyObserver(), [[-2, -2]]) == -2 ... -2)
    }

    @Test func countsDoNotDependOnBatches() throws {
        var random = SplitMix(seed: 9)
        // Magnitudes over fifty powers of two.
        let values = zip(random.floats(5000), random.integers(5000, in: -30...20)).map {
            $0 * Float(sign: .plus, exponent: $1, significand: 1)
        }
        var (whole, parts, reversed) = (Histogram(), Histogram(), Histogram())
        try whole.add(values.span, of: "values")
        for value in values { try parts.add([value].span, of: "values") }
        for value in values.reversed() { try reversed.add([value].span, of: "values") }
        #expect(whole.counts == parts.counts && whole.counts == reversed.counts && whole.width == parts.width)
        #expect(whole.total == 5000)
        for (bin, count) in whole.counts.enumerated() where bin % 97 == 0 || count > 100 {
            let low = Double(bin - Histogram.half) * whole.width
            #expect(count == values.count { $0 != 0 && Double($0) >= low && Double($0) < low + whole.width })
        }
    }

    @Test func extremesHaveTheirBins() throws {
        var histogram = Histogram()
        try histogram.add([.leastNonzeroMagnitude, 0].span, of: "values")
        try histogram.add([.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1, -1].span, of: "values")
        #expect(histogram.total == 6 && histogram.zeros == 1)
        #expect(histogram.counts[Histogram.half] == 2 && histogram.counts[Histogram.half - 1] == 1)
        #expect(histogram.counts.first == 1 && histogram.counts.last == 1)
    }

    private func check(_ type: any RangeObserver.Type) throws {
        var observer = type.init()
        let empty = #expect(throws: CalibrationError.self) { try observer.parameters(.activations(), of: "conv1") }
        #expect(
            "\(try #require(empty))"
                == "conv1: no values were observed, so there is no range: calibrate on data first")
        try observer.observe([Float]().span, of: "conv1")
        #expect(throws: CalibrationError.empty(name: "conv1")) { try observer.range(for: .weights(), of: "conv1") }
        let bad: [(Float, String)] = [(.nan, "not a number"), (.infinity, "inf"), (-.infinity, "-inf")]
        for (value, text) in bad {
            let error = #expect(throws: CalibrationError.self) { try observer.observe([1, value].span, of: "fc2") }
            #expect(
                "\(try #require(error))" == "fc2: value 1 is \(text), which no range contains: look for what made it")
        }
        #expect(throws: CalibrationError.empty(name: "conv1")) { try observer.range(for: .weights(), of: "conv1") }
        // All zero, and constant.
        try observer.observe([0, 0, 0].span)
        #expect(try observer.parameters(.activations()).scale == 1)
        #expect(try observer.parameters(.weights()) == AffineParameters.symmetric(0, 0))
        var constant = type.init()
        try constant.observe([0.25, 0.25].span)
        let parameters = try constant.parameters(.activations())
        #expect(abs(parameters.rounded(0.25) - 0.25) <= parameters.scale && parameters.scale <= 0.25 / 255 * 1.01)
    }

    @Test func badDataIsAnErrorByName() throws {
        #expect(RangeObservers.names == ["minmax", "moving-average", "percentile", "mse", "entropy"])
        for type in RangeObservers.all { try check(type) }
    }
}
