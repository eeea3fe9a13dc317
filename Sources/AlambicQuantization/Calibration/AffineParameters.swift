/// Which integers of b bits stand for real numbers.
public enum IntegerLevels: String, Sendable, Codable, CaseIterable {
    /// 0 ... 2ᵇ - 1, as activations in Jacob et al. 2018.
    case unsigned
    /// -2ᵇ⁻¹ ... 2ᵇ⁻¹ - 1.
    case signed
    /// -(2ᵇ⁻¹ - 1) ... 2ᵇ⁻¹ - 1: every level has its opposite. Weights of Jacob et al. 2018 (section 3, "-127").
    case narrow

    /// The least of them.
    public func lowest(bits: Int) -> Int32 {
        switch self {
        case .unsigned: 0
        case .signed: -(1 << (Int32(bits) - 1))
        case .narrow: -(1 << (Int32(bits) - 1)) + 1
        }
    }

    /// The greatest of them.
    public func highest(bits: Int) -> Int32 {
        switch self {
        case .unsigned: (1 << Int32(bits)) - 1
        case .signed, .narrow: (1 << (Int32(bits) - 1)) - 1
        }
    }
}

/// How integers stand for real numbers (Jacob et al. 2018, equation 1): r = S (q - Z), so that the real 0 is the integer Z
/// exactly.
///
/// - The range always is widened to contain 0: [0.5, 2] becomes [0, 2].
/// - A range of nothing but 0 (or so narrow that the scale would be below 2⁻¹²⁶) has scale 1; nothing is divided by zero.
///   Constants other than 0 are no such case, they are the end of their range.
public struct AffineParameters: Sendable, Equatable, Hashable, Codable {
    /// S: what one step of the integers is worth, positive.
    public let scale: Float
    /// Z: the integer that stands for 0, one of the levels.
    public let zeroPoint: Int32
    /// How many bits the integers have, 2 ... 16.
    public let bits: Int
    /// Which integers there are.
    public let levels: IntegerLevels

    /// The least integer.
    public var lowest: Int32 { levels.lowest(bits: bits) }
    /// The greatest integer.
    public var highest: Int32 { levels.highest(bits: bits) }
    /// The least real number that an integer stands for.
    public var minimum: Float { real(lowest) }
    /// The greatest real number that an integer stands for.
    public var maximum: Float { real(highest) }

    /// Parameters that were found elsewhere.
    public init(scale: Float, zeroPoint: Int32, bits: Int, levels: IntegerLevels) {
        Self.check(bits)
        precondition(scale.isFinite && scale > 0, "a scale of \(scale): it must be positive and finite")
        let (lowest, highest) = (levels.lowest(bits: bits), levels.highest(bits: bits))
        precondition(
            (lowest...highest).contains(zeroPoint), "zero point \(zeroPoint) is not one of \(lowest) ... \(highest)")
        (self.scale, self.zeroPoint, self.bits, self.levels) = (scale, zeroPoint, bits, levels)
    }

    /// Asymmetric: the whole of the levels for [minimum, maximum], widened to contain 0 (section 3 of the paper, equation 13).
    ///
    ///     S = (max - min) / (highest - lowest),  Z = round(lowest - min / S)
    ///
    /// Rounding Z moves the range by up to half a step. Both ends must be finite, in any order with 0.
    public static func asymmetric(
        _ minimum: Float, _ maximum: Float, bits: Int = 8, levels: IntegerLevels = .unsigned
    ) -> AffineParameters {
        check(bits)
        precondition(
            minimum.isFinite && maximum.isFinite && minimum <= maximum, "a range from \(minimum) to \(maximum)")
        let (lowest, highest) = (levels.lowest(bits: bits), levels.highest(bits: bits))
        let (low, high) = (Double(min(minimum, 0)), Double(max(maximum, 0)))
        guard let scale = usable((high - low) / Double(highest - lowest)) else {
            let zeroPoint = min(max(0, lowest), highest)
            return AffineParameters(scale: 1, zeroPoint: zeroPoint, bits: bits, levels: levels)
        }
        let zeroPoint = (Double(lowest) - low / Double(scale)).rounded(.toNearestOrAwayFromZero)
        return AffineParameters(
            scale: scale, zeroPoint: Int32(min(max(zeroPoint, Double(lowest)), Double(highest))), bits: bits,
            levels: levels)
    }

    /// Symmetric: [-a, a] with a the greatest magnitude of the range, and 0 in the middle of the levels.
    ///
    ///     S = a / (2ᵇ⁻¹ - 1),  Z = 0, or 2ᵇ⁻¹ for unsigned levels
    public static func symmetric(
        _ minimum: Float, _ maximum: Float, bits: Int = 8, levels: IntegerLevels = .narrow
    ) -> AffineParameters {
        check(bits)
        precondition(
            minimum.isFinite && maximum.isFinite && minimum <= maximum, "a range from \(minimum) to \(maximum)")
        let greatest = Double(max(abs(minimum), abs(maximum)))
        let scale = usable(greatest / Double(IntegerLevels.narrow.highest(bits: bits))) ?? 1
        let zeroPoint = levels == .unsigned ? Int32(1) << (Int32(bits) - 1) : 0
        return AffineParameters(scale: scale, zeroPoint: zeroPoint, bits: bits, levels: levels)
    }

    /// The integer of a real number: round(x / S) + Z, half to even, cut off at the ends of the levels. NaN becomes Z:
    /// whoever must notice it looks for it.
    public func level(_ x: Float) -> Int32 {
        let steps = (x / scale).rounded(.toNearestOrEven)
        guard !steps.isNaN else { return zeroPoint }
        // In f64, where the sum is exact.
        return Int32(min(max(Double(steps) + Double(zeroPoint), Double(lowest)), Double(highest)))
    }

    /// The real number of an integer: S (q - Z).
    public func real(_ level: Int32) -> Float { scale * Float(level - zeroPoint) }

    /// The real number that stands for x once it is an integer.
    public func rounded(_ x: Float) -> Float { real(level(x)) }

    private static func check(_ bits: Int) {
        precondition((2...16).contains(bits), "integers of \(bits) bits: use 2 to 16")
    }

    /// The scale as a float; nil for one that would be zero or denormal.
    private static func usable(_ scale: Double) -> Float? {
        let scale = Float(scale)
        return scale >= Float.leastNormalMagnitude ? scale : nil
    }
}
