import AlambicKernels

/// The windows of a convolution as rows: with x of [n, H W, C], y of [n, H' W', K K C] and
/// y[n, (i, j), (a, b, c)] = x[n, (i + a, j + b), c]. A linear layer of them is the convolution (LeCun et al., 1998;
/// Chellapilla et al., 2006).
///
/// Backward: dx[n, (i, j), c] = sum over a, b of g[n, (i - a, j - b), (a, b, c)].
struct PatchesOperation: Operation {
    let x: GradientSlot
    let shape: ImageShape
    let side: Int
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Float.self) else { return }
        try tape.addGradient(to: x, Float.self) { target throws(KernelError) in
            try patchesBackward(
                gradient.span, count: target.count / shape.count, shape: shape, side: side, into: target.mutableSpan,
                on: tape.context)
        }
    }
}

/// The largest number of each window of side x side pixels, side by side.
///
/// Backward: the gradient goes to the first of the largest.
struct MaxPoolOperation: Operation {
    let x: GradientSlot
    let input: Tensor
    let output: Tensor
    let shape: ImageShape
    let side: Int
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Float.self) else { return }
        try tape.addGradient(to: x, Float.self) { target throws(KernelError) in
            try maxPoolBackward(
                gradient.span, x: input.span, y: output.span, count: input.count / shape.count, shape: shape,
                side: side, into: target.mutableSpan, on: tape.context)
        }
    }
}

extension Tape {
    /// The windows of images, `side` x `side` pixels at every place where they fit, as rows.
    ///
    /// - Parameters:
    ///   - x: [images, …] with `shape.count` numbers for each image.
    ///   - shape: what one image is.
    /// - Returns: [images, windows, side side channels].
    public func patches(_ x: Variable, of shape: ImageShape, side: Int) throws(KernelError) -> Variable {
        let x = try widened(x)
        let input = x.value
        let (images, after) = (input.count / shape.count, shape.patches(side: side))
        let output = try floats([images, after.height * after.width, after.channels])
        execution.stage("patches", bytes: 4 * Double(input.count + output.count))
        try AlambicKernels.patches(
            input.span, count: images, shape: shape, side: side, into: output.mutableSpan, on: context)
        guard x.slot.isWanted else { return place(.f32(output), origin: .constant) }
        let result = place(output)
        record(PatchesOperation(x: x.slot, shape: shape, side: side, result: result.slot))
        return result
    }

    /// The largest number of each window of `side` x `side` pixels, side by side: [images, windows, channels].
    public func maxPool(_ x: Variable, of shape: ImageShape, side: Int) throws(KernelError) -> Variable {
        let x = try widened(x)
        let input = x.value
        let (images, after) = (input.count / shape.count, shape.pooled(side: side))
        let output = try floats([images, after.height * after.width, after.channels])
        execution.stage("max pool", bytes: 4 * Double(input.count + output.count))
        try AlambicKernels.maxPool(
            input.span, count: images, shape: shape, side: side, into: output.mutableSpan, on: context)
        let result = place(output)
        record(
            MaxPoolOperation(x: x.slot, input: input, output: output, shape: shape, side: side, result: result.slot))
        return result
    }

    /// The same numbers as rows of `columns`, such as an image's pixels for a linear layer.
    public func reshaped(_ x: Variable, columns: Int) -> Variable {
        precondition(x.shape.count.isMultiple(of: columns), "rows of \(columns) of a value of shape \(x.shape)")
        let shape: Shape = [x.shape.count / columns, columns]
        // Gradients are kept by number, whatever their shape: this value's is x's.
        return Variable(elements: x.elements.reshaped(shape), index: x.index, origin: x.origin)
    }
}
