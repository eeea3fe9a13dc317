import Foundation

/// The threshold whose quantized distribution loses the least information: the least Kullback-Leibler divergence, as in
/// TensorRT (Migacz 2017, "8-bit inference with TensorRT", GTC, slides 31-37).
///
/// For every threshold T at the end of a bin of |x|: P is the histogram up to T, with all that lies beyond added to its last
/// bin; Q is the same histogram (without the addition) in as many levels as the integers have, each level's count spread
/// evenly over those of its bins that are not empty. The least Σ P log(P / Q) wins.
///
/// Here bins are dealt to levels in equal parts (the slides leave remainders to the last level); zeros are left out, since
/// any range represents them; and a threshold at an empty bin, where P has the outliers and Q nothing, is never taken. The
/// divergence knows of probabilities and not of magnitudes: it suits bell shapes with long tails, not a few values.
public struct EntropyObserver: RangeObserver {
    /// The name by which the registry knows it.
    public static let name = "entropy"

    private var histogram = Histogram()

    /// An observer that has seen nothing.
    public init() {}

    /// Counts values.
    public mutating func observe(_ values: Span<Float>, of name: String) throws(CalibrationError) {
        try histogram.add(values, of: name)
    }

    /// What was seen, cut off at ±T.
    public func range(for form: AffineForm, of name: String) throws(CalibrationError) -> ClosedRange<Float> {
        guard let ends = histogram.ends else { throw .empty(name: name) }
        let isOneSided = form.symmetry == .asymmetric && (ends.lowerBound >= 0 || ends.upperBound <= 0)
        let bins = Self.threshold(histogram.magnitudes, levels: 1 << (isOneSided ? form.bits : form.bits - 1))
        let threshold = Float(Double(bins) * histogram.width)
        return max(
            ends.lowerBound, min(-threshold, ends.upperBound))...min(ends.upperBound, max(threshold, ends.lowerBound))
    }

    /// How many bins lie below the best threshold.
    static func threshold(_ counts: [Int], levels: Int) -> Int {
        guard let last = counts.lastIndex(where: { $0 > 0 }) else { return 0 }
        let total = counts.reduce(0, +)
        guard last >= levels else { return last + 1 }
        var (best, least, inside) = (last + 1, Double.infinity, counts[..<(levels - 1)].reduce(0, +))
        for end in levels...last + 1 {
            inside += counts[end - 1]
            guard counts[end - 1] > 0 else { continue }
            let divergence = divergence(counts, end: end, levels: levels, outside: total - inside, total: total)
            // Of equals the widest, which cuts off the least.
            if divergence <= least { (best, least) = (end, divergence) }
        }
        return best
    }

    /// Σ P log(P / Q) for the threshold behind bin `end - 1`, P and Q normalised.
    static func divergence(_ counts: [Int], end: Int, levels: Int, outside: Int, total: Int) -> Double {
        var sum = 0.0
        let inside = Double(total - outside)
        for level in 0..<levels {
            let bins = level * end / levels..<(level + 1) * end / levels
            var (mass, occupied) = (0, 0)
            for bin in bins where counts[bin] > 0 { (mass, occupied) = (mass + counts[bin], occupied + 1) }
            guard occupied > 0 else { continue }
            let q = Double(mass) / Double(occupied) / inside
            for bin in bins where counts[bin] > 0 {
                let p = Double(counts[bin] + (bin == end - 1 ? outside : 0)) / Double(total)
                sum += p * log(p / q)
            }
        }
        return sum
    }
}
