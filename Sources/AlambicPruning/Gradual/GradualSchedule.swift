import AlambicTraining

/// How sparse a model is at each step of a training run (Zhu and Gupta 2017, "To prune, or not to prune", equation 1):
///
///     s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n Δt))³   for t = t_0, t_0 + Δt, …, t_0 + n Δt.
///
/// Fast in the beginning, where there is much to remove, and ever slower.
public struct GradualSchedule: Sendable, Equatable {
    /// s_i: where it starts.
    public let initial: Double
    /// s_f: where it ends.
    public let final: Double
    /// t_0: the first step, counted as the trainer counts steps done, after which weights go.
    public let start: Int
    /// Δt: steps from one mask to the next.
    public let interval: Int
    /// n: masks after the first.
    public let times: Int

    /// A schedule from `initial` at step `start` to `final` at step `start + times * interval`.
    ///
    /// - Throws: `.badSetting` for shares outside of 0...1 or in the wrong order, or counts that make no sense.
    public init(
        from initial: Double = 0, to final: Double, start: Int, every interval: Int, times: Int
    ) throws(TrainingError) {
        guard (0...1).contains(initial), (0...1).contains(final), initial <= final else {
            throw .badSetting(
                "a sparsity from \(initial) to \(final): use shares from 0 to 1, the smaller one first")
        }
        guard start >= 0, interval > 0, times > 0 else {
            throw .badSetting(
                "\(times) masks, one every \(interval) steps from step \(start) on: use at least 1 mask, 1 step and step 0"
            )
        }
        (self.initial, self.final, self.start, self.interval, self.times) = (initial, final, start, interval, times)
    }

    /// The last step at which weights go.
    public var end: Int { start + times * interval }

    /// s_t; `initial` before and `final` after.
    public func sparsity(at step: Int) -> Double {
        let rest = 1 - min(max(Double(step - start) / Double(times * interval), 0), 1)
        return final + (initial - final) * rest * rest * rest
    }

    /// Whether a mask is made after this step.
    public func isDue(at step: Int) -> Bool {
        (start...end).contains(step) && (step - start).isMultiple(of: interval)
    }
}
