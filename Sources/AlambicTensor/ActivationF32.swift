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

    static func layerNorm(
        _ inputs: LayerNormOperation.Inputs, weights tape: Tape, into y: Tensor, on context: Context
    ) throws(KernelError) {
        let (x, gain, bias) = (inputs.x, tape.weights(inputs.gain), tape.weights(inputs.bias))
        try AlambicKernels.layerNorm(
            x.span, gain: gain.span, bias: bias.span, epsilon: inputs.epsilon, rows: x.rows, columns: x.columns,
            into: y.mutableSpan, mean: inputs.mean.mutableSpan, inverseDeviation: inputs.inverseDeviation.mutableSpan,
            on: context)
    }

    static func layerNormBackward(
        _ dy: Tensor, _ inputs: LayerNormOperation.Inputs, tape: Tape, residual: Tensor?, into dx: Tensor,
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

    static func gelu(_ x: Tensor, into y: Tensor, on context: Context) throws(KernelError) {
        try AlambicKernels.gelu(x.span, form: .tanh, into: y.mutableSpan, on: context)
    }

    static func geluBackward(_ dy: Tensor, _ x: Tensor, into dx: Tensor, on context: Context) throws(KernelError) {
        try AlambicKernels.geluBackward(dy.span, x.span, form: .tanh, into: dx.mutableSpan, on: context)
    }

    static func columnSum(_ x: Tensor, into y: Tensor, store: Store, on context: Context) throws(KernelError) {
        try AlambicKernels.columnSum(
            x.span, rows: x.rows, columns: x.columns, into: y.mutableSpan, store: store, on: context)
    }

    static func causalAttention(
        _ qkv: Tensor, heads: Int, into output: Tensor, logSumExp: Tensor, on context: Context
    ) throws(KernelError) {
        let shape = output.shape
        try AlambicKernels.causalAttention(
            qkv: qkv.span, batch: shape[0], length: shape[1], heads: heads, headWidth: shape[2] / heads,
            into: output.mutableSpan, logSumExp: logSumExp.mutableSpan, on: context)
    }

    static func causalAttentionBackward(
        _ gradient: Tensor, qkv: Tensor, output: Tensor, logSumExp: Tensor, heads: Int, into target: Tensor,
        on context: Context
    ) throws(KernelError) {
        let shape = output.shape
        try AlambicKernels.causalAttentionBackward(
            dOutput: gradient.span, qkv: qkv.span, output: output.span, logSumExp: logSumExp.span, batch: shape[0],
            length: shape[1], heads: heads, headWidth: shape[2] / heads, into: target.mutableSpan, on: context)
    }

    static func crossEntropy(
        _ logits: Tensor, targets: Span<Int32>, gradientScale: Float, losses: Tensor, on context: Context
    ) throws(KernelError) {
        try AlambicKernels.crossEntropy(
            logits.mutableSpan, targets: targets, rows: logits.rows, vocabulary: logits.columns,
            gradientScale: gradientScale, losses: losses.mutableSpan, on: context)
    }
}
