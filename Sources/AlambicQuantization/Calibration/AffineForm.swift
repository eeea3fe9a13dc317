/// Where the real 0 lies among the integers.
public enum Symmetry: String, Sendable, Codable, CaseIterable {
    /// In their middle: Z = 0 (2ᵇ⁻¹ for unsigned ones).
    case symmetric
    /// Wherever the range puts it.
    case asymmetric
}

/// What kind of integers a range is to be covered by; with a range it makes ``AffineParameters``.
public struct AffineForm: Sendable, Equatable, Hashable, Codable {
    /// How many bits the integers have, 2 ... 16.
    public var bits: Int
    /// Which integers there are.
    public var levels: IntegerLevels
    /// Where 0 lies among them.
    public var symmetry: Symmetry

    /// A form.
    public init(bits: Int = 8, levels: IntegerLevels, symmetry: Symmetry) {
        precondition((2...16).contains(bits), "integers of \(bits) bits: use 2 to 16")
        (self.bits, self.levels, self.symmetry) = (bits, levels, symmetry)
    }

    /// Weights as Jacob et al. 2018 and this library's int8 products have them: -(2ᵇ⁻¹ - 1) ... 2ᵇ⁻¹ - 1 around 0.
    public static func weights(bits: Int = 8) -> AffineForm {
        AffineForm(bits: bits, levels: .narrow, symmetry: .symmetric)
    }

    /// Activations as Jacob et al. 2018 have them: 0 ... 2ᵇ - 1 with a zero point.
    public static func activations(bits: Int = 8) -> AffineForm {
        AffineForm(bits: bits, levels: .unsigned, symmetry: .asymmetric)
    }

    /// The parameters that cover a range, which is widened to contain 0.
    public func parameters(covering range: ClosedRange<Float>) -> AffineParameters {
        switch symmetry {
        case .symmetric: .symmetric(range.lowerBound, range.upperBound, bits: bits, levels: levels)
        case .asymmetric: .asymmetric(range.lowerBound, range.upperBound, bits: bits, levels: levels)
        }
    }
}
