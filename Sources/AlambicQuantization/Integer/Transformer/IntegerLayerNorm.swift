/// Layer normalisation of a row in integers (Kim et al. 2021, section 3.6): mean and deviation are integers, the latter by an
/// integer square root; gain, bias and the scale of the results are a fixed-point multiplier and an integer for each column.
///
/// Inputs are shifted up to about 20 bits first, which changes nothing (normalisation does not see a scale) but keeps what
/// integer division and roots round away below 2⁻¹² of a deviation.
public struct IntegerLayerNorm: Sendable {
    /// Fractional bits of what gain and bias are applied to.
    static let fraction: Int64 = 14
    /// What results are clamped to, and which of them is 0.
    public let levels: ClosedRange<Int32>
    /// The integer that stands for 0.
    public let zeroPoint: Int32
    private let shift: Int64
    private let epsilon: Int64
    private let gains: [(multiplier: FixedPointMultiplier, isNegative: Bool)?]
    private let biases: [Int32]

    /// A norm of rows of as many columns as there are gains.
    ///
    /// - Parameters:
    ///   - gains: of each column, finite.
    ///   - biases: of each column, finite.
    ///   - epsilon: what is added to the variance, in units of the real inputs squared.
    ///   - inputScale: what a step of the inputs is worth.
    ///   - inputBits: the inputs' bits, 2 ... 20: they are within ±2^(bits - 1) after their zero point is taken off, or ±2^bits.
    ///   - output: what results are to stand for.
    public init(
        gains: [Float], biases: [Float], epsilon: Double = 1e-5, inputScale: Double, inputBits: Int = 8,
        output: AffineParameters
    ) {
        precondition(gains.count == biases.count, "\(gains.count) gains and \(biases.count) biases")
        precondition((2...20).contains(inputBits), "norms of integers of \(inputBits) bits: use 2 to 20")
        shift = Int64(20 - inputBits)
        let step = inputScale / Double(1 << shift)
        self.epsilon = Int64(min(epsilon / (step * step), 0x1p40))
        let scale = Double(output.scale)
        self.gains = gains.map { gain in
            let real = Double(abs(gain)) / scale / Double(1 << Self.fraction)
            return real > 0 ? (FixedPointMultiplier(real), gain < 0) : nil
        }
        self.biases = biases.map { Int32(min(max((Double($0) / scale).rounded(), -0x1p30), 0x1p30)) }
        levels = output.lowest...output.highest
        zeroPoint = output.zeroPoint
    }

    /// The norm of one row, of which the zero point has been taken off.
    public func callAsFunction(_ row: [Int32]) -> [Int32] {
        precondition(row.count == gains.count, "a row of \(row.count) for a norm of \(gains.count)")
        guard !row.isEmpty else { return [] }
        let moments = moments(row.span)
        return row.indices.map { result($0, normalized(row[$0], moments)) }
    }

    /// The norm of one row, of which the zero point has been taken off, as bytes. For results of other than 0 ... 255 the
    /// program stops.
    func callAsFunction(_ row: Span<Int32>, into levels: inout MutableSpan<UInt8>) {
        precondition(
            row.count == gains.count && levels.count == row.count,
            "a row of \(row.count) into \(levels.count) bytes for a norm of \(gains.count)")
        guard row.count > 0 else { return }
        let moments = moments(row)
        for j in row.indices { levels[j] = UInt8(result(j, normalized(row[j], moments))) }
    }

    /// Columns of a row.
    var columns: Int { gains.count }

    /// Mean and deviation of a row, in steps of its shifted integers.
    private func moments(_ row: Span<Int32>) -> (mean: Int64, deviation: Int64) {
        let count = Int64(row.count)
        var sum: Int64 = 0
        for j in row.indices { sum += Int64(row[j]) << shift }
        // To nearest.
        let mean = (2 * sum + (sum < 0 ? -count : count)) / (2 * count)
        var squares: Int64 = 0
        for j in row.indices {
            let distance = Int64(row[j]) << shift - mean
            squares += distance * distance
        }
        return (mean, integerSquareRoot(squares / count + epsilon))
    }

    private func normalized(_ value: Int32, _ moments: (mean: Int64, deviation: Int64)) -> Int32 {
        guard moments.deviation != 0 else { return 0 }
        return Int32(clamping: ((Int64(value) << shift - moments.mean) << Self.fraction) / moments.deviation)
    }

    private func result(_ j: Int, _ normalized: Int32) -> Int32 {
        var value = Int64(biases[j])
        if let (multiplier, isNegative) = gains[j] {
            let scaled = Int64(multiplier(normalized))
            value += isNegative ? -scaled : scaled
        }
        return Int32(min(max(value + Int64(zeroPoint), Int64(levels.lowerBound)), Int64(levels.upperBound)))
    }
}
