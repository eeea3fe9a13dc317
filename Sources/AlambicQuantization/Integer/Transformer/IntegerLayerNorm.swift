/// Layer normalisation of a row in integers (Kim et al. 2021, section 3.6): mean and deviation are integers, the latter by an
/// integer square root; gain, bias and the scale of the results are a fixed-point multiplier and an integer for each column.
///
/// Distances from the mean are shifted up as far as the sum of their squares leaves room in 64 bits, for each row anew,
/// and ε with them: normalisation does not see a scale, and a row whose deviation is a fraction of a step keeps as many bits
/// as one that fills its integers. With s the shift, d the distances from the whole number nearest to the mean,
///
///     x = 2ˢ d - round(2ˢ Σ d / n),   r = ⌊√(⌊Σ x² / n⌋ + ⌊4ˢ ε⌋)⌋,   z = x / r    with 14 fractional bits
///
/// where s ≤ 30 is the greatest for which 4ˢ Σ d² and 4ˢ ε are below 2⁶¹. So the true root R is at least 2²⁹ / √n: from
/// Σ d² >= 2⁵⁹ 4⁻ˢ, of which at most half is due to the mean's fraction since d are integers. r is within 1 + 2 / R of R, the
/// mean within half a step of x, and z is cut off after 14 bits: for rows of up to 65536 columns, where R is at least 2²¹,
/// z is off by less than 2⁻¹⁴ + 2⁻²⁰ (1 + |z|). To that times the gain the results add at most 1¼ of their steps: half
/// for the bias, half for the multiplier's shift and a quarter for its product.
public struct IntegerLayerNorm: Sendable {
    /// Fractional bits of what gain and bias are applied to.
    static let fraction: Int64 = 14
    /// Rows of more columns could have sums of squares that do not fit in 64 bits.
    static let greatestColumns = 1 << 20
    /// With more there is nothing to gain: the root has 31 bits at most.
    private static let greatestShift = 30

    /// The inputs' bits.
    public let inputBits: Int
    /// What results are clamped to, and which of them is 0.
    public let output: AffineLevels
    /// How far rows are shifted up at most, so that ε fits.
    private let finest: Int
    /// ⌊4ˢ ε⌋ with s = `finest`, in squares of the inputs' steps.
    private let epsilon: Int64
    private let gains: [(multiplier: FixedPointMultiplier, isNegative: Bool)?]
    private let biases: [Int32]

    /// A norm of rows of as many columns as there are gains, up to 2²⁰.
    ///
    /// - Parameters:
    ///   - gains: of each column, finite.
    ///   - biases: of each column, finite.
    ///   - epsilon: what is added to the variance, in units of the real inputs squared. Beyond 2⁶⁰ steps squared, where no
    ///     distance is more than 2⁻⁹ deviations, it counts as that.
    ///   - inputScale: what a step of the inputs is worth.
    ///   - inputBits: the inputs' bits, 2 ... 20: they are within ±2^(bits - 1) after their zero point is taken off, or ±2^bits.
    ///   - output: what results are to stand for.
    public init(
        gains: [Float], biases: [Float], epsilon: Double = 1e-5, inputScale: Double, inputBits: Int = 8,
        output: AffineParameters
    ) {
        precondition(gains.count == biases.count, "\(gains.count) gains and \(biases.count) biases")
        precondition(
            gains.count <= Self.greatestColumns,
            "a norm of \(gains.count) columns: sums of squares fit in 64 bits for \(Self.greatestColumns)")
        precondition((2...20).contains(inputBits), "norms of integers of \(inputBits) bits: use 2 to 20")
        precondition(
            inputScale > 0 && inputScale.isFinite && epsilon >= 0,
            "a norm with epsilon \(epsilon) of integers in steps of \(inputScale)")
        self.inputBits = inputBits
        let squares = min(epsilon / (inputScale * inputScale), 0x1p60)
        // Below 2^-60 there is room for any shift.
        finest = min((60 - max(squares, 0x1p-60).exponent) / 2, Self.greatestShift)
        self.epsilon = Int64(squares * Double(Int64(1) << Int64(2 * finest)))
        let scale = Double(output.scale)
        self.gains = gains.map { gain in
            let real = Double(abs(gain)) / scale / Double(1 << Self.fraction)
            return real > 0 ? (FixedPointMultiplier(real), gain < 0) : nil
        }
        self.biases = biases.map { Int32(min(max((Double($0) / scale).rounded(), -0x1p30), 0x1p30)) }
        self.output = AffineLevels(output)
    }

