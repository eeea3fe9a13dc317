import AlambicKernels
import AlambicTensor

/// The real numbers that an ``IntegerLinear`` is made of.
struct LayerSource {
    /// [outputs, inputs].
    var weight: Tensor
    /// [outputs].
    var bias: Tensor
    /// What its inputs stand for.
    var input: AffineParameters
    /// What its outputs are to stand for; nil for 32 bits.
    var output: AffineParameters?
    var isRectified: Bool
    var scheme: IntegerScheme
    var name: String
    /// What a step of outputs of 32 bits is to be worth; nil for logits, which have a scale to themselves.
    var wideScale: Float?

    /// The layer, the scales of its weights, and what one step of its outputs is worth.
    ///
    /// - Throws: `.badArgument` for a parameter that is not finite, and where a step of the logits is worth more than a
    ///   float can say; `.badShape` where sums could leave 32 bits.
    func layer(
        packs: Bool, on context: Context
    ) throws(KernelError) -> (layer: IntegerLinear, scales: [Float], outputScale: Float) {
        let biases = bias.elements
        for (j, bias) in biases.enumerated() where !bias.isFinite {
            throw KernelError(.badArgument, "\(name).bias: element \(j) is \(bias): there is no integer for it")
        }
        let weights = try IntegerWeights(
            weight, scheme,
            leastScales: biases.map { IntegerWeights.leastScale(bias: $0, inputScale: input.scale) },
            of: "\(name).weight", on: context)
        // S₁ S₂ of each output: what a step of its sums is worth.
        let steps = weights.scales.map { Double($0) * Double(input.scale) }
        let outputScale: Float
        if let given = output?.scale ?? wideScale {
            outputScale = given
        } else {
            outputScale = try coarsest(steps, weights, biases)
        }
        let layer = try IntegerLinear(
            weights: weights.levels, weightZeroPoints: weights.zeroPoints, inputZeroPoint: input.zeroPoint,
            inputLevels: input.lowest...input.highest,
            bias: zip(biases, steps).map { Self.integer($0, step: $1) },
            multipliers: steps.map { FixedPointMultiplier($0 / Double(outputScale)) },
            output: output.map { .passing($0, isRectified: isRectified) } ?? .logits, packs: packs,
            of: name, on: context)
        return (layer, weights.scales, outputScale)
    }

    /// Logits have the coarsest scale of all, so that no multiplier is above 1; those that are always 0 have no say,
    /// since theirs is any scale.
    private func coarsest(
        _ steps: [Double], _ weights: IntegerWeights, _ biases: [Float]
    ) throws(KernelError) -> Float {
        let levels = weights.levels
        let says = steps.indices.filter { j in
            guard biases[j] == 0 else { return true }
            let row = levels.rows(j..<j + 1)
            let (span, zeroPoint) = (row.span, weights.zeroPoints[j])
            return span.indices.contains { Int32(span[$0]) != zeroPoint }
        }
        let step = says.map { steps[$0] }.max() ?? steps.max() ?? 1
        guard step <= Double(Float.greatestFiniteMagnitude) else {
            throw KernelError(
                .badArgument,
                "\(name): one step of its results is worth \(step), more than a float can say: look for what made its "
                    + "weights or inputs so large")
        }
        return max(Float(step), .leastNormalMagnitude)
    }

    /// round(b / (S₁ S₂)), half away from zero (equation 11).
    private static func integer(_ bias: Float, step: Double) -> Int32 {
        let rounded = (Double(bias) / step).rounded(.toNearestOrAwayFromZero)
        return Int32(min(max(rounded, -0x1p30), 0x1p30))
    }
}

extension IntegerOutput {
    /// The levels of what is passed on, after a ReLU or not. max(x, 0) is a clamp: 0 is the zero point.
    static func passing(_ output: AffineParameters, isRectified: Bool) -> IntegerOutput {
        .levels(
            zeroPoint: output.zeroPoint, lowest: isRectified ? max(output.lowest, output.zeroPoint) : output.lowest,
            highest: output.highest)
    }
}
