/// Counts of values in 2 x 4096 bins of equal width around 0, whose outer ends are a power of two that grows with the values.
///
/// Growing merges whole bins, so the counts are those of all values under the last width: they depend neither on the order
/// nor on the batches in which values came. Zeros, which integers represent exactly, are counted apart.
struct Histogram: Sendable {
    /// Bins on each side of 0.
    static let half = 4096

    /// Counts without zeros: bin i holds x with i - half ≤ x / width < i - half + 1.
    private(set) var counts = [Int](repeating: 0, count: 2 * half)
    /// log2 of where the bins end; nil before any value but 0.
    private var exponent: Int?
    /// How many values are 0.
    private(set) var zeros = 0
    /// The ends of all values, 0 among them; nil for none.
    private(set) var ends: ClosedRange<Float>?

    /// The width of a bin.
    var width: Double { Self.power(of: (exponent ?? 0) - 12) }
    /// How many values there are, zeros included.
    var total: Int { counts.reduce(zeros, +) }

    private static func power(of exponent: Int) -> Double { Double(sign: .plus, exponent: exponent, significand: 1) }

    /// The middle of a bin.
    func middle(_ bin: Int) -> Double { (Double(bin - Self.half) + 0.5) * width }

    /// Counts of magnitudes: of |x| in [i, i + 1) · width, zeros left out.
    var magnitudes: [Int] { (0..<Self.half).map { counts[Self.half + $0] + counts[Self.half - 1 - $0] } }

    mutating func add(_ values: Span<Float>, of name: String) throws(CalibrationError) {
        guard let new = try AlambicQuantization.ends(of: values, name) else { return }
        ends =
            min(
                ends?.lowerBound ?? new.lowerBound, new.lowerBound)...max(
                ends?.upperBound ?? new.upperBound, new.upperBound)
        let greatest = max(abs(new.lowerBound), abs(new.upperBound))
        if greatest > 0 { grow(to: Int(greatest.exponent) + 1) }
        // A power of two: products with it are exact.
        let perWidth = 1 / width
        for i in 0..<values.count {
            let x = values[unchecked: i]
            if x == 0 { zeros += 1 } else { counts[Int((Double(x) * perWidth).rounded(.down)) + Self.half] += 1 }
        }
    }

    /// Merges bins until they end at 2^exponent or beyond.
    private mutating func grow(to wanted: Int) {
        guard let exponent else {
            self.exponent = wanted
            return
        }
        guard wanted > exponent else { return }
        let shift = min(wanted - exponent, 13)
        var merged = [Int](repeating: 0, count: 2 * Self.half)
        for i in 0..<Self.half {
            merged[Self.half + i >> shift] += counts[Self.half + i]
            merged[Self.half - 1 - i >> shift] += counts[Self.half - 1 - i]
        }
        counts = merged
        self.exponent = wanted
    }
}
