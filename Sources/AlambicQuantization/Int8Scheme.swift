import AlambicKernels
import AlambicTensor

/// What shares a scale among weights.
public enum WeightScales: Sendable {
    /// The weights of one output.
    case perChannel
}

/// What shares a scale among activations.
public enum ActivationScales: Sendable {
    /// The activations of one token, measured as they come.
    case perToken
}

/// Symmetric 8-bit integers after training (Jacob et al. 2018 without zero points; scales per channel as in
/// Krishnamoorthi 2018, section 3.1.2): w = q * s with s = max |w| / 127 over each output's weights, q rounded half to
/// even, so that |w - q s| <= s / 2.
///
/// Activations are quantized while the model runs, with one scale per token, and products are exact sums of integers.
public struct Int8Scheme: QuantizationScheme {
    /// The name by which the registry knows it.
    public static let name = "int8"
    /// What shares a scale among weights.
    public let weights: WeightScales
    /// What shares a scale among activations.
    public let activations: ActivationScales
    /// Whether the greatest weights of an output are cut off.
    public let clipping: WeightClipping

    /// At its default settings.
    public init() { self.init(weights: .perChannel, activations: .perToken) }

    /// 8-bit integers with these scales.
    public init(weights: WeightScales, activations: ActivationScales, clipping: WeightClipping = .none) {
        self.weights = weights
        self.activations = activations
        self.clipping = clipping
    }

    /// Rounds the weights of each output to multiples of their scale.
    public func quantize(_ weight: PackedWeight, on context: Context) throws(KernelError) -> PackedWeight {
        if case .int8 = weight { return weight }
        let dense = try weight.dense()
        switch clipping {
        case .none: return .int8(try QuantizedTensor(dense, on: context))
        case .mse: return .int8(try QuantizedTensor.clipped(dense, on: context))
        }
    }
}

extension QuantizationScheme where Self == Int8Scheme {
    /// 8-bit integers.
    public static func int8(
        weights: WeightScales = .perChannel, activations: ActivationScales = .perToken, clipping: WeightClipping = .none
    ) -> Int8Scheme {
        Int8Scheme(weights: weights, activations: activations, clipping: clipping)
    }
}
