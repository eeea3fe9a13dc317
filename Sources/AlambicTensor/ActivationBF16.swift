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

    static func layerNorm(
        _ inputs: LayerNormOperation.Inputs, weights tape: Tape, into y: HalfTensor, on context: Context
    ) throws(KernelError) {
        let (x, gain, bias) = (inputs.x, tape.weights(inputs.gain), tape.weights(inputs.bias))
        try AlambicKernels.layerNorm(
            x.span, gain: gain.span, bias: bias.span, epsilon: inputs.epsilon, rows: x.rows, columns: x.columns,
            into: y.mutableSpan, mean: inputs.mean.mutableSpan, inverseDeviation: inputs.inverseDeviation.mutableSpan,
            on: context)
    }

    static func layerNormBackward(
        _ dy: HalfTensor, _ inputs: LayerNormOperation.Inputs, tape: Tape, residual: Tensor?, into dx: Tensor,
        rounded: HalfTensor?, store: Store
    ) throws(KernelError) {
        let (x, gain) = (inputs.x, tape.weights(inputs.gain))
        let (dGain, dBias) = (tape.gradients[inputs.gain], tape.gradients[inputs.bias])
        try AlambicKernels.layerNormBackward(
            dy.span, x.span, gain: gain.span, mean: inputs.mean.span, inverseDeviation: inputs.inverseDeviation.span,
            residual: residual?.span, rows: x.rows, columns: x.columns, into: dx.mutableSpan,
            copy: rounded?.mutableSpan, dGain: dGain.mutableSpan, dBias: dBias.mutableSpan, store: store,
            on: tape.context)
    }

    static func gelu(_ x: HalfTensor, into y: HalfTensor, on context: Context) throws(KernelError) {
        try AlambicKernels.gelu(x.span, form: .tanh, into: y.mutableSpan, on: context)
    }

    static func geluBackward(_ dy: HalfTensor, _ x: HalfTensor, into dx: HalfTensor, on context: Context)
        throws(KernelError)
    {
        try AlambicKernels.geluBackward(dy.span, x.span, form: .tanh, into: dx.mutableSpan, on: context)
    }

    static func columnSum(_ x: HalfTensor, into y: Tensor, store: Store, on context: Context) throws(KernelError) {
        try AlambicKernels.columnSum(
            x.span, rows: x.rows, columns: x.columns, into: y.mutableSpan, store: store, on: context)
    }

    static func causalAttention(
        _ qkv: HalfTensor, heads: Int, into output: HalfTensor, logSumExp: Tensor, on context: Context
    ) throws(KernelError) {
        let shape = output.shape
        try AlambicKernels.causalAttention(
            qkv: qkv.span, batch: shape[0], length: shape[1], heads: heads, headWidth: shape[2] / heads,
            into: output.mutableSpan, logSumExp: logSumExp.mutableSpan, on: context)
    }

    static func causalAttentionBackward(
        _ gradient: HalfTensor, qkv: HalfTensor, output: HalfTensor, logSumExp: Tensor, heads: Int,
        into target: HalfTensor, on context: Context
    ) throws(KernelError) {
        let shape = output.shape
        try AlambicKernels.causalAttentionBackward(
            dOutput: gradient.span, qkv: qkv.span, output: output.span, logSumExp: logSumExp.span, batch: shape[0],
            length: shape[1], heads: heads, headWidth: shape[2] / heads, into: target.mutableSpan, on: context)
    }

    static func crossEntropy(
        _ logits: HalfTensor, targets: Span<Int32>, gradientScale: Float, losses: Tensor, on context: Context
    ) throws(KernelError) {
        try AlambicKernels.crossEntropy(
            logits.mutableSpan, targets: targets, rows: logits.rows, vocabulary: logits.columns,
            gradientScale: gradientScale, losses: losses.mutableSpan, on: context)
    }
}
