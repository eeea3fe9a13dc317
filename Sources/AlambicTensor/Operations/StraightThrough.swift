import AlambicKernels

/// y = what stands for x in integers of some levels, or what integer kernels made in its place, in f32.
///
/// Backward: dx = g where x is inside the range of the levels, else 0: the rounding is passed straight through, and what was
/// cut off has no gradient (Bengio et al., 2013; Jacob et al., 2018, section 3).
struct StraightThroughOperation: Operation {
    let x: GradientSlot
    let input: Tensor
    let affine: AffineScale
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Float.self) else { return }
        try tape.addGradient(to: x, Float.self) { target throws(KernelError) in
            try fakeQuantizeBackward(gradient.span, input.span, affine, into: target.mutableSpan, on: tape.context)
        }
    }
}

/// y = anything, with the gradient of y = x.
struct IdentityGradientOperation: Operation {
    let x: GradientSlot
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Float.self) else { return }
        try tape.addGradient(to: x, sharing: gradient)
    }
}

extension Tape {
    /// The real numbers that the integers nearest to x stand for (Jacob et al., 2018, equation 12), with a straight-through
    /// gradient.
    public func fakeQuantized(_ x: Variable, _ affine: AffineScale) throws(KernelError) -> Variable {
        try replaced(x, within: affine) { input, output, context throws(KernelError) in
            try fakeQuantize(input.span, affine, into: output.mutableSpan, on: context)
        }
    }

    /// What `write` puts into a tensor of x's shape, in the place of x; gradients go to x where it is inside the range of the
    /// levels, or everywhere without levels.
    ///
    /// - Parameter write: gets x, where to put the replacement, and the context for its kernels, which may only note them:
    ///   what they read must stay in place until the pass has run.
    public func replaced(
        _ x: Variable, within affine: AffineScale?,
        by write: (_ x: Tensor, _ output: Tensor, Context) throws(KernelError) -> Void
    ) throws(KernelError) -> Variable {
        let x = try widened(x)
        let (input, output) = (x.value, try floats(x.shape))
        execution.stage("straight through", bytes: 8 * Double(output.count))
        try write(input, output, context)
        guard x.slot.isWanted else { return place(.f32(output), origin: .constant) }
        let result = place(output)
        if let affine {
            record(StraightThroughOperation(x: x.slot, input: input, affine: affine, result: result.slot))
        } else {
            record(IdentityGradientOperation(x: x.slot, result: result.slot))
        }
        return result
    }
}
