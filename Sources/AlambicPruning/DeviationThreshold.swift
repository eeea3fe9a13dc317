import AlambicKernels
import AlambicTensor
import AlambicTraining

/// Han's own threshold (Han et al. 2015, section 4: "the pruning threshold is chosen as a quality parameter multiplied by the
/// standard deviation of a layer's weights"): what is smaller in magnitude than q · σ goes.
///
/// σ is that of the weights that exist, around their mean, with N and not N - 1 in the denominator; over rounds it is taken anew
/// of what is left, so that the same q removes more. For normal weights of mean 0, q = 1 removes 68 %, q = 2 95 %.
///
/// Unlike ``PruningMethod``s it is not told how many weights go: where a figure has to be met use ``Magnitude``, whose
/// threshold is the one that meets it.
public struct DeviationThreshold: Sendable {
    /// q, in standard deviations; at least 0.
    public let quality: Double

    /// A threshold of `quality` standard deviations.
    ///
    /// - Throws: `.badSetting` for what is no such number.
    public init(quality: Double) throws(TrainingError) {
        guard quality >= 0, quality.isFinite else {
            throw .badSetting("a threshold of \(quality) standard deviations: use a number from 0, such as 1")
        }
        self.quality = quality
    }

    /// The standard deviation of the weights that exist; 0 where there are none.
    public static func deviation(of weights: Tensor, after earlier: Mask? = nil) -> Double {
        var (count, sum, squares) = (0.0, 0.0, 0.0)
        let values = weights.span
        func visit(_ body: (Double) -> Void) {
            for row in 0..<weights.rows {
                for column in 0..<weights.columns where earlier?.keeps(row, column) ?? true {
                    body(Double(values[row * weights.columns + column]))
                }
            }
        }
        visit { value in (count, sum) = (count + 1, sum + value) }
        guard count > 0 else { return 0 }
        let mean = sum / count
        visit { value in squares += (value - mean) * (value - mean) }
        return (squares / count).squareRoot()
    }

    /// Keeps what is at least q · σ in magnitude and has not been removed earlier.
    ///
    /// - Parameter weights: [outputs, inputs]; of a convolution [outputs, K·K·inputs].
    public func mask(of weights: Tensor, after earlier: Mask? = nil) throws(KernelError) -> Mask {
        let threshold = quality * Self.deviation(of: weights, after: earlier)
        let values = weights.span
        var keeps = [Bool](repeating: false, count: weights.count)
        for row in 0..<weights.rows {
            for column in 0..<weights.columns where earlier?.keeps(row, column) ?? true {
                let index = row * weights.columns + column
                keeps[index] = Double(values[index].magnitude) >= threshold
            }
        }
        return try Mask(rows: weights.rows, columns: weights.columns, keeps: keeps)
    }
}

extension Pruner {
    /// Removes what is below its own layer's threshold: one quality parameter for each path (Han et al. 2015, section 4). Other
    /// matrices stay as they are.
    public func prune(
        thresholds: [String: DeviationThreshold], tokens: Int? = nil
    ) throws(TrainingError) {
        try prune(with: try masks(below: thresholds), tokens: tokens)
    }
}
