import Foundation

/// Whether two samples differ beyond chance: the Mann–Whitney U test, two-sided (Mann & Whitney, 1947). Exact for small samples
/// without ties, otherwise by the normal approximation, corrected for ties and for continuity.
enum RankTest {
    /// Level of a clear difference.
    static let level = 0.01
    /// Two samples of four cannot reach 1 %: the most extreme order has a probability of 2 in 70. Five can: 2 in 252.
    static let leastSamples = 5
    /// Up to this many pairs the distribution of U is counted.
    static let exactPairs = 400

    /// The U statistic of `a`: pairs in which the value of `a` is the larger one, ties counting half.
    static func u(_ a: [Int], _ b: [Int]) -> Double {
        var u = 0.0
        for x in a { for y in b { u += x > y ? 1 : x == y ? 0.5 : 0 } }
        return u
    }

    /// The probability of a U at least this far from its mean when both samples come from one distribution.
    static func probability(_ a: [Int], _ b: [Int]) -> Double {
        let (m, n) = (Double(a.count), Double(b.count))
        let all = m + n
        guard m > 0, n > 0 else { return 1 }
        if a.count * b.count <= exactPairs, Set(a + b).count == a.count + b.count {
            let u = Int(u(a, b))
            return min(1, 2 * tail(a.count, b.count, min(u, a.count * b.count - u)))
        }
        let groups = Dictionary((a + b).map { ($0, 1.0) }, uniquingKeysWith: +).values
        var ties = 0.0
        for size in groups { ties += size * size * size - size }
        let variance = m * n / 12 * (all + 1 - ties / (all * (all - 1)))
        guard variance > 0 else { return 1 }
        let distance = max(0, abs(u(a, b) - m * n / 2) - 0.5) / variance.squareRoot()
        return erfc(distance / 2.0.squareRoot())
    }

    /// The probability of a U of at most `most` when all orders of m and n values are alike.
    ///
    /// The number of orders with U = u is the coefficient of q^u in the Gaussian binomial, the product over i from 1 to m of
    /// (1 - q^(n + i)) / (1 - q^i).
    private static func tail(_ m: Int, _ n: Int, _ most: Int) -> Double {
        var orders = [Double](repeating: 0, count: m * n + 1)
        orders[0] = 1
        for i in 1...m {
            for u in stride(from: m * n, through: n + i, by: -1) { orders[u] -= orders[u - n - i] }
            for u in stride(from: i, through: m * n, by: 1) { orders[u] += orders[u - i] }
        }
        return orders[0...most].reduce(0, +) / orders.reduce(0, +)
    }

    static func differ(_ a: [Int], _ b: [Int]) -> Bool {
        min(a.count, b.count) >= leastSamples && probability(a, b) < level
    }
}
