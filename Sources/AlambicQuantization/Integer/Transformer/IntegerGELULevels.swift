/// x Φ(x) of 32-bit integers as the bytes of the next layer: ``IntegerGELU``, whose results have up to 64 bits and a
/// scale that is not theirs to choose, shifted to 32 bits and brought to the levels by a multiplier.
public struct IntegerGELULevels: Sendable, Hashable {
    /// What a step of the arguments is worth where this library chooses it: fine against the polynomial's error of
    /// 0.018, and coarse enough for arguments of ±2²¹.
    static let inputScale = 0x1p-10

    private let gelu: IntegerGELU
    private let shift: Int64
    private let multiplier: FixedPointMultiplier
    /// What results are clamped to, and which of them is 0.
    public let output: AffineLevels

    /// For arguments in steps of `scale`, 2⁻¹⁶ ... 1/16, and results that stand for what `output`, bytes from 0 on,
    /// says.
    public init(scale: Double, output: AffineParameters) {
        output.requireBytes("GELU into")
        gelu = IntegerGELU(scale: scale)
        let step = -IntegerGELU.outputScale(scale)
        // Down to about 2^-16 of a level: 32 bits then hold 2^15 levels, and what they do not hold is cut off anyway.
        let spare = (Double(output.scale) * 0x1p-16 / step).exponent
        shift = Int64(min(max(spare, 0), 62))
        multiplier = FixedPointMultiplier(step * Double(Int64(1) << shift) / Double(output.scale))
        self.output = AffineLevels(output)
    }

    /// The level of x Φ(x).
    public func callAsFunction(_ q: Int32) -> UInt8 {
        // Steps of GELU are negative.
        let (negated, overflow) = (0 as Int64).subtractingReportingOverflow(gelu(q))
        let value = overflow ? Int64.max : negated
        return UInt8(output.level(Int64(multiplier(Int32(clamping: value >> shift)))))
    }
}
