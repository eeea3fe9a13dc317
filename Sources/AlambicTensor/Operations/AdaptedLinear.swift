import AlambicKernels

// y = x Wᵀ + 1 bᵀ + s dropout(x) Aᵀ Bᵀ with frozen W and b, or gelu of that, or the end of a residual branch with it.
//
// With z = dropout(x) and g = dL/dy: dB = gᵀ (s z Aᵀ), dA = (s g B)ᵀ z, dx = g W + dropout((s g B) A) with the mask of z.
// Nothing is computed for W and b. The forward pass keeps s z Aᵀ, of [M, rank]; x is kept for dA alone.
//
// The low-rank product comes first and is what the large one adds its sums to, as a residual of its epilogue: the rounding
// between the two is of the small summand. Where something follows the sum (dropout, gelu') and goes through sums, it is
// done to both.

/// The low-rank summand of one layer: what the backward pass needs of it.
struct LowRankUpdate<Element: Activation> {
    let adapter: Adapter
    let kept: Kept<Element>
    let mask: DropoutMask?
    /// s dropout(x) Aᵀ.
    let projected: DenseTensor<Element>
}

/// A linear layer, or gelu of it, with frozen weights.
struct FrozenLinearOperation<Element: Activation>: Operation {
    let x: GradientSlot
    let weight: ParameterID
    let update: LowRankUpdate<Element>?
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Element.self) else { return }
        try tape.frozenBackward(gradient, x: x, weight: weight, update: update)
    }
}

/// The end of a residual branch with frozen weights; see ``ResidualLinearOperation``.
struct FrozenResidualLinearOperation<Element: Activation>: Operation {
    let x: GradientSlot
    let weight: ParameterID
    let update: LowRankUpdate<Element>?
    let dropout: DropoutMask?
    let residual: GradientSlot
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let slot = tape.takeGradient(of: result), let gradient = slot.gradient.flatMap(Float.tensor) else {
            return
        }
        try tape.addGradient(to: residual, sharing: gradient, rounded: slot.rounded)
        tape.execution.stage("residual gradient", bytes: Double(gradient.count) * 6)
        let branch = try Element.branchGradient(gradient, rounded: slot.rounded, dropout: dropout, on: tape)
        try tape.frozenBackward(branch, x: x, weight: weight, update: update)
    }
}

extension Tape {
    func frozenLinear<Element: Activation>(
        _ x: Variable, _ tensor: DenseTensor<Element>, _ weight: ParameterID, _ bias: ParameterID?
    ) throws(KernelError) -> Variable {
        let output = try self.tensor(outputShape(x, weight), Element.self)
        let update = try lowRankUpdate(x, tensor, weight)
        if let update {
            try add(update, tensor, weight, bias, into: output)
        } else {
            stage(product: weight, rows: tensor.rows)
            try multiply(tensor, weight, adding: bias, into: output, epilogue: Epilogue())
        }
        let result = place(Element.elements(output))
        record(FrozenLinearOperation(x: x.slot, weight: weight, update: update, result: result.slot))
        return result
    }

    func frozenLinearGELU<Element: Activation>(
        _ x: Variable, _ tensor: DenseTensor<Element>, _ weight: ParameterID, _ bias: ParameterID?
    ) throws(KernelError) -> Variable {
        let output = try self.tensor(outputShape(x, weight), Element.self)
        let update = try lowRankUpdate(x, tensor, weight)
        let saved: Saved
        if let update {
            // gelu is of both summands together, which no epilogue of either product has.
            let preactivation = try self.tensor(output.shape, Element.self)
            try add(update, tensor, weight, bias, into: preactivation)
            execution.stage("gelu", bytes: 2 * Double(output.count * MemoryLayout<Element>.stride))
            try AlambicKernels.gelu(preactivation.span, form: .tanh, into: output.mutableSpan, on: context)
            saved = try save(preactivation)
        } else {
            saved = try multiplyGELU(tensor, weight, bias, into: output)
        }
        let result = place(Element.elements(output), origin: .gelu(preactivation: saved))
        record(FrozenLinearOperation(x: x.slot, weight: weight, update: update, result: result.slot))
        return result
    }

