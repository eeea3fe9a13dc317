/// exp(x) for x <= 0 in integers (Kim et al. 2021, section 3.5, algorithm 3): x = p - z ln 2 with p in (-ln 2, 0], then
/// exp(x) = exp(p) 2^-z, with a polynomial of degree 2 for exp(p) that is off by at most 0.0019 (their section 3.5).
public struct IntegerExponential: Sendable, Hashable {
    private let ln2: Int64
    private let polynomial: IntegerPolynomial

    /// For arguments in steps of `scale`, 2⁻¹⁶ ... 1/16.
    public init(scale: Double) {
        requireScale(scale, "exponentials")
        ln2 = Int64((0.6931471805599453 / scale).rounded(.down))
        polynomial = IntegerPolynomial(a: 0.3585, b: 1.353, c: 0.344, scale: scale)
    }

    /// What one step of the results is worth, for arguments in steps of `scale`. A function of its own: what the integers
    /// stand for is no part of what computes with them.
    public static func outputScale(_ scale: Double) -> Double { 0.3585 * scale * scale }

    /// exp(S q), q <= 0.
    public func callAsFunction(_ q: Int32) -> Int64 {
        precondition(q <= 0, "an integer exponential of \(q): only of what is not positive")
        let z = -Int64(q) / ln2
        // exp(p) is below 2^34 (see `IntegerSoftmax`): of what is smaller by as much nothing is left.
        guard z < 34 else { return 0 }
        return polynomial(Int64(q) + z * ln2) >> z
    }
}

/// Soft-max of a row in integers (Kim et al. 2021, section 3.5): exponentials of the distances from the largest, divided by
/// their sum. Results have `bits` fractional bits: 2^bits is 1.
public struct IntegerSoftmax: Sendable, Hashable {
    /// Fractional bits of the results, 1 ... 30.
    public let bits: Int
    private let exponential: IntegerExponential

    /// For logits in steps of `scale`, 2⁻¹⁶ ... 1/16.
    public init(scale: Double, bits: Int = 8) {
        precondition((1...30).contains(bits), "soft-max with \(bits) fractional bits: use 1 to 30")
        self.bits = bits
        exponential = IntegerExponential(scale: scale)
    }

    /// The probabilities of a row's logits, rounded down to steps of 2^-bits.
    public func callAsFunction(_ row: [Int32]) -> [Int32] {
        var row = row
        var exponentials = [Int64](repeating: 0, count: row.count)
        replace(&row, first: row.count, exponentials: &exponentials)
        return row
    }

    /// Puts probabilities in the place of the first `count` logits of a row; `exponentials` is room for as many numbers.
    func replace(_ row: inout [Int32], first count: Int, exponentials: inout [Int64]) {
        precondition(
            count <= row.count && count <= exponentials.count,
            "soft-max of \(count) of \(row.count) logits with room for \(exponentials.count)")
        guard count > 0 else { return }
        var largest = row[0]
        for i in 1..<count { largest = max(largest, row[i]) }
        // 64 bits hold sums of 2^29 exponentials: one is at most (1.353² + 0.344 / 0.3585) / S², with the finest scale,
        // S = 2^-16, about 2^33.5.
        var sum: Int64 = 0
        for i in 0..<count {
            let value = exponential(Int32(clamping: Int64(row[i]) - Int64(largest)))
            exponentials[i] = value
            sum += value
        }
        for i in 0..<count {
            let one = UInt64(exponentials[i]).multipliedFullWidth(by: 1 << UInt64(bits))
            row[i] = Int32(UInt64(sum).dividingFullWidth(one).quotient)
        }
    }
}
