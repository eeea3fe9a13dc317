/// x Φ(x) in integers (Kim et al. 2021, section 3.4, algorithm 2): with erf(u) ≈ sgn(u) (a (min(|u|, -b) + b)² + 1),
/// a = -0.2888, b = -1.769, which makes the function of real numbers off by at most 0.018.
public struct IntegerGELU: Sendable, Hashable {
    private let polynomial: IntegerPolynomial
    private let farthest: Int64
    private let one: Int64

    /// For arguments in steps of `scale`, 2⁻¹⁶ ... 1/16.
    public init(scale: Double) {
        requireScale(scale, "GELU")
        // erf of x / √2.
        let inner = scale / 2.0.squareRoot()
        let erf = -0.2888 * inner * inner
        polynomial = IntegerPolynomial(a: -0.2888, b: -1.769, c: 1, scale: inner)
        farthest = Int64((1.769 / inner).rounded(.down))
        one = Int64((1 / erf).rounded(.down))
    }

    /// What one step of the results is worth, for arguments in steps of `scale`. Negative steps, since a is: results are
    /// integers with the sign of -x Φ(x), and this scale is negative too.
    public static func outputScale(_ scale: Double) -> Double { scale * (-0.2888 * scale * scale / 2) / 2 }

    /// x Φ(x) of x = S q. Beyond 64 bits, which only |x| > 10⁴ can reach, it saturates.
    public func callAsFunction(_ q: Int32) -> Int64 {
        let q = Int64(q)
        let magnitude = polynomial(min(abs(q), farthest))
        let erf = q < 0 ? -magnitude : magnitude
        let (product, overflow) = q.multipliedReportingOverflow(by: erf + one)
        return overflow ? (q < 0 ? .max : .min) : product
    }
}
