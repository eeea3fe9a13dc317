import AlambicKernels

/// y = x Wᵀ + 1 bᵀ in a bf16 step, with x and y in f32: the product's operands are rounded to bf16, its sums are not.
///
/// Backward as ``LinearOperation``, with the gradient rounded for both products: dx = g W in f32, dW = gᵀ x, db = gᵀ 1
/// of the gradient before it is rounded.
struct RoundedLinearOperation: Operation {
    let x: GradientSlot
    let rounded: HalfTensor
    let weight: ParameterID
    let bias: ParameterID?
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Float.self) else { return }
        let halves = try tape.tensor(gradient.shape, UInt16.self)
        tape.execution.stage("gradient to bf16", bytes: 6 * Double(gradient.count))
        try convert(gradient.span, to: .bf16, into: halves.mutableSpan, on: tape.context)
        if x.isWanted {
            let target = try tape.floats(x.shape)
            tape.stage(product: weight, rows: gradient.rows, "input gradient")
            try tape.multiplyBack(halves, weight, into: target, epilogue: Epilogue())
            // Where x is gelu(z), nothing has multiplied by gelu'(z) yet.
            try tape.addGradient(to: x, sharing: target)
        }
        try tape.weightGradient(halves, rounded, of: weight)
        guard let bias else { return }
        tape.execution.stage("bias gradient", bytes: 4 * Double(gradient.count))
        let sums = tape.gradients[bias]
        try columnSum(
            gradient.span, rows: gradient.rows, columns: gradient.columns, into: sums.mutableSpan,
            store: tape.store(bias), on: tape.context)
    }
}

extension Tape {
    /// A linear layer of f32 values in a bf16 step, with weights that are trained.
    func roundedLinear(
        _ x: Variable, _ tensor: Tensor, _ weight: ParameterID, _ bias: ParameterID?
    ) throws(KernelError) -> Variable {
        precondition(parameters[weight.index].trains, "\(parameters[weight.index].path) is frozen")
        let rounded = try self.tensor(x.shape, UInt16.self)
        execution.stage("to bf16", bytes: 6 * Double(tensor.count))
        try convert(tensor.span, to: .bf16, into: rounded.mutableSpan, on: context)
        let output = try floats(outputShape(x, weight))
        stage(product: weight, rows: tensor.rows)
        try multiply(rounded, weight, adding: bias, into: output, epilogue: Epilogue())
        let result = place(output)
        record(
            RoundedLinearOperation(x: x.slot, rounded: rounded, weight: weight, bias: bias, result: result.slot))
        return result
    }
}
