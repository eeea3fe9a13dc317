/// The range with the least sum of squared errors, those of cut-off values included: of 128 ranges, the whole one and shares
/// of it down to 1/128 (a search of one parameter as in Nagel et al. 2021, arXiv 2106.08295, section 3.1).
///
///     min over a of Σ (x - S (clamp(round(x / S) + Z) - Z))²,  S and Z those of [a min, a max]
///
/// The sum runs over counted bins, each with its middle for all of its values. The first share that is not beaten is taken,
/// counted from the whole range.
public struct MSEObserver: RangeObserver {
    /// The name by which the registry knows it.
    public static let name = "mse"
    private static let candidates = 128

    private var histogram = Histogram()

    /// An observer that has seen nothing.
    public init() {}

    /// Counts values.
    public mutating func observe(_ values: Span<Float>, of name: String) throws(CalibrationError) {
        try histogram.add(values, of: name)
    }

    /// The best of the ranges for this form.
    public func range(for form: AffineForm, of name: String) throws(CalibrationError) -> ClosedRange<Float> {
        guard let ends = histogram.ends else { throw .empty(name: name) }
        let points = histogram.counts.enumerated().filter { $0.element > 0 }
            .map { (value: histogram.middle($0.offset), count: Double($0.element)) }
        var (best, least) = (ends, Double.infinity)
        for candidate in stride(from: Self.candidates, to: 0, by: -1) {
            let share = Float(candidate) / Float(Self.candidates)
            let range = share * ends.lowerBound...share * ends.upperBound
            let error = Self.error(points, form.parameters(covering: range))
            if error < least { (best, least) = (range, error) }
        }
        return best
    }

    private static func error(_ points: [(value: Double, count: Double)], _ parameters: AffineParameters) -> Double {
        let (scale, zero) = (Double(parameters.scale), Double(parameters.zeroPoint))
        let (lowest, highest) = (Double(parameters.lowest) - zero, Double(parameters.highest) - zero)
        var sum = 0.0
        for point in points {
            let level = min(max((point.value / scale).rounded(.toNearestOrEven), lowest), highest)
            let difference = point.value - scale * level
            sum += point.count * difference * difference
        }
        return sum
    }
}
