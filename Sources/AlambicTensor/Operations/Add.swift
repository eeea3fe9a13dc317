import AlambicKernels

/// y = a + b in f32. Backward: da = g, db = g; both variables keep the same memory for it.
struct AddOperation: Operation {
    let a: GradientSlot
    let b: GradientSlot
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Float.self) else { return }
        try tape.addGradient(to: a, sharing: gradient)
        try tape.addGradient(to: b, sharing: gradient)
    }
}

/// y = x in f32, of a bf16 x. Backward: dx = g, rounded.
struct WidenOperation: Operation {
    let x: GradientSlot
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Float.self) else { return }
        try tape.addGradient(to: x, UInt16.self) { target throws(KernelError) in
            try convert(gradient.span, to: .bf16, into: target.mutableSpan, on: tape.context)
        }
    }
}

extension Tape {
    /// See ``Graph/add(_:_:)``.
    public func add(_ a: Variable, _ b: Variable) throws(KernelError) -> Variable {
        precondition(a.shape == b.shape, "adding \(a.shape) and \(b.shape)")
        let (a, b) = (try widened(a), try widened(b))
        let result = place(.f32(try sum(a.value, b.value)))
        record(AddOperation(a: a.slot, b: b.slot, result: result.slot))
        return result
    }

    /// The same variable in f32.
    func widened(_ x: Variable) throws(KernelError) -> Variable {
        guard case .bf16(let tensor) = x.elements else { return x }
        let wide = try floats(x.shape)
        try convert(tensor.span, from: .bf16, into: wide.mutableSpan, on: context)
        let result = place(.f32(wide))
        record(WidenOperation(x: x.slot, result: result.slot))
        return result
    }

    /// a + b in new memory.
    func sum<Element: Activation>(
        _ a: DenseTensor<Element>, _ b: DenseTensor<Element>
    ) throws(KernelError) -> DenseTensor<Element> {
        let result = try tensor(a.shape, Element.self)
        execution.stage("add", bytes: 3 * Double(a.count * MemoryLayout<Element>.stride))
        try Element.add(a, b, into: result, on: self)
        return result
    }
}
