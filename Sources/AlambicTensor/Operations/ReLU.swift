import AlambicKernels

/// y = max(x, 0) (Nair and Hinton, 2010), in f32.
///
/// Backward: dx = g where y > 0, else 0.
struct ReLUOperation: Operation {
    let x: GradientSlot
    let y: Tensor
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Float.self) else { return }
        try tape.addGradient(to: x, Float.self) { target throws(KernelError) in
            try reluBackward(gradient.span, y.span, into: target.mutableSpan, on: tape.context)
        }
    }
}

extension Tape {
    /// y = max(x, 0), element by element.
    public func relu(_ x: Variable) throws(KernelError) -> Variable {
        let x = try widened(x)
        let input = x.value
        let output = try floats(x.shape)
        execution.stage("relu", bytes: 8 * Double(output.count))
        try AlambicKernels.relu(input.span, into: output.mutableSpan, on: context)
        let result = place(output)
        record(ReLUOperation(x: x.slot, y: output, result: result.slot))
        return result
    }

    /// A value from outside that nobody wants the gradient of, such as images. It is held until the step is over.
    public func constant(_ tensor: Tensor) -> Variable {
        constants.append(tensor)
        return place(.f32(tensor), origin: .constant)
    }
}
