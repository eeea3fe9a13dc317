import AlambicKernels
import AlambicTensor

/// Rounds weights to bf16, ties to even; products round activations likewise and sum in f32.
///
/// Token tables are rounded too: where the head is one of them, logits are products of bf16.
public struct BF16Scheme: QuantizationScheme {
    /// The name by which the registry knows it.
    public static let name = "bf16"

    /// The scheme.
    public init() {}

    /// Matrices and token tables.
    public func takes(_ kind: ParameterKind) -> Bool { kind == .matrix || kind == .embedding }

    /// Rounds every weight.
    public func quantize(_ weight: PackedWeight, on context: Context) throws(KernelError) -> PackedWeight {
        if case .bf16 = weight { return weight }
        return .bf16(try rounded(weight, to: .bf16, on: context))
    }
}

/// Rounds weights to f16, ties to even; products round activations likewise and sum in f32.
///
/// f16 ends at 65504: greater activations become infinite, which bf16 is safe from.
public struct F16Scheme: QuantizationScheme {
    /// The name by which the registry knows it.
    public static let name = "f16"

    /// The scheme.
    public init() {}

    /// Matrices and token tables.
    public func takes(_ kind: ParameterKind) -> Bool { kind == .matrix || kind == .embedding }

    /// Rounds every weight. Throws `.badArgument` for weights that f16 cannot hold.
    public func quantize(_ weight: PackedWeight, on context: Context) throws(KernelError) -> PackedWeight {
        if case .f16 = weight { return weight }
        return .f16(try rounded(weight, to: .f16, on: context))
    }
}

extension QuantizationScheme where Self == BF16Scheme {
    /// 16-bit floats with the exponents of f32.
    public static var bf16: BF16Scheme { BF16Scheme() }
}

extension QuantizationScheme where Self == F16Scheme {
    /// 16-bit floats of IEEE 754.
    public static var f16: F16Scheme { F16Scheme() }
}

private func rounded(
    _ weight: PackedWeight, to format: HalfFormat, on context: Context
) throws(KernelError) -> HalfTensor {
    let dense = try weight.dense()
    let result = try HalfTensor(dense.shape)
    try convert(dense.span, to: format, into: result.mutableSpan, on: context)
    if let (place, _) = format.firstNotFinite(in: result.span) {
        throw KernelError(.badArgument, "weight \(dense.span[place]) is beyond what \(format) can hold")
    }
    return result
}
