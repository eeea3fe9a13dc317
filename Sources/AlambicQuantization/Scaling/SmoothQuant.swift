import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining
import Foundation

/// SmoothQuant (Xiao et al., 2023, arXiv 2211.10438): outliers of activations are divided out of them and multiplied into the
/// weights, where there is room for them.
///
/// An input that is a hundred times the others leaves these one or two levels of 8-bit integers, since one scale serves a
/// whole token. Behind each norm every input j is divided by
///
///     s_j = max |X_j|^α / max |W_j|^(1 - α)          (equation 4)
///
/// and the weights of input j are multiplied by it; the norm's gain and bias take the division, so the model stays what it is
/// and costs what it cost. α = 1/2 shares the difficulty evenly. Then weights are rounded to nearest.
///
/// Limits: inputs that no norm makes (of the projections after attention and GELU) stay as they are, as in the paper. Where
/// weights are the harder part (int4) it may do harm; see ``AWQ``. Inputs or weights that are all zero have s = 1.
public struct SmoothQuant: QuantizationMethod {
    /// The name by which the registry knows it.
    public static let name = "smoothquant"
    /// It does: max |X_j|.
    public static let needsCalibration = true
    /// Those whose products have integer activations.
    public static let schemes: [String]? = [Int8Scheme.name, Int4Scheme.name]

    /// What the model reads.
    public let calibration: Calibration
    /// α: how much of the difficulty goes from activations to weights, 0 ... 1.
    public let strength: Double
    private let cancellation: Cancellation?
    private let progress: @Sendable (_ blocks: Int, _ of: Int) -> Void

    /// The least s, as in the authors' code.
    private static let least: Float = 1e-5

    /// The method on a text.
    ///
    /// - Parameters:
    ///   - calibration: what the model reads.
    ///   - strength: α, 0 ... 1.
    ///   - cancellation: looked at between blocks.
    ///   - progress: called after each block.
    public init(
        on calibration: Calibration, strength: Double = 0.5, cancellation: Cancellation? = nil,
        progress: @escaping @Sendable (_ blocks: Int, _ of: Int) -> Void = { _, _ in }
    ) {
        (self.calibration, self.strength, self.cancellation) = (calibration, strength, cancellation)
        self.progress = progress
    }

    /// The method on a text, without which there is none.
    public init(calibration: Calibration?) throws(TrainingError) {
        guard let calibration else {
            throw .badSetting("smoothquant needs a text to see what the layers are given: give it one to calibrate on")
        }
        self.init(on: calibration)
    }

    /// Smooths what feeds the chosen weights, then rounds these to nearest.
    public func quantize(
        _ model: Model, _ chosen: [Int], to scheme: some QuantizationScheme, on context: Context
    ) throws(TrainingError) -> [PackedWeight] {
        try Self.check(scheme)
        let smooth = try smoothed(model, chosen, on: context)
        return try RoundToNearest().quantize(smooth, chosen, to: scheme, on: context)
    }

    /// The same model with smoother inputs of the chosen weights (of all matrices by default), in f32.
    public func smoothed(
        _ model: Model, _ chosen: [Int]? = nil, on context: Context = .default
    ) throws(TrainingError) -> Model {
        guard (0...1).contains(strength) else {
            throw .badSetting("a strength of \(strength) is outside of what smoothquant can use: use one from 0 to 1")
        }
        let scalings = try ScalingPlan.scalings(of: model, chosen, for: Self.name).filter { $0.sourceWeight == nil }
        var statistics: [Int: InputStatistics] = [:]
        let watched = Set(scalings.compactMap { $0.consumers.first?.index })
        try ScalingPlan.read(calibration, by: model, cancellation, on: context) { weight, x throws(KernelError) in
            guard watched.contains(weight.index) else { return }
            try statistics[weight.index, default: InputStatistics(inputs: x.columns)].add(x)
        } afterBlock: { block throws(KernelError) in
            if let block { progress(block, model.architecture.layers) }
        }
        var weights = model.weights
        do {
            for scaling in scalings {
                guard let first = scaling.consumers.first, let seen = statistics[first.index] else { continue }
                let columns = try Self.columnMaxima(scaling.consumers.map { weights[$0.index] })
                let scales = Self.scales(activations: seen.greatest, weights: columns, strength: strength)
                try scaling.apply(scales, to: &weights)
            }
        } catch {
            throw .kernel(error)
        }
        return model.replacing(weights: weights)
    }

    /// Equation 4.
    static func scales(activations: [Float], weights: [Float], strength: Double) -> [Float] {
        zip(activations, weights).map { x, w in
            guard x > 0, w > 0 else { return 1 }
            return max(least, Float(pow(Double(x), strength) / pow(Double(w), 1 - strength)))
        }
    }

    /// max |W_j| over the outputs of all weights.
    private static func columnMaxima(_ weights: [PackedWeight]) throws(KernelError) -> [Float] {
        var maxima: [Float] = []
        for weight in weights {
            let dense = try weight.dense()
            let (elements, columns) = (dense.span, dense.columns)
            if maxima.isEmpty { maxima = [Float](repeating: 0, count: columns) }
            for i in 0..<elements.count { maxima[i % columns] = max(maxima[i % columns], abs(elements[i])) }
        }
        return maxima
    }
}
