import AlambicKernels

/// y = x/2 (1 + tanh u) with u = sqrt(2/pi) (x + 0.044715 x³).
///
/// Backward: dx = g ((1 + tanh u)/2 + x/2 (1 - tanh² u) u') with u' = sqrt(2/pi) (1 + 3 * 0.044715 x²). The slot of y
/// holds dx already, see ``GradientSlot``.
struct GELUOperation<Element: Activation>: Operation {
    let x: GradientSlot
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Element.self) else { return }
        try tape.addGradient(to: x, sharing: gradient)
    }
}

extension Tape {
    /// See ``Graph/gelu(_:)``.
    public func gelu(_ x: Variable) throws(KernelError) -> Variable {
        switch x.elements {
        case .f32(let tensor): try gelu(x, tensor)
        case .bf16(let tensor): try gelu(x, tensor)
        }
    }

    private func gelu<Element: Activation>(
        _ x: Variable, _ tensor: DenseTensor<Element>
    ) throws(KernelError) -> Variable {
        let output = try self.tensor(x.shape, Element.self)
        execution.stage("gelu", bytes: 2 * Double(output.count * MemoryLayout<Element>.stride))
        try AlambicKernels.gelu(tensor.span, form: .tanh, into: output.mutableSpan, on: context)
        let result = place(Element.elements(output), origin: .gelu(preactivation: try save(tensor)))
        record(GELUOperation<Element>(x: x.slot, result: result.slot))
        return result
    }
}
