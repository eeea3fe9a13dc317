import AlambicKernels

/// y = gain * h + bias with h = (x - mean) / deviation, row by row of C elements; deviation = sqrt(variance + epsilon).
///
/// Backward, with g = dL/dy and u = g * gain: dx = (u - mean(u) - h mean(u * h)) / deviation,
/// dgain = sum over rows of g * h, dbias = sum over rows of g. (Ba, Kiros and Hinton, 2016; the two means come from
/// the dependence of mean and variance on x.)
struct LayerNormOperation: Operation {
    let x: Variable
    let gain: ParameterID
    let bias: ParameterID
    let mean: Tensor
    let inverseDeviation: Tensor
    let result: Variable

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result) else { return }
        try tape.addGradient(to: x) { target throws(KernelError) in
            try layerNormBackward(
                gradient.span, x.value.span, gain: tape.weights(gain).span, mean: mean.span,
                inverseDeviation: inverseDeviation.span, rows: x.value.rows, columns: x.value.columns,
                into: target.mutableSpan, dGain: tape.gradients[gain].mutableSpan,
                dBias: tape.gradients[bias].mutableSpan, on: tape.context)
        }
    }
}

extension Tape {
    /// See ``Graph/layerNorm(_:gain:bias:epsilon:)``.
    public func layerNorm(
        _ x: Variable, gain: ParameterID, bias: ParameterID, epsilon: Float
    ) throws(KernelError) -> Variable {
        let (gains, biases) = (weights(gain), weights(bias))
        precondition(
            gains.count == x.value.columns && biases.count == x.value.columns,
            "layer norm of \(x.shape) with gain \(gains.shape) and bias \(biases.shape)")
        let result = try variable(x.shape)
        let mean = try pool.tensor([x.value.rows])
        let inverseDeviation = try pool.tensor([x.value.rows])
        try AlambicKernels.layerNorm(
            x.value.span, gain: gains.span, bias: biases.span, epsilon: epsilon, rows: x.value.rows,
            columns: x.value.columns, into: result.value.mutableSpan, mean: mean.mutableSpan,
            inverseDeviation: inverseDeviation.mutableSpan, on: context)
        record(
            LayerNormOperation(
                x: x, gain: gain, bias: bias, mean: mean, inverseDeviation: inverseDeviation, result: result))
        return result
    }
}
