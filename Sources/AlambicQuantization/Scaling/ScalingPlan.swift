import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// What methods that scale inputs have in common.
enum ScalingPlan {
    /// Where the inputs of the chosen weights can be scaled.
    ///
    /// - Throws: `badSetting` for a model without such places, and for weights that are integers already.
    static func scalings(
        of model: Model, _ chosen: [Int]?, for method: String
    ) throws(TrainingError) -> [InputScaling] {
        let parameters = model.architecture.parameters
        let all = model.architecture.inputScalings
        guard !all.isEmpty else {
            let type = type(of: model.architecture).modelType
            throw .badSetting(
                "\(method) does not know where the inputs of a model of type '\(type)' can be scaled: use rtn")
        }
        let chosen = Set(chosen ?? parameters.indices.filter { parameters[$0].kind == .matrix })
        let scalings = all.filter { scaling in scaling.consumers.allSatisfy { chosen.contains($0.index) } }
        let touched = scalings.flatMap { $0.consumers + ($0.sourceWeight.map { [$0] } ?? []) }
        for id in touched where model.weights[id.index].isInteger {
            throw .badSetting(
                "'\(parameters[id.index].path)' is \(model.weights[id.index].formName) already, and \(method) scales "
                    + "floats: start from the model before it was quantized")
        }
        return scalings
    }

    /// Lets a model read a text.
    static func read(
        _ calibration: Calibration, by model: Model, _ cancellation: Cancellation?, on context: Context,
        see: @escaping ObservingPass.See, afterBlock: @escaping (_ block: Int?) throws(KernelError) -> Void
    ) throws(TrainingError) {
        try calibration.check(for: model.architecture)
        var (blocks, isStopped) = (0, false)
        do {
            let pass = try ObservingPass(model, on: context, see: see) { block throws(KernelError) in
                try afterBlock(block)
                blocks = block ?? blocks
                isStopped = cancellation?.isCancelled ?? false
                return !isStopped
            }
            try pass.run(calibration.tokens)
        } catch {
            guard !isStopped else { throw .quantizationCancelled(blocks: blocks, of: model.architecture.layers) }
            throw .kernel(error)
        }
    }
}
