/// Exponential moving averages of the ends of each batch, as quantization-aware training has them (Jacob et al. 2018,
/// section 3.1):
///
///     min ← d min + (1 - d) min(batch),  max likewise;  the first batch is taken as it is
///
/// With d close to 1 a range is smooth over thousands of steps. What matters is which values come together: one call of
/// `observe` is one batch.
public struct MovingAverageObserver: RangeObserver {
    /// The name by which the registry knows it.
    public static let name = "moving-average"

    /// d: how much of the old averages stays, 0 ..< 1.
    public let decay: Float
    private var averages: (least: Float, greatest: Float)?

    /// d = 0.99.
    public init() { self.init(decay: 0.99) }

    /// An observer that has seen nothing.
    public init(decay: Float) {
        precondition(decay >= 0 && decay < 1, "a decay of \(decay): use one from 0 to below 1")
        self.decay = decay
    }

    /// An observer that goes on from averages that were kept.
    public init(decay: Float, range: ClosedRange<Float>) {
        self.init(decay: decay)
        averages = (range.lowerBound, range.upperBound)
    }

    /// Moves the averages towards the ends of one batch; without values nothing moves.
    public mutating func observe(_ values: Span<Float>, of name: String) throws(CalibrationError) {
        guard let new = try ends(of: values, name) else { return }
        guard let old = averages else {
            averages = (new.lowerBound, new.upperBound)
            return
        }
        averages = (
            decay * old.least + (1 - decay) * new.lowerBound, decay * old.greatest + (1 - decay) * new.upperBound
        )
    }

    /// From the average of least values to that of greatest ones.
    public func range(for form: AffineForm, of name: String) throws(CalibrationError) -> ClosedRange<Float> {
        guard let averages else { throw .empty(name: name) }
        // Rounding may turn ends around that are one value.
        return averages.least...max(averages.least, averages.greatest)
    }
}
