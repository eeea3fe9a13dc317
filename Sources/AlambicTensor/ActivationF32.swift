import AlambicKernels

extension Float: Activation {
    static var product: Product { .f32 }
    static func tensor(_ shape: Shape, in arena: ActivationArena) throws(KernelError) -> Tensor {
        Tensor(shape, storage: try arena.floats(shape.count))
    }
    static func elements(_ tensor: Tensor) -> Variable.Elements { .f32(tensor) }
    static func tensor(_ elements: Variable.Elements) -> Tensor? {
        if case .f32(let tensor) = elements { tensor } else { nil }
    }

    static func add(_ a: Tensor, _ b: Tensor, into sum: Tensor, on tape: Tape) throws(KernelError) {
        try AlambicKernels.add(a.span, b.span, into: sum.mutableSpan, on: tape.context)
    }

    static func branchGradient(
        _ gradient: Tensor, rounded: HalfTensor?, dropout: DropoutMask?, on tape: Tape
    ) throws(KernelError) -> Tensor {
        guard let dropout else { return gradient }
        let branch = try tape.floats(gradient.shape)
        try AlambicKernels.dropout(
            gradient.span, rate: dropout.rate, seed: dropout.seed, stream: dropout.stream, into: branch.mutableSpan,
            on: tape.context)
        return branch
    }
}
