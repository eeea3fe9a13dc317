/// What shares the scale of a weight.
public enum WeightGranularity: String, Sendable, Codable, CaseIterable {
    /// All weights of a layer, from the least to the greatest, with a zero point (Jacob et al. 2018, section 3, equation 13).
    case perLayer
    /// The weights of an output each, symmetric around a zero point of 0 (Krishnamoorthi 2018, section 3.1).
    case perChannel
}

/// Into what integers a network is turned. Integers of fewer than 8 bits lie in bytes too: fewer bits are fewer levels.
public struct IntegerScheme: Sendable, Hashable, Codable {
    /// Bits of the weights, 2 ... 8: -(2ᵇ⁻¹ - 1) ... 2ᵇ⁻¹ - 1, so never -128.
    public let weightBits: Int
    /// Bits of what layers pass on, 2 ... 8: 0 ... 2ᵇ - 1.
    public let activationBits: Int
    /// What shares a scale.
    public let weights: WeightGranularity

    /// A scheme; without arguments the paper's.
    public init(weightBits: Int = 8, activationBits: Int = 8, weights: WeightGranularity = .perLayer) {
        precondition(
            Self.bits.contains(weightBits) && Self.bits.contains(activationBits),
            "weights of \(weightBits) bits and activations of \(activationBits): use 2 to 8")
        (self.weightBits, self.activationBits, self.weights) = (weightBits, activationBits, weights)
    }

    static let bits = 2...8

    /// How a range of activations becomes integers.
    public var activationForm: AffineForm { .activations(bits: activationBits) }
    /// How a range of weights becomes integers.
    public var weightForm: AffineForm {
        AffineForm(
            bits: weightBits, levels: .narrow, symmetry: weights == .perLayer ? .asymmetric : .symmetric)
    }
}
