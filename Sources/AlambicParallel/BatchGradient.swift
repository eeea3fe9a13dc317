import AlambicKernels
import AlambicTensor

/// What computes the loss of one large batch and its gradient, for methods that want them exactly: with the same bits at the
/// same weights each time, whoever computes.
public protocol BatchGradient: AnyObject {
    /// Loss and gradient at these weights, which stay as they are meanwhile. The gradient stays until the next call. Where
    /// the loss is not finite, the gradient need not be either.
    func evaluate(at weights: [Parameter]) throws(ParallelError) -> (loss: Double, gradients: GradientSet)
}
