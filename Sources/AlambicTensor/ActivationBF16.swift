import AlambicKernels

/// bf16, as its bits.
extension UInt16: Activation {
    static var product: Product { .bf16 }
    static func tensor(_ shape: Shape, in arena: ActivationArena) throws(KernelError) -> HalfTensor {
        HalfTensor(shape, storage: try arena.halves(shape.count))
    }
    static func elements(_ tensor: HalfTensor) -> Variable.Elements { .bf16(tensor) }
    static func tensor(_ elements: Variable.Elements) -> HalfTensor? {
        if case .bf16(let tensor) = elements { tensor } else { nil }
    }

    static func add(_ a: HalfTensor, _ b: HalfTensor, into sum: HalfTensor, on tape: Tape) throws(KernelError) {
        let (wideA, wideB) = (try tape.floats(a.shape), try tape.floats(a.shape))
        let wide = try tape.floats(a.shape)
        try convert(a.span, from: .bf16, into: wideA.mutableSpan, on: tape.context)
        try convert(b.span, from: .bf16, into: wideB.mutableSpan, on: tape.context)
        try AlambicKernels.add(wideA.span, wideB.span, into: wide.mutableSpan, on: tape.context)
        try convert(wide.span, to: .bf16, into: sum.mutableSpan, on: tape.context)
    }

    static func branchGradient(
        _ gradient: Tensor, rounded: HalfTensor?, dropout: DropoutMask?, on tape: Tape
    ) throws(KernelError) -> HalfTensor {
        if dropout == nil, let rounded { return rounded }
        let branch = try tape.tensor(gradient.shape, UInt16.self)
        try AlambicKernels.dropout(
            gradient.span, rate: dropout?.rate ?? 0, seed: dropout?.seed ?? 0, stream: dropout?.stream ?? 0,
            into: branch.mutableSpan, on: tape.context)
        return branch
    }
}
