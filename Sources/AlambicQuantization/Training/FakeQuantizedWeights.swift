import AlambicKernels
import AlambicTensor
import Synchronization

/// Fake quantization of a weight (Jacob et al. 2018, section 3): the forward pass sees the real numbers that the weight's
/// integers stand for, over the range of its values at that step; gradients pass straight through to the raw weights, which
/// nothing cuts off since the range holds them all.
public final class FakeQuantizedWeights: WeightTransform {
    /// Bits, and what shares a scale.
    public let scheme: IntegerScheme
    private let effective = Mutex<Tensor?>(nil)

    /// Fake quantization into a scheme's integers.
    public init(_ scheme: IntegerScheme) { self.scheme = scheme }

    /// The scheme.
    public var digest: String { "fake quantization \(scheme.weightBits) bits \(scheme.weights.rawValue)" }

    /// S (q - Z). Throws `.badArgument` for weights that are not finite.
    public func effective(of parameter: Parameter, on context: Context) throws(KernelError) -> Tensor {
        let weights = try IntegerWeights(parameter.value, scheme, of: parameter.path, on: context)
        let known = effective.withLock { $0 }
        let tensor = if let known { known } else { try Tensor(parameter.shape) }
        if known == nil { effective.withLock { $0 = tensor } }
        try weights.reals(into: tensor, on: context)
        return tensor
    }

    /// The gradient as it is.
    public func pullBack(gradient: Tensor, of parameter: Parameter, on context: Context) throws(KernelError) {}
}
