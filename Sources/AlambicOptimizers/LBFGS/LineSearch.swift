/// A line search for the strong Wolfe conditions (Nocedal and Wright 2006, Algorithms 3.5 and 3.6):
///
///     φ(α) <= φ(0) + c₁ α φ'(0),   |φ'(α)| <= c₂ |φ'(0)|,   φ(α) = f(x + α p)
///
/// A value that is not finite counts as too far. Where no step is found that satisfies both conditions, the best one that
/// satisfies the first is taken.
struct StrongWolfe<Vector: LBFGSVector> {
    /// A place on the line.
    struct Trial {
        var step: Double
        var value: Double
        var slope: Double
        var isFinite: Bool { value.isFinite && slope.isFinite }
    }
    enum Outcome { case strong, sufficientDecrease, failed }

    let c1: Double
    let c2: Double
    let most: Int
    /// Evaluations so far.
    private(set) var evaluations = 0
    private let start: Trial
    private let evaluate: (Double) throws -> Trial
    private let keep: (Trial) throws -> Void

    /// - Parameters:
    ///   - start: value and slope at 0.
    ///   - evaluate: value and slope at a step.
    ///   - keep: called when the last trial that was evaluated is the best so far.
    init(
        c1: Double, c2: Double, most: Int, start: Trial, evaluate: @escaping (Double) throws -> Trial,
        keep: @escaping (Trial) throws -> Void
    ) {
        (self.c1, self.c2, self.most) = (c1, c2, most)
        (self.start, self.evaluate, self.keep) = (start, evaluate, keep)
    }

    private func decreases(_ trial: Trial) -> Bool {
        trial.isFinite && trial.value <= start.value + c1 * trial.step * start.slope
    }
    private func isFlat(_ trial: Trial) -> Bool { abs(trial.slope) <= -c2 * start.slope }

    private mutating func at(_ step: Double) throws -> Trial {
        evaluations += 1
        return try evaluate(step)
    }

    /// Algorithm 3.5: lengthens the step until it brackets a good one.
    mutating func search(from first: Double) throws -> (Outcome, Trial) {
        var previous = start
        var step = first
        while evaluations < most {
            let trial = try at(step)
            if !decreases(trial) || (previous.step > 0 && trial.value >= previous.value) {
                return try zoom(previous, trial)
            }
            try keep(trial)
            if isFlat(trial) { return (.strong, trial) }
            if trial.slope >= 0 { return try zoom(trial, previous) }
            previous = trial
            step *= 2
        }
        return (previous.step > 0 ? .sufficientDecrease : .failed, previous)
    }

    /// Algorithm 3.6: `low` is the best place that decreases enough, and between it and `high` there is a good one.
    private mutating func zoom(_ first: Trial, _ last: Trial) throws -> (Outcome, Trial) {
        var (low, high) = (first, last)
        while evaluations < most {
            let step = Self.between(low, high)
            if step == low.step || step == high.step { break }
            let trial = try at(step)
            if !decreases(trial) || trial.value >= low.value {
                high = trial
                continue
            }
            try keep(trial)
            if isFlat(trial) { return (.strong, trial) }
            if trial.slope * (high.step - low.step) >= 0 { high = low }
            low = trial
        }
        return (low.step > 0 ? .sufficientDecrease : .failed, low)
    }

    /// The minimum of the cubic through values and slopes (equation 3.59), at least a tenth of the interval away from its
    /// ends; the middle where there is none.
    static func between(_ a: Trial, _ b: Trial) -> Double {
        let (width, middle) = (b.step - a.step, a.step + (b.step - a.step) / 2)
        guard a.isFinite, b.isFinite else { return middle }
        let d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step)
        let radicand = d1 * d1 - a.slope * b.slope
        guard radicand >= 0 else { return middle }
        let d2 = radicand.squareRoot() * (width < 0 ? -1 : 1)
        let step = b.step - width * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2)
        guard step.isFinite else { return middle }
        let share = (step - a.step) / width
        return a.step + width * min(max(share, 0.1), 0.9)
    }
}
