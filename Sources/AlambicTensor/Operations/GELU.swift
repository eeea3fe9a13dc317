import AlambicKernels

/// y = x/2 (1 + tanh u) with u = sqrt(2/pi) (x + 0.044715 x³).
///
/// Backward: dx = g ((1 + tanh u)/2 + x/2 (1 - tanh² u) u') with u' = sqrt(2/pi) (1 + 3 * 0.044715 x²).
struct GELUOperation: Operation {
    let x: Variable
    let result: Variable

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result) else { return }
        try tape.addGradient(to: x) { target throws(KernelError) in
            try geluBackward(gradient.span, x.value.span, form: .tanh, into: target.mutableSpan, on: tape.context)
        }
    }
}

extension Tape {
    /// See ``Graph/gelu(_:)``.
    public func gelu(_ x: Variable) throws(KernelError) -> Variable {
        let result = try variable(x.shape)
        try AlambicKernels.gelu(x.value.span, form: .tanh, into: result.value.mutableSpan, on: context)
        record(GELUOperation(x: x, result: result))
        return result
    }
}
