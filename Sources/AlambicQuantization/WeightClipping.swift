import AlambicKernels
import AlambicTensor

/// Whether the greatest weights are cut off for the sake of the others.
public enum WeightClipping: String, Sendable, CaseIterable {
    /// They are not: scales cover all weights.
    case none
    /// Scales leave the least sum of squared errors of the weights that share them.
    case mse
}

extension QuantizedTensor {
    /// 8-bit integers with, for each row, the scale of 32 that leaves the least sum of squared errors: max |w| / 127 and shares
    /// of it down to 33/64, which cut off the greatest weights. The first that is not beaten is taken. Rows that are not finite
    /// become what they become without clipping.
    static func clipped(_ weights: Tensor, on context: Context) throws(KernelError) -> QuantizedTensor {
        let whole = try QuantizedTensor(weights, on: context)
        let columns = weights.columns
        try concurrently(weights.rows, nanoseconds: Double(weights.count) * 50, on: context) { row in
            let (source, range) = (weights.span, row * columns..<(row + 1) * columns)
            let x = source.extracting(range)
            var scales = whole.scales.mutableSpan
            guard let best = bestScale(of: x, whole: scales[row]) else { return }
            scales[row] = best
            var values = whole.values.mutableSpan(range)
            let inverse = 1 / best
            for k in 0..<columns { values[k] = Int8(clippedLevel(x[k] * inverse)) }
        }
        return whole
    }

    private static func clippedLevel(_ steps: Float) -> Float { min(max(steps.rounded(.toNearestOrEven), -127), 127) }

    /// Nil where the whole range is best.
    private static func bestScale(of x: Span<Float>, whole: Float) -> Float? {
        guard whole.isFinite, whole > 64 * Float.leastNormalMagnitude else { return nil }
        var (best, least) = (Float?.none, Double.infinity)
        for candidate in 0..<32 {
            let scale = whole * (1 - Float(candidate) / 64)
            let inverse = 1 / scale
            var error = 0.0
            for k in 0..<x.count {
                let difference = Double(x[unchecked: k] - scale * clippedLevel(x[unchecked: k] * inverse))
                error += difference * difference
            }
            if error < least { (best, least) = (candidate == 0 ? nil : scale, error) }
        }
        return best
    }
}
