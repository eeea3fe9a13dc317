import AlambicKernels

/// y = f(x) for a block of operations, of which only x is kept. Backward: the block runs again, with the same dropout
/// masks, is recorded this time, and takes the gradient from there (Chen et al., Training Deep Nets with Sublinear Memory
/// Cost, 2016).
struct BlockOperation: Operation {
    let x: Variable
    let body: (Variable, Tape) throws(KernelError) -> Variable
    let dropouts: UInt64
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let slot = tape.takeGradient(of: result) else { return }
        let after = tape.dropouts
        tape.dropouts = dropouts
        let again = try body(x, tape)
        tape.dropouts = after
        // By addition: what comes out may be gelu(z), whose slot holds the gradient of z, or x itself.
        switch slot.gradient {
        case .f32(let gradient): try tape.addGradient(to: again.slot, sharing: gradient, rounded: slot.rounded)
        case .bf16(let gradient): try tape.addGradient(to: again.slot, sharing: gradient)
        case nil: break
        }
    }
}

extension Tape {
    /// See ``Graph/block(_:_:)``.
    public func block(
        _ x: Variable, _ body: @escaping (Variable, Tape) throws(KernelError) -> Variable
    ) throws(KernelError) -> Variable {
        guard recomputation == .blocks else { return try body(x, self) }
        let (before, recorded) = (dropouts, operations.count)
        let inner = try body(x, self)
        operations.removeLast(operations.count - recorded)
        let result = place(inner.elements)
        record(BlockOperation(x: x, body: body, dropouts: before, result: result.slot))
        return result
    }
}
