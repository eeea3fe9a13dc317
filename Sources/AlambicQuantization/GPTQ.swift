import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// GPTQ (Frantar et al., 2022, arXiv 2210.17323): 4-bit weights whose errors make up for each other.
///
/// Of each linear layer it lessens ||W X - Q X||² over the inputs X that the layer is given while the model reads a text. The
/// columns of W are rounded in their order; the error of each is divided among the columns that are still to come, as the
/// inverse Hessian says (section 3, algorithm 1):
///
///     e = (w_j - q_j) / U_jj,   w_l -= e U_jl  for l > j,   (X Xᵀ + λ I)⁻¹ = Uᵀ U
///
/// A group's scale is chosen when its first column is reached, from the weights as they are then. Layers are quantized
/// block by block, each on inputs that have come through the blocks before it as they are after quantization.
///
/// A Hessian is singular where fewer tokens were read than a layer has inputs, or inputs were zero throughout. λ makes it
/// invertible, and `notice` is told.
///
/// Inputs that were zero throughout give no reason to prefer one error to another: their weights are rounded to nearest.
/// The zeros of sparse weights stay zero, and their part of the error is divided like any other.
public struct GPTQ: QuantizationMethod {
    /// The name by which the registry knows it.
    public static let name = "gptq"
    /// It is.
    public static let needsCalibration = true
    /// int4.
    public static let schemes: [String]? = [Int4Scheme.name]

    /// What the model reads.
    public let calibration: Calibration
    /// λ as a share of the mean of the Hessian's diagonal.
    public let damping: Double
    private let cancellation: Cancellation?
    private let progress: @Sendable (_ blocks: Int, _ of: Int) -> Void
    private let notice: @Sendable (String) -> Void

    /// The method on a text.
    ///
    /// - Parameters:
    ///   - calibration: what the model reads.
    ///   - damping: λ as a share of the mean of the Hessian's diagonal, above 0.
    ///   - cancellation: looked at between blocks.
    ///   - notice: called with a line when Hessians were singular.
    ///   - progress: called after each block.
    public init(
        on calibration: Calibration, damping: Double = 0.01, cancellation: Cancellation? = nil,
        notice: @escaping @Sendable (String) -> Void = { _ in },
        progress: @escaping @Sendable (_ blocks: Int, _ of: Int) -> Void = { _, _ in }
    ) {
        self.calibration = calibration
        self.damping = damping
        self.cancellation = cancellation
        self.notice = notice
        self.progress = progress
    }

    /// The method on a text, without which there is none.
    public init(calibration: Calibration?) throws(TrainingError) {
        guard let calibration else {
            throw .badSetting("gptq needs a text to see what the layers are given: give it one to calibrate on")
        }
        self.init(on: calibration)
    }

    /// Quantizes block by block.
    public func quantize(
        _ model: Model, _ chosen: [Int], to scheme: some QuantizationScheme, on context: Context
    ) throws(TrainingError) -> [PackedWeight] {
        try Self.check(scheme)
        guard let scheme = scheme as? Int4Scheme else {
            throw .badSetting("'\(type(of: scheme).name)' is another scheme than int4, which gptq needs")
        }
        guard damping > 0, damping.isFinite else {
            throw .badSetting("a damping of \(damping) is outside of what gptq can use: use a number such as 0.01")
        }
        let architecture = model.architecture
        try calibration.check(for: architecture)
        var (blocks, singular) = (0, SingularHessians(damping: damping))
        let pass: CalibrationPass
        do {
            pass = try CalibrationPass(model, chosen: chosen, on: context) { weight, hessian throws(KernelError) in
                try quantize(weight, inputs: hessian, to: scheme, noting: &singular, on: context)
            } afterBlock: {
                blocks += 1
                progress(blocks, architecture.layers)
                return !(cancellation?.isCancelled ?? false)
            }
            try pass.run(calibration.tokens)
        } catch {
            guard !error.isStop else { throw .quantizationCancelled(blocks: blocks, of: architecture.layers) }
            throw .kernel(error)
        }
        if let text = singular.text { notice(text) }
        return pass.weights
    }

    /// The quantized form of one weight, [outputs, inputs].
    func quantize(
        _ weight: PackedWeight, inputs hessian: Hessian, to scheme: Int4Scheme, on context: Context
    ) throws(KernelError) -> PackedWeight {
        var unused = SingularHessians(damping: damping)
        return try quantize(weight, inputs: hessian, to: scheme, noting: &unused, on: context)
    }

    private func quantize(
        _ weight: PackedWeight, inputs hessian: Hessian, to scheme: Int4Scheme, noting singular: inout SingularHessians,
        on context: Context
    ) throws(KernelError) -> PackedWeight {
        let isSparse = if case .bitmask = weight { true } else { false }
        let layer = try GPTQLayer(try weight.dense(), keepsZeros: isSparse, scheme, on: context)
        let (factor, share) = try hessian.factor(damping: damping)
        singular.note(hessian, share: share)
        let quantized = PackedWeight.int4(try layer.quantize(factor))
        return isSparse ? try quantized.sparse() : quantized
    }
}
