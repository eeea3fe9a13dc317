/// What gradients of global norm `norm` must be multiplied by so that it is at most `limit` (Pascanu et al. 2013,
/// Algorithm 1); 1 without a limit. The norm is that of all gradients together: `GradientSet.norm(on:)`.
public func clippingScale(norm: Double, limit: Double?) -> Double {
    guard let limit, norm > limit else { return 1 }
    return limit / norm
}
