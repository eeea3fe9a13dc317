/// The clusters with the least sum of squared distances there is, which in one dimension can be found (Wang and Song, "Ckmeans.1d.dp",
/// The R Journal 2011).
///
/// With c(i, j) the spread of the sorted weights i ..< j around their mean, the least cost of the first j weights in k clusters is
/// D(k, j) = min over i of D(k - 1, i) + c(i, j). The best i does not fall as j grows, so that the middle j of a range halves
/// the choices for those on both sides: O(count · n · log n) time; O(count · n) memory, 4 bytes for each weight and cluster.
public struct OptimalClusters: WeightClustering {
    /// Nothing to set.
    public init() {}

    /// The centroids of the best clusters; fewer than `count` where there are fewer different weights.
    public func centroids(of sorted: [Float], count: Int) -> [Float] {
        let n = sorted.count
        guard n > 0 && count > 0 else { return [] }
        precondition(n <= Int(UInt32.max), "the best clusters of \(n) weights: use Lloyd's algorithm beyond 2^32")
        let sums = RunningSums(sorted)
        var costs = (0...n).map { sums.spread(0..<$0) }
        // firsts[k - 1][j]: where the last of k + 1 clusters of the first j weights begins.
        var firsts: [[UInt32]] = []
        for _ in 1..<max(min(count, n), 1) {
            var layer = Layer(before: costs, sums: sums)
            layer.solve(1...n, choices: 0...n)
            costs = layer.costs
            firsts.append(layer.firsts)
        }
        var centroids: [Float] = []
        var end = n
        for layer in firsts.reversed() where end > 0 {
            let first = Int(layer[end])
            if first < end { centroids.append(Float(sums.mean(first..<end))) }
            end = first
        }
        if end > 0 { centroids.append(Float(sums.mean(0..<end))) }
        // Where clusters outnumber different weights, equal weights are cut into several clusters, whose centroids are the
        // same up to rounding. Only one of them is any weight's nearest; the nearest one stays what it is without the others.
        centroids.sort()
        var isUsed = [Bool](repeating: false, count: centroids.count)
        for weight in sorted { isUsed[nearest(centroids, to: weight)] = true }
        return centroids.indices.filter { isUsed[$0] }.map { centroids[$0] }
    }

    /// The costs with one cluster more.
    private struct Layer {
        let before: [Double]
        let sums: RunningSums
        var costs: [Double]
        var firsts: [UInt32]

        init(before: [Double], sums: RunningSums) {
            self.before = before
            self.sums = sums
            costs = [Double](repeating: 0, count: before.count)
            firsts = [UInt32](repeating: 0, count: before.count)
        }

        mutating func solve(_ ends: ClosedRange<Int>, choices: ClosedRange<Int>) {
            let end = (ends.lowerBound + ends.upperBound) / 2
            var best = (cost: Double.infinity, first: choices.lowerBound)
            for first in choices.lowerBound...min(choices.upperBound, end) {
                let cost = before[first] + sums.spread(first..<end)
                if cost < best.cost { best = (cost, first) }
            }
            costs[end] = best.cost
            firsts[end] = UInt32(best.first)
            if ends.lowerBound < end { solve(ends.lowerBound...end - 1, choices: choices.lowerBound...best.first) }
            if end < ends.upperBound { solve(end + 1...ends.upperBound, choices: best.first...choices.upperBound) }
        }
    }
}
