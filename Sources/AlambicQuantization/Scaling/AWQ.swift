import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// AWQ, activation-aware weight quantization (Lin et al., 2024, arXiv 2306.00978): the weights that meet large activations are
/// scaled up before rounding, so that their errors count for less.
///
/// Behind each norm, and from values to the projection of attention, inputs are divided and weights multiplied by
///
///     s = s_X^a,   s_X = mean |X_j|,   a* = argmin over a in {0, 1/20, ... 19/20} of ‖ Q(W diag(s)) diag(s)⁻¹ X - W X ‖²
///
/// (section 3.2, equations 4 and 5), at least 1e-4, and divided by the root of the greatest times the least of them. a = 0 is
/// rounding to nearest, so no layer gets worse on the text that was read. Then the weights of each group are cut off at the
/// share 1, 0.95 ... 0.55 of its greatest that leaves the least error of the output. Q rounds to nearest; the sums over X
/// come from H = Xᵀ X, so that all of the text counts at the price of a part.
///
/// Layers are judged by inputs that come from the model before quantization. Rows of queries and keys are not cut off, as in
/// the authors' code. Inputs that come out of GELU cannot be divided; their weights are only cut off. Memory: 12 bytes for
/// each K² of a block's layers.
public struct AWQ: QuantizationMethod {
    /// The name by which the registry knows it.
    public static let name = "awq"
    /// It does.
    public static let needsCalibration = true
    /// Those with scales that weights share.
    public static let schemes: [String]? = [Int8Scheme.name, Int4Scheme.name]

    /// What the model reads.
    public let calibration: Calibration
    private let cancellation: Cancellation?
    private let progress: @Sendable (_ blocks: Int, _ of: Int) -> Void

    /// The method on a text.
    ///
    /// - Parameters:
    ///   - calibration: what the model reads.
    ///   - cancellation: looked at between blocks.
    ///   - progress: called after each block.
    public init(
        on calibration: Calibration, cancellation: Cancellation? = nil,
        progress: @escaping @Sendable (_ blocks: Int, _ of: Int) -> Void = { _, _ in }
    ) {
        (self.calibration, self.cancellation, self.progress) = (calibration, cancellation, progress)
    }

    /// The method on a text, without which there is none.
    public init(calibration: Calibration?) throws(TrainingError) {
        guard let calibration else {
            throw .badSetting("awq needs a text to see what the layers are given: give it one to calibrate on")
        }
        self.init(on: calibration)
    }

    /// Scales and cuts off block by block, then rounds to nearest.
    public func quantize(
        _ model: Model, _ chosen: [Int], to scheme: some QuantizationScheme, on context: Context
    ) throws(TrainingError) -> [PackedWeight] {
        try Self.check(scheme)
        let scalings = try ScalingPlan.scalings(of: model, chosen, for: Self.name)
        let watched = Set(chosen.filter { !model.weights[$0].isInteger })
        let clippedRows = Self.clippedRows(of: model)
        var (weights, seen) = (model.weights, [Int: AWQLayer]())
        try ScalingPlan.read(calibration, by: model, cancellation, on: context) { weight, x throws(KernelError) in
            guard watched.contains(weight.index) else { return }
            let known = seen[weight.index]
            var layer = if let known { known } else { try AWQLayer(inputs: x.columns) }
            try layer.add(x, on: context)
            seen[weight.index] = layer
        } afterBlock: { block throws(KernelError) in
            try Self.scale(&weights, scalings, &seen, to: scheme, on: context)
            for index in seen.keys.sorted() {
                guard let layer = seen[index] else { continue }
                weights[index] = try layer.clipped(
                    weights[index], rows: clippedRows[index], for: scheme, on: context)
            }
            seen = [:]
            if let block { progress(block, model.architecture.layers) }
        }
        return try RoundToNearest().quantize(model.replacing(weights: weights), chosen, to: scheme, on: context)
    }

    /// Which rows may be cut off where not all may: values, but neither queries nor keys.
    private static func clippedRows(of model: Model) -> [Int: Range<Int>] {
        var rows: [Int: Range<Int>] = [:]
        for scaling in model.architecture.inputScalings {
            if case .linear(let weight, _, let outputs) = scaling.source { rows[weight.index] = outputs }
        }
        return rows
    }

    /// Finds and applies the scales of the layers that were seen.
    private static func scale(
        _ weights: inout [PackedWeight], _ scalings: [InputScaling], _ seen: inout [Int: AWQLayer],
        to scheme: some QuantizationScheme, on context: Context
    ) throws(KernelError) {
        for scaling in scalings {
            guard let first = scaling.consumers.first, let layer = seen[first.index] else { continue }
            let scales = try layer.bestScales(
                for: scaling.consumers.map { weights[$0.index] }, to: scheme, on: context)
            try scaling.apply(scales, to: &weights)
            for consumer in scaling.consumers { seen[consumer.index] = try seen[consumer.index]?.divided(by: scales) }
        }
    }
}