    func frozenLinear<Element: Activation>(
        _ x: Variable, _ tensor: DenseTensor<Element>, _ weight: ParameterID, _ bias: ParameterID?,
        dropout mask: DropoutMask?, addedTo residual: Variable
    ) throws(KernelError) -> Variable {
        let output = try floats(outputShape(x, weight))
        let (rate, seed, stream) = (mask?.rate ?? 0, mask?.seed ?? 0, mask?.stream ?? 0)
        var addend = residual.value
        let update = try lowRankUpdate(x, tensor, weight)
        if let update {
            stage(product: update.adapter.up, rows: tensor.rows)
            try multiply(
                update.projected, update.adapter.up, into: output,
                epilogue: Epilogue().dropout(rate: rate, seed: seed, stream: stream).residual(addend.span))
            addend = output
        }
        stage(product: weight, rows: tensor.rows)
        try multiply(
            tensor, weight, adding: bias, into: output,
            epilogue: Epilogue().dropout(rate: rate, seed: seed, stream: stream).residual(addend.span))
        let result = place(.f32(output))
        record(
            FrozenResidualLinearOperation(
                x: x.slot, weight: weight, update: update, dropout: mask, residual: residual.slot, result: result.slot))
        return result
    }

    /// output = x Wᵀ + 1 bᵀ + s dropout(x) Aᵀ Bᵀ.
    private func add<Element: Activation>(
        _ update: LowRankUpdate<Element>, _ x: DenseTensor<Element>, _ weight: ParameterID, _ bias: ParameterID?,
        into output: DenseTensor<Element>
    ) throws(KernelError) {
        stage(product: update.adapter.up, rows: x.rows)
        try multiply(update.projected, update.adapter.up, into: output, epilogue: Epilogue())
        stage(product: weight, rows: x.rows)
        try multiply(x, weight, adding: bias, into: output, epilogue: Epilogue().residual(output.span))
    }

    /// The first half of the low-rank product; nil without an adapter.
    private func lowRankUpdate<Element: Activation>(
        _ x: Variable, _ tensor: DenseTensor<Element>, _ weight: ParameterID
    ) throws(KernelError) -> LowRankUpdate<Element>? {
        guard let adapter = parameters[weight.index].adapter else { return nil }
        var mask: DropoutMask?
        // The stream is taken even at rate 0, so that one layer's rate does not change another layer's mask.
        if let (seed, stream) = nextDropout(), adapter.dropout > 0 {
            mask = DropoutMask(rate: adaptersDrop ? adapter.dropout : 0, seed: seed, stream: stream)
        }
        // Not in int8: a small share of the time, and rows of B are too short for a scale of their own.
        try prepareHead(adapter.down)
        try prepareHead(adapter.up)
        let input = try masked(tensor, mask)
        let projected = try self.tensor([tensor.rows, adapter.rank], Element.self)
        stage(product: adapter.down, rows: tensor.rows)
        let scales = adapter.scales
        try multiply(input, adapter.down, into: projected, epilogue: Epilogue().columnScales(scales.span))
        return LowRankUpdate(adapter: adapter, kept: try keep(x, tensor), mask: mask, projected: projected)
    }

    /// What is left of x; x itself without a mask.
    private func masked<Element: Activation>(
        _ x: DenseTensor<Element>, _ mask: DropoutMask?
    ) throws(KernelError) -> DenseTensor<Element> {
        guard let mask else { return x }
        let left = try tensor(x.shape, Element.self)
        execution.stage("adapter dropout", bytes: 2 * Double(x.count * MemoryLayout<Element>.stride))
        try AlambicKernels.dropout(
            x.span, rate: mask.rate, seed: mask.seed, stream: mask.stream, into: left.mutableSpan, on: context)
        return left
    }

    /// Gradients of x and of the adapter from that of the sum, `[M, N]`.
    func frozenBackward<Element: Activation>(
        _ gradient: DenseTensor<Element>, x: GradientSlot, weight: ParameterID, update: LowRankUpdate<Element>?
    ) throws(KernelError) {
        let target = try tensor(x.shape, Element.self)
        if let update {
            let adapter = update.adapter
            let carried = try tensor([gradient.rows, adapter.rank], Element.self)  // s g B
            stage(product: adapter.up, rows: gradient.rows, "input gradient")
            let scales = adapter.scales
            try multiplyBack(gradient, adapter.up, into: carried, epilogue: Epilogue().columnScales(scales.span))
            try weightGradient(gradient, update.projected, of: adapter.up)
            let input = try masked(try restore(update.kept, shape: x.shape), update.mask)
            try weightGradient(carried, input, of: adapter.down)
            try inputGradient(carried, adapter.down, of: x, mask: update.mask, into: target)
        }
        try inputGradient(gradient, weight, of: x, adding: update == nil ? nil : target, into: target)
        try addSlotGradient(to: x, sharing: target)
    }
}
