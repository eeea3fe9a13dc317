import AlambicKernels

/// Causal multi-head attention of integers alone (Vaswani et al. 2017, section 3.2, with the soft-max of Kim et al.
/// 2021, section 3.5): for queries, keys and values in bytes with zero points,
///
///     s[t, j] = Σ_c (q[t, c] - Z_q) (k[j, c] - Z_k),    j ≤ t,      in steps of S_q S_k / √(columns of a head)
///     p[t, j] = softmax(s[t, :])                                    in steps of 2⁻ᵇ
///     y[t, c] = Z_y + M Σ_j p[t, j] (v[j, c] - Z_v),                M = S_v / (S_y 2ᵇ)
///
/// Sums are exact in 32 bits. Those of scores are at most 255² times the columns of a head, below 2³¹ for 32768. The
/// probabilities of a row are rounded down, so that they are at most 2ᵇ together, and sums over values at most 255 times
/// that: below 2³⁰ for the most bits there may be, 22. What a row of T probabilities lacks of 1 is below T 2⁻ᵇ; with 22
/// bits it is less than half a level of a byte's 255 for 8192 of them.
///
/// The scale of the scores is in the soft-max's constants; where it does not suit these, a multiplier brings scores to
/// one that does.
public struct IntegerAttention: Sendable, Hashable {
    /// Number of heads.
    public let heads: Int
    /// Columns of a head.
    public let headWidth: Int
    /// What queries, keys and values are.
    public let query: AffineLevels, key: AffineLevels, value: AffineLevels
    /// What results are clamped to, and which of them is 0.
    public let output: AffineLevels
    private let rescaling: FixedPointMultiplier?
    private let softmax: IntegerSoftmax
    private let multiplier: FixedPointMultiplier

    /// Scales at which the soft-max's constants are right to 1/256.
    static let scales = 0x1p-16...0x1p-8
    /// What scores at other scales are brought to.
    static let ownScale = 0x1p-10
    /// Heads of more columns could have scores that do not fit in 32 bits.
    static let greatestHeadWidth = 32768

    /// Attention between bytes.
    ///
    /// - Parameters:
    ///   - query: what queries stand for; like the others 0 ... 255 or fewer levels.
    ///   - output: what results are to stand for.
    ///   - bits: fractional bits of the probabilities, 8 ... 22.
    public init(
        heads: Int, headWidth: Int, query: AffineParameters, key: AffineParameters, value: AffineParameters,
        output: AffineParameters, bits: Int = 22
    ) {
        precondition(heads > 0 && headWidth > 0, "attention with \(heads) heads of \(headWidth) columns")
        precondition(
            headWidth <= Self.greatestHeadWidth,
            "attention with heads of \(headWidth) columns: scores fit in 32 bits for \(Self.greatestHeadWidth)")
        precondition((8...22).contains(bits), "probabilities of \(bits) fractional bits: use 8 to 22")
        for parameters in [query, key, value, output] { parameters.requireBytes("attention between") }
        (self.heads, self.headWidth) = (heads, headWidth)
        (self.query, self.key, self.value) = (AffineLevels(query), AffineLevels(key), AffineLevels(value))
        self.output = AffineLevels(output)
        let scale = Double(query.scale) * Double(key.scale) / Double(headWidth).squareRoot()
        let suits = Self.scales.contains(scale)
        rescaling = suits ? nil : FixedPointMultiplier(scale / Self.ownScale)
        softmax = IntegerSoftmax(scale: suits ? scale : Self.ownScale, bits: bits)
        multiplier = FixedPointMultiplier(Double(value.scale) / Double(output.scale) / Double(1 << bits))
    }

    /// Width of queries, keys, values and results: all heads side by side.
    public var width: Int { heads * headWidth }

    /// Attends within sequences of their own.
    ///
    /// - Parameters:
    ///   - query: [batch, length, width], like `key` and `value`.
    ///   - y: [batch, length, width]; may be longer than needed.
    public func callAsFunction(
        query: Span<UInt8>, key: Span<UInt8>, value: Span<UInt8>, batch: Int, length: Int, into y: Memory<UInt8>,
        on context: Context
    ) throws(KernelError) {
        let count = batch * length * width
        precondition(
            query.count == count && key.count == count && value.count == count && y.count >= count,
            """
            attention over \(batch) sequences of \(length) tokens of width \(width) with \(query.count) queries, \
            \(key.count) keys, \(value.count) values and \(y.count) results
            """)
        let work = Double(count) * Double(length)
        try concurrently(batch * heads, nanoseconds: work, on: context) { task in
            let first = task / heads * length * width + task % heads * headWidth
            attend(query, key, value, from: first, length: length, into: y)
        }
    }

    /// One head of one sequence, whose first element is at `first`.
    private func attend(
        _ query: Span<UInt8>, _ key: Span<UInt8>, _ value: Span<UInt8>, from first: Int, length: Int,
        into y: Memory<UInt8>
    ) {
        var centred = [Int32](repeating: 0, count: headWidth)
        var scores = [Int32](repeating: 0, count: length)
        var exponentials = [Int64](repeating: 0, count: length)
        var sums = [Int32](repeating: 0, count: headWidth)
        for t in 0..<length {
            let row = first + t * width
            for c in 0..<headWidth { centred[c] = Int32(query[row + c]) - self.query.zeroPoint }
            for j in 0...t { scores[j] = score(centred, key, at: first + j * width) }
            softmax.replace(&scores, first: t + 1, exponentials: &exponentials)
            for c in 0..<headWidth { sums[c] = 0 }
            for j in 0...t where scores[j] != 0 { add(scores[j], value, at: first + j * width, to: &sums) }
            var result = y.mutableSpan(row..<row + headWidth)
            for c in 0..<headWidth { result[c] = UInt8(output.level(Int64(multiplier(sums[c])))) }
        }
    }

    private func score(_ query: [Int32], _ key: Span<UInt8>, at start: Int) -> Int32 {
        var sum: Int32 = 0
        let zeroPoint = self.key.zeroPoint
        for c in query.indices { sum &+= query[c] &* (Int32(key[unchecked: start + c]) &- zeroPoint) }
        return rescaling?(sum) ?? sum
    }

    private func add(_ probability: Int32, _ value: Span<UInt8>, at start: Int, to sums: inout [Int32]) {
        let zeroPoint = self.value.zeroPoint
        for c in sums.indices { sums[c] &+= probability &* (Int32(value[unchecked: start + c]) &- zeroPoint) }
    }
}
