/// How the scale of a group of 4-bit weights is chosen.
public enum GroupScales: String, Sendable, CaseIterable {
    /// The weight of the greatest magnitude, m, gets the integer that has no opposite: scale = m / -8, so that all 16
    /// levels are used and nothing is cut off.
    case greatest
    /// Of m / -8 and smaller scales, which cut off the greatest weights for the sake of the others, the one that leaves the
    /// least sum of squared errors of the group.
    case leastSquares = "least-squares"

    /// What `leastSquares` tries, as shares of m / -8. The first that is not beaten is taken.
    private static let shares: [Float] = (0...14).map { 1 - Float($0) / 32 }

    /// The scale of every group, before it is rounded to f16; not finite where a weight is not.
    func scales(of weights: Span<Float>, group: Int, into scales: consuming MutableSpan<Float>) {
        for i in 0..<scales.count { scales[i] = scale(of: weights.extracting(i * group..<(i + 1) * group)) }
    }

    /// The scale of one group, before it is rounded to f16.
    public func scale(of weights: Span<Float>) -> Float {
        var greatest: Float = 0
        // A NaN is greater than anything, and stays.
        for k in 0..<weights.count where !greatest.isNaN && !(abs(weights[k]) <= abs(greatest)) {
            greatest = weights[k]
        }
        let whole = greatest / -8
        guard self == .leastSquares, whole.isFinite, whole != 0 else { return whole }
        var (best, least) = (whole, Float.infinity)
        for share in Self.shares {
            let scale = share * whole
            var error: Float = 0
            for k in 0..<weights.count {
                let difference = weights[k] - scale * Float(GroupedTensor.level(weights[k], scale: scale))
                error += difference * difference
            }
            if error < least { (best, least) = (scale, error) }
        }
        return best
    }
}
