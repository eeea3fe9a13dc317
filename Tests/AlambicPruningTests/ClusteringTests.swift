import AlambicTestSupport
import Testing

@testable import AlambicPruning

/// The sum of squared distances to the nearest centroid, by looking at each.
private func cost(_ values: [Float], _ centroids: [Float]) -> Double {
    values.reduce(0) { sum, value in
        sum + (centroids.map { (Double(value) - Double($0)) * (Double(value) - Double($0)) }.min() ?? 0)
    }
}

/// The least cost of any way to cut sorted values into `count` ranges.
private func leastCost(_ sorted: ArraySlice<Float>, _ count: Int) -> Double {
    func spread(_ part: ArraySlice<Float>) -> Double {
        let mean = part.reduce(0) { $0 + Double($1) } / Double(part.count)
        return part.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
    }
    if sorted.isEmpty { return 0 }
    if count == 1 { return spread(sorted) }
    return (sorted.startIndex..<sorted.endIndex).map {
        spread(sorted[$0...]) + leastCost(sorted[..<$0], count - 1)
    }.min() ?? .infinity
}

@Suite struct ClusteringTests {
    /// By hand: from 0, 5 and 10 the values 0, 1, 2, 9 and 10 go to {0, 1, 2}, {} and {9, 10}; the empty cluster goes.
    /// From 0, 2 and 10 to {0, 1}, {2} and {9, 10}, and stay.
    @Test func linearStartByHand() {
        #expect(Lloyd().centroids(of: [0, 1, 2, 9, 10], count: 3) == [1, 9.5])
        #expect(Lloyd(start: .density).centroids(of: [0, 1, 2, 9, 10], count: 3) == [0.5, 2, 9.5])
        #expect(OptimalClusters().centroids(of: [0, 1, 2, 9, 10], count: 2) == [1, 9.5])
        // 1 is in the middle between 0 and 2: the lower one has it.
        #expect(Lloyd().centroids(of: [0, 1, 2], count: 2) == [0.5, 2])
        #expect([-1, 0, 1, 1.1, 2, 3].map { nearest([0, 2], to: $0) } == [0, 0, 0, 1, 1, 1])
    }

    @Test func fewValues() {
        for count in [1, 2, 5] {
            #expect(Lloyd().centroids(of: [], count: count) == [])
            #expect(OptimalClusters().centroids(of: [], count: count) == [])
            #expect(Lloyd().centroids(of: [3], count: count) == [3])
            #expect(OptimalClusters().centroids(of: [3], count: count) == [3])
            #expect(Lloyd().centroids(of: [2, 2, 2], count: count) == [2])
            #expect(Set(OptimalClusters().centroids(of: [2, 2, 2], count: count)) == [2])
        }
        #expect(OptimalClusters().centroids(of: [1, 2, 4], count: 3) == [1, 2, 4])
        // Every centroid is some weight's nearest, even where equal weights could be cut in two.
        let few: [(value: Float, times: Int)] = [(-0.3, 4), (0.1, 5), (0.7, 4)]
        let sorted = few.flatMap { [Float](repeating: $0.value, count: $0.times) }
        #expect(OptimalClusters().centroids(of: sorted, count: 5) == few.map(\.value))
        #expect(Lloyd().centroids(of: [1, 2], count: 1) == [1.5])
    }

    /// At the end every value is nearest to its own cluster's mean: Lloyd's condition, checked without Lloyd.
    @Test(arguments: [Lloyd.Start.linear, .density, .random(seed: 3)])
    func endsAtAFixedPoint(start: Lloyd.Start) {
        var random = SplitMix(seed: 7)
        for (n, count) in [(2, 2), (10, 3), (100, 7), (1000, 63)] {
            let values = random.normals(n).sorted()
            let centroids = Lloyd(start: start).centroids(of: values, count: count)
            #expect(centroids == centroids.sorted() && !centroids.isEmpty && centroids.count <= count)
            var members = [[Float]](repeating: [], count: centroids.count)
            for value in values {
                let best = centroids.indices.min { abs(centroids[$0] - value) < abs(centroids[$1] - value) } ?? 0
                #expect(
                    nearest(centroids, to: value) == best
                        || abs(
                            abs(centroids[best] - value)
                                - abs(centroids[nearest(centroids, to: value)] - value)) < 1e-6
                )
                members[nearest(centroids, to: value)].append(value)
            }
            for (centroid, member) in zip(centroids, members) {
                #expect(!member.isEmpty, "\(n) values, \(count) clusters")
                let mean = member.reduce(0) { $0 + Double($1) } / Double(max(member.count, 1))
                #expect(abs(mean - Double(centroid)) < 1e-6, "\(n) values, \(count) clusters")
            }
        }
    }

    @Test func optimalIsOptimal() {
        var random = SplitMix(seed: 11)
        for n in 1...9 {
            for count in 1...4 {
                let values = random.normals(n).sorted()
                let found = OptimalClusters().centroids(of: values, count: count)
                #expect(found.count <= count && found == found.sorted())
                #expect(abs(cost(values, found) - leastCost(values[...], count)) < 1e-5, "\(n) values, \(count)")
            }
        }
        let values = random.normals(3000).sorted()
        let best = cost(values, OptimalClusters().centroids(of: values, count: 31))
        for start in [Lloyd.Start.linear, .density, .random(seed: 1)] {
            #expect(best <= cost(values, Lloyd(start: start).centroids(of: values, count: 31)) * (1 + 1e-6))
        }
    }
}
