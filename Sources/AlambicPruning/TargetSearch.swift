/// Finds the sparsities at which a whole model just meets a limit, of bytes or of seconds for a token.
///
/// An allocator knows what matrices cost; what the rest of the model costs is measured: first with dense matrices, then again
/// with those that were found, until model and measurement agree. So an error of the cost model shifts the first guess and
/// not the result.
public struct TargetSearch: Sendable {
    /// How it ended.
    public enum Outcome: Sendable {
        /// The dense model measures this, and meets the limit.
        case metDense(measured: Double)
        /// With these sparsities it measures this.
        case reached(SparsityAllocation, measured: Double)
        /// As sparse as it was looked at, it measures this, which is over the limit.
        case unreachable(best: Double)
    }

    /// What deals out the sparsities.
    public let allocator: SparsityAllocator
    /// What the model is to measure at most.
    public let limit: Double
    /// What to aim at, as a share of the limit: a little less than 1 where measurements scatter.
    public let aim: Double
    /// How far below the limit, as a share of it, is near enough.
    public static let tolerance = 0.05
    private static let attempts = 5

    /// A search for at most `limit`.
    public init(_ allocator: SparsityAllocator, limit: Double, aim: Double = 1) {
        precondition(aim > 1 - Self.tolerance && aim <= 1, "an aim of \(aim) of the limit")
        (self.allocator, self.limit, self.aim) = (allocator, limit, aim)
    }

    /// Searches.
    ///
    /// - Parameter measure: what a model of matrices with these sparsities measures.
    public func run(measure: ([Double]) throws -> Double) rethrows -> Outcome {
        let dense = try measure([Double](repeating: 0, count: allocator.matrices.count))
        if dense <= limit { return .metDense(measured: dense) }
        var rest = dense - allocator.densestCost
        var best: (allocation: SparsityAllocation, measured: Double)?
        var sparsest: Double?
        for _ in 0..<Self.attempts {
            let allocation: SparsityAllocation
            if let found = allocator.allocate(limit * aim - rest) {
                allocation = found
            } else {
                // Out of reach, says the cost model: the last word is the measurement's.
                if sparsest != nil { break }
                allocation = allocator.sparsest
            }
            let measured = try measure(allocation.sparsities)
            if allocation.sparsities == allocator.sparsest.sparsities { sparsest = measured }
            if isBetter(measured, than: best?.measured) { best = (allocation, measured) }
            if measured <= limit, measured >= limit * (1 - Self.tolerance) { break }
            rest = measured - allocation.cost
        }
        if let best, best.measured <= limit { return .reached(best.allocation, measured: best.measured) }
        return .unreachable(
            best: try min(best?.measured ?? .infinity, sparsest ?? measure(allocator.sparsest.sparsities)))
    }

    /// The largest that meets the limit, else the smallest.
    private func isBetter(_ measured: Double, than best: Double?) -> Bool {
        guard let best else { return true }
        switch (measured <= limit, best <= limit) {
        case (true, true): return measured > best
        case (false, false): return measured < best
        case (let meets, _): return meets
        }
    }
}
