import Testing

@testable import bench

/// The rank test against every way to deal the values out, which is what its probability means.
@Suite struct RankDistributionTests {
    /// The share of all ways to choose `a`'s values from both samples' whose U is at least as far from its mean. In halves, so
    /// that ties stay exact.
    private func dealtOut(_ a: [Int], _ b: [Int]) -> Double {
        let pool = a + b
        func distance(_ mask: Int) -> Int {
            var twice = 0
            for i in pool.indices where mask >> i & 1 == 1 {
                for j in pool.indices where mask >> j & 1 == 0 {
                    twice += pool[i] > pool[j] ? 2 : pool[i] == pool[j] ? 1 : 0
                }
            }
            return abs(twice - a.count * b.count)
        }
        let observed = distance((1 << a.count) - 1)
        let masks = (0..<(1 << pool.count)).filter { $0.nonzeroBitCount == a.count }
        return Double(masks.count { distance($0) >= observed }) / Double(masks.count)
    }

    private struct Draw {
        var state: UInt64
        mutating func below(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
    }

    @Test("without ties, exactly", arguments: [1, 2, 3, 4, 5, 6])
    func exact(m: Int) {
        for n in 1...6 {
            for seed in 0..<4 {
                var draw = Draw(state: UInt64(m * 100 + n * 10 + seed))
                var values = Array(1...(m + n))
                for i in values.indices.dropLast() { values.swapAt(i, i + draw.below(values.count - i)) }
                let (a, b) = (Array(values.prefix(m)), Array(values.suffix(n)))
                let expected = dealtOut(a, b)
                #expect(abs(RankTest.probability(a, b) - expected) < 1e-12, "m \(m), n \(n), seed \(seed): \(a), \(b)")
                #expect(abs(RankTest.probability(b, a) - expected) < 1e-12, "m \(m), n \(n), seed \(seed): \(a), \(b)")
            }
        }
    }

    @Test("with ties, by the normal approximation", arguments: 0..<6)
    func ties(seed: Int) {
        var draw = Draw(state: UInt64(seed))
        let a = (0..<7).map { _ in draw.below(6) }
        let b = (0..<7).map { _ in draw.below(6) + seed / 2 }
        // Good to a few hundredths near the middle, where nothing hangs on it.
        #expect(abs(RankTest.probability(a, b) - dealtOut(a, b)) < 0.05, "seed \(seed): \(a), \(b)")
        #expect(RankTest.u(a, b) + RankTest.u(b, a) == 49)
    }

    @Test("exact and approximate agree where they meet")
    func seam() {
        // 400 pairs are counted, 420 are approximated.
        let a = (0..<20).map { 2 * $0 }
        let (counted, approximated) = ((0..<20).map { 2 * $0 + 7 }, (0..<21).map { 2 * $0 + 7 })
        #expect(abs(RankTest.probability(a, counted) - RankTest.probability(a, approximated)) < 0.05)
        // All below all: 2 in (40 over 20), about 1.45e-11.
        let far = (100..<120).map { $0 }
        #expect(abs(RankTest.probability(Array(0..<20), far) / 1.4508889e-11 - 1) < 1e-4)
    }

    @Test("four samples cannot differ, five can")
    func few() {
        #expect(abs(RankTest.probability([1, 2, 3, 4], [5, 6, 7, 8]) - 2.0 / 70) < 1e-12)
        #expect(!RankTest.differ([1, 2, 3, 4], [5, 6, 7, 8, 9, 10, 11, 12]))
        #expect(RankTest.differ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]))
        #expect(RankTest.probability([], [1]) == 1)
    }
}
