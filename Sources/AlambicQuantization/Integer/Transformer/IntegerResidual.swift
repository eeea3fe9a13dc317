/// How the residual stream of a transformer lies in 32-bit integers: at one scale in the whole model, so that branches
/// are added as they are and no addition has multipliers.
///
/// The greatest number that was seen or that is in the tables of tokens and positions takes 2¹⁸ steps to its side, which
/// leaves small channels many steps where others are large, and the norms 20 bits. Sums saturate at twice that: text that
/// was not seen can go beyond what was.
enum IntegerResidual {
    /// Bits of the stream's integers, sign included.
    static let bits = 20
    /// What they saturate at.
    static let limit: Int32 = 1 << 19 - 1

    /// What a step is worth when `greatest` is the largest magnitude of the stream and of what is added to make it.
    ///
    /// Not so little that √ε has more than 2²⁰ steps: a stream below 2⁻² √ε is nothing to a norm. So a stream of zeros has
    /// a scale as well. Where √ε is so great that no float could say this, the greatest float is as good: all that there
    /// can be in a stream is nothing to such a norm either.
    static func scale(greatest: Float, epsilon: Double) -> Float {
        let step = max(Double(greatest) * 0x1p-18, epsilon.squareRoot() * 0x1p-20, Double(Float.leastNormalMagnitude))
        return Float(min(step, Double(Float.greatestFiniteMagnitude)))
    }

    /// The integer of a real number.
    static func level(_ x: Float, scale: Float) -> Int32 {
        let steps = (Double(x) / Double(scale)).rounded(.toNearestOrEven)
        return Int32(min(max(steps, -Double(limit)), Double(limit)))
    }

    /// a + b, saturated.
    static func sum(_ a: Int32, _ b: Int32) -> Int32 {
        Int32(min(max(Int64(a) + Int64(b), -Int64(limit)), Int64(limit)))
    }
}
