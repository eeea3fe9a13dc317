import AlambicKernels

/// y = gain * h + bias with h = (x - mean) / deviation, row by row of C elements; deviation = sqrt(variance + epsilon).
///
/// Backward, with g = dL/dy and u = g * gain: dx = (u - mean(u) - h mean(u * h)) / deviation,
/// dgain = sum over rows of g * h, dbias = sum over rows of g. (Ba, Kiros and Hinton, 2016; the two means come from
/// the dependence of mean and variance on x.) What is known of dx, the residual branch that goes past the norm, is added
/// in the same pass.
struct LayerNormOperation: Operation {
    /// All that the norm depends on, with its statistics.
    struct Inputs: Sendable {
        let x: Tensor
        let gain: ParameterID
        let bias: ParameterID
        let epsilon: Float
        let mean: Tensor
        let inverseDeviation: Tensor
    }

    let x: GradientSlot
    let inputs: Inputs
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result)?.gradient else { return }
        switch gradient {
        case .f32(let gradient): try backward(gradient, on: tape)
        case .bf16(let gradient): try backward(gradient, on: tape)
        }
    }

    private func backward<Element: Activation>(
        _ gradient: DenseTensor<Element>, on tape: Tape
    ) throws(KernelError) {
        // The slot of gelu(z) holds the gradient of z, which is no part of this one's sum.
        let known = x.preactivation == nil ? tape.takeGradient(of: x, Float.self) : nil
        let target = try tape.floats(x.shape)
        let rounded = Element.self == Float.self ? nil : try tape.tensor(x.shape, UInt16.self)
        tape.execution.stage(
            "layer norm gradient",
            bytes: Double(target.count)
                * Double(MemoryLayout<Element>.stride + 8 + (known == nil ? 0 : 4) + (rounded == nil ? 0 : 2)))
        // Gain and bias are vectors of one length, written together.
        let store = tape.store(inputs.gain)
        precondition(tape.store(inputs.bias) == store, "gain and bias of a norm belong together")
        let (gain, dGain, dBias) = (
            tape.weights(inputs.gain), try tape.gradientSpace(inputs.gain), try tape.gradientSpace(inputs.bias)
        )
        let value = inputs.x
        try layerNormBackward(
            gradient.span, value.span, gain: gain.span, mean: inputs.mean.span,
            inverseDeviation: inputs.inverseDeviation.span, residual: known?.span, rows: value.rows,
            columns: value.columns, into: target.mutableSpan, copy: rounded?.mutableSpan, dGain: dGain.mutableSpan,
            dBias: dBias.mutableSpan, store: store, on: tape.context)
        try tape.addGradient(to: x, sharing: target, rounded: rounded)
    }
}

extension Tape {
    /// See ``Graph/layerNorm(_:gain:bias:epsilon:)``.
    public func layerNorm(
        _ x: Variable, gain: ParameterID, bias: ParameterID, epsilon: Float
    ) throws(KernelError) -> Variable {
        switch dtype {
        case .f32, .f16: try layerNorm(x, gain, bias, epsilon, Float.self)
        case .bf16, .int8Mixed: try layerNorm(x, gain, bias, epsilon, UInt16.self)
        }
    }

    private func layerNorm<Element: Activation>(
        _ x: Variable, _ gain: ParameterID, _ bias: ParameterID, _ epsilon: Float, _ type: Element.Type
    ) throws(KernelError) -> Variable {
        let x = try widened(x)
        let (gains, biases) = (weights(gain), weights(bias))
        precondition(
            gains.count == x.shape.columns && biases.count == x.shape.columns,
            "layer norm of \(x.shape) with gain \(gains.shape) and bias \(biases.shape)")
        let inputs = LayerNormOperation.Inputs(
            x: x.value, gain: gain, bias: bias, epsilon: epsilon, mean: try floats([x.shape.rows]),
            inverseDeviation: try floats([x.shape.rows]))
        let output = try tensor(x.shape, type)
        execution.stage("layer norm", bytes: Double(output.count * (4 + MemoryLayout<Element>.stride)))
        try norm(inputs, into: output)
        let result = place(Element.elements(output), origin: .layerNorm(inputs))
        record(LayerNormOperation(x: x.slot, inputs: inputs, result: result.slot))
        return result
    }

    /// y = gain * (x - mean) / deviation + bias, with its statistics.
    func norm<Element: Activation>(
        _ inputs: LayerNormOperation.Inputs, into y: DenseTensor<Element>
    ) throws(KernelError) {
        let (x, gain, bias) = (inputs.x, weights(inputs.gain), weights(inputs.bias))
        try AlambicKernels.layerNorm(
            x.span, gain: gain.span, bias: bias.span, epsilon: inputs.epsilon, rows: x.rows, columns: x.columns,
            into: y.mutableSpan, mean: inputs.mean.mutableSpan, inverseDeviation: inputs.inverseDeviation.mutableSpan,
            on: context)
    }
}
