/// The whole range of all values: nothing is cut off, and one outlier widens every step (Krishnamoorthi 2018, section 3.1.1).
public struct MinMaxObserver: RangeObserver {
    /// The name by which the registry knows it.
    public static let name = "minmax"

    private var seen: ClosedRange<Float>?

    /// An observer that has seen nothing.
    public init() {}

    /// Widens the range.
    public mutating func observe(_ values: Span<Float>, of name: String) throws(CalibrationError) {
        guard let new = try ends(of: values, name) else { return }
        guard let seen else {
            self.seen = new
            return
        }
        self.seen = min(seen.lowerBound, new.lowerBound)...max(seen.upperBound, new.upperBound)
    }

    /// From the least to the greatest.
    public func range(for form: AffineForm, of name: String) throws(CalibrationError) -> ClosedRange<Float> {
        guard let seen else { throw .empty(name: name) }
        return seen
    }
}
