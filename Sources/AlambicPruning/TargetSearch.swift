/// Finds the sparsities at which a whole model just meets a limit, of bytes or of seconds for a token.
///
/// An allocator knows what matrices cost, not what the rest of the model does, nor how far its costs are off. So models are
/// measured: the dense one, and then those of the budgets at which a line through earlier measurements meets the limit (the
/// secant method, or regula falsi as soon as there is one on either side). An error of the cost model shifts the first guess and not
/// the result.
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
    /// How far below the aim, as a share of the limit, is so near that nothing more is tried.
    private static let near = 0.02
    private static let attempts = 8

    /// A search for at most `limit`.
    public init(_ allocator: SparsityAllocator, limit: Double, aim: Double = 1) {
        precondition(aim > 0.95 && aim <= 1, "an aim of \(aim) of the limit")
        (self.allocator, self.limit, self.aim) = (allocator, limit, aim)
    }

    /// Searches.
    ///
    /// - Parameter measure: what a model of matrices with these sparsities measures.
    public func run(measure: ([Double]) throws -> Double) rethrows -> Outcome {
        let dense = try measure([Double](repeating: 0, count: allocator.matrices.count))
        if dense <= limit { return .metDense(measured: dense) }
        let goal = limit * aim
        var over = [Point(cost: allocator.densestCost, measured: dense)]
        var under: Point?
        var best: (allocation: SparsityAllocation, measured: Double)?
        // What matrices do not explain stays.
        var budget = allocator.densestCost - (dense - goal)
        for attempt in 1...Self.attempts {
            // The last word on what is out of reach is a measurement.
            if attempt == Self.attempts, under == nil { budget = allocator.leastCost }
            let isSparsest = budget <= allocator.leastCost
            let allocation = allocator.allocate(max(budget, allocator.leastCost)) ?? allocator.sparsest
            let measured = try measure(allocation.sparsities)
            if isBetter(measured, than: best?.measured) { best = (allocation, measured) }
            if measured <= limit && measured >= limit * (aim - Self.near) { break }
            let point = Point(cost: allocation.cost, measured: measured)
            if measured <= limit {
                under = point
            } else {
                if isSparsest { break }
                over.append(point)
            }
            budget = next(over, under, goal)
        }
        if let best, best.measured <= limit { return .reached(best.allocation, measured: best.measured) }
        return .unreachable(best: best?.measured ?? dense)
    }

    private struct Point {
        let cost: Double
        let measured: Double
    }

    /// The budget to try next; at most the least cost where no line says better.
    private func next(_ over: [Point], _ under: Point?, _ goal: Double) -> Double {
        guard let last = over.last else { return allocator.leastCost }
        // Never at an end again, where measurements scatter.
        if let under {
            let share = (goal - under.measured) / max(last.measured - under.measured, .leastNormalMagnitude)
            return under.cost + (last.cost - under.cost) * min(max(share, 0.05), 0.95)
        }
        let before = over.count > 1 ? over[over.count - 2] : last
        let slope = (before.measured - last.measured) / (before.cost - last.cost)
        guard slope.isFinite, slope > 0 else { return allocator.leastCost }
        return last.cost - (last.measured - goal) / slope
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
