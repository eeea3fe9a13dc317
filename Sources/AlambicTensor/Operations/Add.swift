import AlambicKernels

/// y = a + b. Backward: da = g, db = g; both variables keep the same memory for it.
struct AddOperation: Operation {
    let a: Variable
    let b: Variable
    let result: Variable

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result) else { return }
        try tape.addGradient(to: a, sharing: gradient)
        try tape.addGradient(to: b, sharing: gradient)
    }
}

extension Tape {
    /// See ``Graph/add(_:_:)``.
    public func add(_ a: Variable, _ b: Variable) throws(KernelError) -> Variable {
        precondition(a.shape == b.shape, "adding \(a.shape) and \(b.shape)")
        let result = try variable(a.shape)
        try AlambicKernels.add(a.value.span, b.value.span, into: result.value.mutableSpan, on: context)
        record(AddOperation(a: a, b: b, result: result))
        return result
    }
}
