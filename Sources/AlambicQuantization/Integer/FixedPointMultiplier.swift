/// A positive real number by which integers are multiplied without floats: M = M₀ 2⁻ⁿ with M₀ in [0.5, 1) kept as an integer
/// of 31 fractional bits (Jacob et al. 2018, section 2.2, equations 5 and 6).
///
/// M₀ is off by at most 2⁻³² of its value 0.5 … 1: a relative error of 2⁻³¹. Rounding is that of gemmlowp
/// (`fixedpoint.h`, `SaturatingRoundingDoublingHighMul` and `RoundingDivideByPOT`), and the kernel `requantize` gives the
/// same integers.
public struct FixedPointMultiplier: Sendable, Hashable, Codable {
    /// M₀ 2³¹: 2³⁰ ..< 2³¹, or 0 for a real number too small to change anything.
    public let mantissa: Int32
    /// n: how far to shift to the right, -30 ... 31. The paper's are not negative, since its M < 1; with few bits M may
    /// be larger.
    public let shift: Int32

    /// A multiplier that was found elsewhere.
    public init(mantissa: Int32, shift: Int32) {
        precondition(Self.isValid(mantissa: mantissa, shift: shift), "a multiplier of \(mantissa) and \(shift)")
        (self.mantissa, self.shift) = (mantissa, shift)
    }

    /// The multiplier nearest to a real number, which must be positive and finite. Below 2⁻³² every product with 32 bits
    /// rounds to 0, and so does the multiplier; from 2³⁰ on it is the greatest there is.
    public init(_ real: Double) {
        precondition(real > 0 && real.isFinite, "a multiplier of \(real): it must be positive and finite")
        // real = significand 2^exponent, significand in 0.5 ..< 1.
        var exponent = Int32(real.exponent) + 1
        var mantissa = (real.significand / 2 * 0x1p31).rounded(.toNearestOrAwayFromZero)
        if mantissa == 0x1p31 { (mantissa, exponent) = (0x1p30, exponent + 1) }
        if exponent < -31 {
            (self.mantissa, shift) = (0, 0)
        } else if exponent > 30 {
            (self.mantissa, shift) = (.max, -30)
        } else {
            (self.mantissa, shift) = (Int32(mantissa), -exponent)
        }
    }

    /// M.
    public var real: Double { Double(mantissa) * 0x1p-31 * Double(sign: .plus, exponent: -Int(shift), significand: 1) }

    /// Whether these make a multiplier.
    public static func isValid(mantissa: Int32, shift: Int32) -> Bool {
        (mantissa == 0 || mantissa >= 1 << 30) && (-30...31).contains(shift)
    }

    /// x M, rounded: first the product with M₀, ties up, then the shift, ties away from zero. A shift to the left comes
    /// before both, and saturates.
    public func callAsFunction(_ x: Int32) -> Int32 {
        let left = Int32(clamping: Int64(x) << Int64(max(-shift, 0)))
        let high = Self.roundingDoublingHighProduct(left, mantissa)
        return Self.roundingDivision(high, powerOfTwo: max(shift, 0))
    }

    /// The high 32 bits of 2 a b, rounded to nearest, ties towards +∞, saturated (both factors the least integer): the
    /// instruction SQRDMULH of ARM.
    public static func roundingDoublingHighProduct(_ a: Int32, _ b: Int32) -> Int32 {
        Int32(clamping: (Int64(a) * Int64(b) + 1 << 30) >> 31)
    }

    /// x / 2^exponent, rounded to nearest, ties away from zero.
    public static func roundingDivision(_ x: Int32, powerOfTwo exponent: Int32) -> Int32 {
        let mask = Int32(truncatingIfNeeded: Int64(1) << Int64(exponent) - 1)
        let threshold = mask >> 1 + (x < 0 ? 1 : 0)
        return x >> exponent + (x & mask > threshold ? 1 : 0)
    }
}
