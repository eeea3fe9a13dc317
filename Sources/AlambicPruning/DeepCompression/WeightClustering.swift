/// Which few values the weights of a layer are to share: one-dimensional k-means. A cluster's value is its centroid, the
/// mean of the weights in it; a weight belongs to the nearest centroid, the lower one of two.
///
/// To add a method, write one file with a type that conforms.
public protocol WeightClustering: Sendable {
    /// At most `count` centroids, ascending, each nearest to at least one weight.
    ///
    /// - Parameter sorted: the weights in ascending order, all finite.
    func centroids(of sorted: [Float], count: Int) -> [Float]
}

/// Lloyd's algorithm (Lloyd 1957; Deep Compression, section 3.1): from some centroids, weights go to the nearest one, and
/// centroids to the mean of their weights, until nothing moves. What it ends with depends on where it starts.
///
/// In one dimension clusters are ranges of the sorted weights: an iteration moves the bounds between them, and means are
/// differences of running sums.
public struct Lloyd: WeightClustering {
    /// Where centroids start (section 3.2).
    public enum Start: Sendable, Equatable {
        /// Evenly spaced from the smallest to the largest weight: what the paper finds best, since the few large weights,
        /// which matter most, get centroids near them.
        case linear
        /// At evenly spaced shares of the sorted weights: most centroids are where most weights are.
        case density
        /// At weights drawn at random (Forgy).
        case random(seed: UInt64)
    }
    /// Where centroids start.
    public var start: Start
    /// Where it stops at the latest.
    public var iterations: Int

    /// Lloyd's algorithm.
    public init(start: Start = .linear, iterations: Int = 500) {
        self.start = start
        self.iterations = iterations
    }

    /// Centroids that Lloyd's algorithm ends with; clusters that lost all their weights are left out.
    public func centroids(of sorted: [Float], count: Int) -> [Float] {
        guard !sorted.isEmpty && count > 0 else { return [] }
        let sums = RunningSums(sorted)
        var centroids = starts(sorted, count)
        var bounds: [Int] = []
        for _ in 0..<iterations {
            let next = Self.bounds(of: centroids, in: sorted)
            if next == bounds { break }
            bounds = next
            for cluster in centroids.indices where bounds[cluster] < bounds[cluster + 1] {
                centroids[cluster] = sums.mean(bounds[cluster]..<bounds[cluster + 1])
            }
        }
        bounds = Self.bounds(of: centroids, in: sorted)
        return centroids.indices.filter { bounds[$0] < bounds[$0 + 1] }.map { Float(centroids[$0]) }
    }

    private func starts(_ sorted: [Float], _ count: Int) -> [Double] {
        let last = sorted.count - 1
        let (low, high) = (Double(sorted[0]), Double(sorted[last]))
        let places = (0..<count).map { count == 1 ? 0.5 : Double($0) / Double(count - 1) }
        switch start {
        case .linear: return places.map { low + $0 * (high - low) }
        case .density: return places.map { Double(sorted[Int(($0 * Double(last)).rounded())]) }
        case .random(var state):
            return places.map { _ in
                // Knuth's multiplier; the upper bits are the random ones.
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Double(sorted[Int((state >> 33) % UInt64(sorted.count))])
            }.sorted()
        }
    }

    /// Cluster c is bounds[c]..<bounds[c + 1] of the sorted weights, for ascending centroids.
    private static func bounds(of centroids: [Double], in sorted: [Float]) -> [Int] {
        var bounds = [0]
        for cluster in centroids.indices.dropLast() {
            let middle = (centroids[cluster] + centroids[cluster + 1]) / 2
            var (low, high) = (bounds[cluster], sorted.count)
            while low < high {
                let probe = (low + high) / 2
                if Double(sorted[probe]) <= middle { low = probe + 1 } else { high = probe }
            }
            bounds.append(low)
        }
        return bounds + [sorted.count]
    }
}

/// Sums of the first values and of their squares, which give means and spreads of ranges.
struct RunningSums {
    private var sums: [Double] = [0]
    private var squares: [Double] = [0]

    init(_ values: [Float]) {
        sums.reserveCapacity(values.count + 1)
        squares.reserveCapacity(values.count + 1)
        var (sum, square) = (0.0, 0.0)
        for value in values {
            sum += Double(value)
            square += Double(value) * Double(value)
            sums.append(sum)
            squares.append(square)
        }
    }

    func mean(_ range: Range<Int>) -> Double {
        (sums[range.upperBound] - sums[range.lowerBound]) / Double(range.count)
    }

    /// Sum of the squared distances from the mean.
    func spread(_ range: Range<Int>) -> Double {
        guard range.count > 1 else { return 0 }
        let sum = sums[range.upperBound] - sums[range.lowerBound]
        return max(squares[range.upperBound] - squares[range.lowerBound] - sum * sum / Double(range.count), 0)
    }
}

/// For each value the place of its nearest centroid, the lower one of two.
func nearest(_ centroids: [Float], to value: Float) -> Int {
    var (low, high) = (0, centroids.count - 1)
    while low < high {
        let probe = (low + high) / 2
        if Double(value) <= (Double(centroids[probe]) + Double(centroids[probe + 1])) / 2 {
            high = probe
        } else {
            low = probe + 1
        }
    }
    return low
}