    /// The norm of one row, of which the zero point has been taken off.
    public func callAsFunction(_ row: [Int32]) -> [Int32] {
        precondition(row.count == gains.count, "a row of \(row.count) for a norm of \(gains.count)")
        guard !row.isEmpty else { return [] }
        let moments = moments(row.span)
        return row.indices.map { result($0, moments.normalized(row[$0])) }
    }

    /// The norm of one row, of which the zero point has been taken off, as bytes. For results of other than 0 ... 255 the
    /// program stops.
    func callAsFunction(_ row: Span<Int32>, into levels: inout MutableSpan<UInt8>) {
        precondition(
            row.count == gains.count && levels.count == row.count,
            "a row of \(row.count) into \(levels.count) bytes for a norm of \(gains.count)")
        guard row.count > 0 else { return }
        let moments = moments(row)
        for j in row.indices { levels[j] = UInt8(result(j, moments.normalized(row[j]))) }
    }

    /// Columns of a row.
    var columns: Int { gains.count }

    /// Mean and deviation of a row.
    private struct Moments {
        /// The whole number nearest to the mean.
        var whole: Int64
        /// What the mean is beyond it, in steps of 2^-shift.
        var rest: Int64 = 0
        var shift: Int64 = 0
        /// In steps of 2^-shift.
        var deviation: Int64 = 0

        /// The distance from the mean in steps of 2^-shift.
        func distance(_ value: Int32) -> Int64 { (Int64(value) - whole) << shift - rest }

        /// What the distance is in deviations; 0 where there is no deviation.
        func normalized(_ value: Int32) -> Int32 {
            guard deviation != 0 else { return 0 }
            return Int32(clamping: (distance(value) << IntegerLayerNorm.fraction) / deviation)
        }
    }

    private func moments(_ row: Span<Int32>) -> Moments {
        let count = Int64(row.count)
        var sum: Int64 = 0
        for j in row.indices { sum += Int64(row[j]) }
        var moments = Moments(whole: Self.rounded(sum, over: count))
        var squares: Int64 = 0
        for j in row.indices {
            let distance = moments.distance(row[j])
            squares += distance * distance
        }
        let shift = min((max(squares, 1).leadingZeroBitCount - 3) / 2, finest)
        moments.shift = Int64(shift)
        moments.rest = Self.rounded((sum - count * moments.whole) << moments.shift, over: count)
        // At most 4^shift times the sum before, and a quarter for each column.
        squares = 0
        for j in row.indices {
            let distance = moments.distance(row[j])
            squares += distance * distance
        }
        moments.deviation = integerSquareRoot(squares / count + epsilon >> Int64(2 * (finest - shift)))
        return moments
    }

    /// a / b to nearest, ties up.
    private static func rounded(_ a: Int64, over b: Int64) -> Int64 {
        let (quotient, remainder) = (2 * a + b).quotientAndRemainder(dividingBy: 2 * b)
        return remainder < 0 ? quotient - 1 : quotient
    }

    private func result(_ j: Int, _ normalized: Int32) -> Int32 {
        var value = Int64(biases[j])
        if let (multiplier, isNegative) = gains[j] {
            let scaled = Int64(multiplier(normalized))
            value += isNegative ? -scaled : scaled
        }
        return output.level(value)
    }
}
