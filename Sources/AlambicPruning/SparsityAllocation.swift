import Foundation

/// A sparsity for each matrix, with what they cost and how much the loss is expected to rise.
public struct SparsityAllocation: Sendable {
    /// In the order of the matrices.
    public let sparsities: [Double]
    /// The matrices' cost in all.
    public let cost: Double
    /// The sum of what each matrix alone does to the loss, before any retraining, in nats per token.
    public let increase: Double
}

/// Deals sparsity out to matrices so that the loss rises as little as it can at a given cost, as far as losses add up:
/// minimise Σ increase_m(s_m) subject to Σ cost_m(s_m) <= budget.
///
/// For every price of a unit of cost the best sparsity of a matrix is a corner of the lower convex hull of its points
/// (cost, increase), whatever the others do. Walking all hulls from dense on, always along the edge with the least increase per cost
/// saved, passes through all these solutions (Everett 1963, "Generalized Lagrange multiplier method"); on the edge at
/// which the budget is met, the sparsity between its ends is found by bisection. So all but one matrix are at corners, and what
/// is lost to the best of all choices is at most a part of that one edge.
public struct SparsityAllocator: Sendable {
    private struct Corner {
        let sparsity: Double
        let cost: Double
        let increase: Double
    }

    /// What there is to prune.
    public let matrices: [MatrixSensitivity]
    private let price: any CostModel
    private let hulls: [[Corner]]
    /// Sparsities that are looked at for each matrix, besides those of its points.
    private static let steps = 200

    /// An allocator for these matrices at these costs.
    public init(_ matrices: [MatrixSensitivity], cost: some CostModel) {
        self.matrices = matrices
        price = cost
        hulls = matrices.map { Self.hull(of: $0, cost) }
    }

    /// The cost of all matrices dense.
    public var densestCost: Double { hulls.reduce(0) { $0 + ($1.first?.cost ?? 0) } }
    /// The least cost that can be reached.
    public var leastCost: Double { hulls.reduce(0) { $0 + ($1.last?.cost ?? 0) } }
    /// Every matrix as sparse as it was looked at.
    public var sparsest: SparsityAllocation { allocation(hulls.map { $0.last?.sparsity ?? 0 }) }

    /// The sparsities with the least increase of the loss at a cost of at most `budget`, or nil where that cannot be reached.
    public func allocate(_ budget: Double) -> SparsityAllocation? {
        guard budget >= leastCost else { return nil }
        var sparsities = [Double](repeating: 0, count: matrices.count)
        var total = densestCost
        for edge in edges() {
            if total <= budget { break }
            let hull = hulls[edge.matrix]
            let (a, b) = (hull[edge.corner], hull[edge.corner + 1])
            let rest = total - a.cost
            if rest + b.cost > budget {
                sparsities[edge.matrix] = b.sparsity
                total = rest + b.cost
                continue
            }
            // Here the budget is met, between a and b: b meets it.
            var (low, high) = (a.sparsity, b.sparsity)
            for _ in 0..<50 {
                let middle = (low + high) / 2
                if rest + cost(edge.matrix, middle) <= budget { high = middle } else { low = middle }
            }
            sparsities[edge.matrix] = high
            break
        }
        return allocation(sparsities)
    }

    /// What these sparsities cost.
    public func allocation(_ sparsities: [Double]) -> SparsityAllocation {
        precondition(
            sparsities.count == matrices.count, "\(sparsities.count) sparsities for \(matrices.count) matrices")
        return SparsityAllocation(
            sparsities: sparsities, cost: sparsities.indices.reduce(0) { $0 + cost($1, sparsities[$1]) },
            increase: zip(matrices, sparsities).reduce(0) { $0 + $1.0.increase(at: $1.1) })
    }

    private func cost(_ matrix: Int, _ sparsity: Double) -> Double {
        price.cost(of: (matrices[matrix].outputs, matrices[matrix].inputs), sparsity: sparsity)
    }

    /// All edges of all hulls, the cheapest first. Those of one hull rise in their slope, so that they come in their order.
    private func edges() -> [(matrix: Int, corner: Int)] {
        var edges: [(matrix: Int, corner: Int, slope: Double)] = []
        for (matrix, hull) in hulls.enumerated() {
            for corner in hull.indices.dropLast() {
                let slope = Self.slope(hull[corner], hull[corner + 1])
                edges.append((matrix, corner, slope))
            }
        }
        return edges.sorted { ($0.slope, $0.matrix, $0.corner) < ($1.slope, $1.matrix, $1.corner) }
            .map { ($0.matrix, $0.corner) }
    }

    /// Increase per cost saved.
    private static func slope(_ a: Corner, _ b: Corner) -> Double {
        (b.increase - a.increase) / max(a.cost - b.cost, .leastNormalMagnitude)
    }

    /// The corners of a matrix, from dense on: falling in cost, rising in increase and in slope.
    private static func hull(of matrix: MatrixSensitivity, _ cost: some CostModel) -> [Corner] {
        let fine = (1...steps).map { Double($0) / Double(steps) * matrix.sparsest }
        let all = Set(fine + matrix.points.map(\.sparsity)).subtracting([0]).sorted()
        func corner(_ sparsity: Double) -> Corner {
            Corner(
                sparsity: sparsity, cost: cost.cost(of: (matrix.outputs, matrix.inputs), sparsity: sparsity),
                increase: matrix.increase(at: sparsity))
        }
        var hull = [corner(0)]
        for next in all.map(corner) where next.cost < (hull.last?.cost ?? 0) {
            while hull.count > 1, slope(hull[hull.count - 1], next) <= slope(hull[hull.count - 2], hull[hull.count - 1])
            {
                hull.removeLast()
            }
            hull.append(next)
        }
        return hull
    }
}
