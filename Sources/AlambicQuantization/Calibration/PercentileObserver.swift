/// The range that a share of the values lies in, with as many of the rest below it as above: outliers are cut off, whatever
/// they are worth (Wu et al. 2020, arXiv 2004.09602, section 4, with 99.99 % and 99.999 %).
///
/// Values are counted in bins (1 / 4096 to 1 / 2048 of the greatest magnitude wide); an end is the outer end of its bin, but
/// never beyond what was seen.
public struct PercentileObserver: RangeObserver {
    /// The name by which the registry knows it.
    public static let name = "percentile"

    /// The share of the values to cover, above 0, up to 1.
    public let share: Double
    private var histogram = Histogram()

    /// 99.99 %.
    public init() { self.init(share: 0.9999) }

    /// An observer that has seen nothing.
    public init(share: Double) {
        precondition(share > 0 && share <= 1, "a share of \(share): use one above 0 and up to 1")
        self.share = share
    }

    /// Counts values.
    public mutating func observe(_ values: Span<Float>, of name: String) throws(CalibrationError) {
        try histogram.add(values, of: name)
    }

    /// What at most (1 - share) / 2 of the values lie below, and as many above.
    public func range(for form: AffineForm, of name: String) throws(CalibrationError) -> ClosedRange<Float> {
        guard let ends = histogram.ends else { throw .empty(name: name) }
        // Rounded, so that a share such as 0.9 of ten values does not hang on the last bit of 1 - 0.9.
        let tail = Int((Double(histogram.total) * (1 - share) / 2 + 1e-9).rounded(.down))
        let (half, counts, width) = (Histogram.half, histogram.counts, histogram.width)
        let below = Self.end(tail, counts[..<half], histogram.zeros, counts[half...])
        let above = Self.end(tail, counts[half...].reversed(), histogram.zeros, counts[..<half].reversed())
        let least = below.map { Float(Double($0 - half) * width) } ?? 0
        let greatest = above.map { Float(Double(half - $0) * width) } ?? 0
        return max(least, ends.lowerBound)...max(max(least, ends.lowerBound), min(greatest, ends.upperBound))
    }

    /// The first bin, from outside, whose values are not all among the `tail` outermost; nil when that is the zeros.
    private static func end(
        _ tail: Int, _ near: some Collection<Int>, _ zeros: Int, _ far: some Collection<Int>
    ) -> Int? {
        var passed = 0
        for (bin, count) in near.enumerated() {
            passed += count
            if passed > tail { return bin }
        }
        passed += zeros
        if passed > tail { return nil }
        for (bin, count) in far.enumerated() {
            passed += count
            if passed > tail { return near.count + bin }
        }
        return nil
    }
}
