import AlambicKernels

/// y = x Wᵀ + 1 bᵀ with x of [M, K], W of [N, K], b of [N], or gelu of that.
///
/// Backward, with g = dL/dy of [M, N] (for gelu(y), whose slot holds the gradient of y as well): dx = g W, dW = gᵀ x,
/// db = gᵀ 1. (y_mn = sum_k x_mk W_nk + b_n, hence dL/dx_mk = sum_n g_mn W_nk and dL/dW_nk = sum_m g_mn x_mk.)
/// Where x = gelu(z), the product's epilogue multiplies by gelu'(z), so that dz comes out of it.
struct LinearOperation<Element: Activation>: Operation {
    let x: GradientSlot
    let kept: Kept<Element>
    let weight: ParameterID
    let bias: ParameterID?
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Element.self) else { return }
        try tape.linearBackward(gradient, x: x, kept: kept, weight: weight, bias: bias)
    }
}

/// y = r + dropout(x Wᵀ + 1 bᵀ), r and y f32: the end of a residual branch.
///
/// Backward: dr = g, and the linear layer gets dropout(g) with the same mask.
struct ResidualLinearOperation<Element: Activation>: Operation {
    let x: GradientSlot
    let kept: Kept<Element>
    let weight: ParameterID
    let bias: ParameterID?
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
        try tape.linearBackward(branch, x: x, kept: kept, weight: weight, bias: bias)
    }
}

extension Tape {
    /// See ``Graph/linear(_:weight:bias:)``.
    public func linear(_ x: Variable, weight: ParameterID, bias: ParameterID?) throws(KernelError) -> Variable {
        switch x.elements {
        case .f32(let tensor): try linear(x, tensor, weight, bias)
        case .bf16(let tensor): try linear(x, tensor, weight, bias)
        }
    }

    /// See ``Graph/linearGELU(_:weight:bias:)``.
    public func linearGELU(_ x: Variable, weight: ParameterID, bias: ParameterID?) throws(KernelError) -> Variable {
        switch x.elements {
        case .f32(let tensor): try linearGELU(x, tensor, weight, bias)
        case .bf16(let tensor): try linearGELU(x, tensor, weight, bias)
        }
    }

    /// See ``Graph/linear(_:weight:bias:dropout:addedTo:)``.
    public func linear(
        _ x: Variable, weight: ParameterID, bias: ParameterID?, dropout rate: Float, addedTo residual: Variable
    ) throws(KernelError) -> Variable {
        switch x.elements {
        case .f32(let tensor): try linear(x, tensor, weight, bias, rate, residual)
        case .bf16(let tensor): try linear(x, tensor, weight, bias, rate, residual)
        }
    }

    private func outputShape(_ x: Variable, _ weight: ParameterID) -> Shape {
        let weights = self.weights(weight)
        precondition(
            weights.shape.rank == 2 && x.shape.columns == weights.columns,
            "linear of \(x.shape) with weights \(weights.shape)")
        return x.shape.replacingColumns(by: weights.rows)
    }

    private func linear<Element: Activation>(
        _ x: Variable, _ tensor: DenseTensor<Element>, _ weight: ParameterID, _ bias: ParameterID?
    ) throws(KernelError) -> Variable {
        let output = try self.tensor(outputShape(x, weight), Element.self)
        stage(product: weight, rows: tensor.rows, "forward", arithmetic: packedArithmetic)
        switch bias {
        case .some(let bias):
            let biases = weights(bias)
            try multiply(tensor, weight, into: output, epilogue: Epilogue().bias(biases.span))
        case .none: try multiply(tensor, weight, into: output, epilogue: Epilogue())
        }
        let result = place(Element.elements(output))
        record(LinearOperation(x: x.slot, kept: try keep(x, tensor), weight: weight, bias: bias, result: result.slot))
        return result
    }

    private func linearGELU<Element: Activation>(
        _ x: Variable, _ tensor: DenseTensor<Element>, _ weight: ParameterID, _ bias: ParameterID?
    ) throws(KernelError) -> Variable {
        let shape = outputShape(x, weight)
        let output = try self.tensor(shape, Element.self)
        stage(product: weight, rows: tensor.rows, "forward", arithmetic: packedArithmetic)
        let saved: Saved
        if dtype == .f16 {
            let preactivation = try self.tensor(shape, UInt16.self)
            try multiplyGELU(tensor, weight, bias, saving: preactivation, as: .f16, into: output)
            saved = .f16(preactivation)
        } else {
            let preactivation = try self.tensor(shape, Element.self)
            try multiplyGELU(tensor, weight, bias, saving: preactivation, as: nil, into: output)
            saved = .elements(Element.elements(preactivation))
        }
        let result = place(Element.elements(output), origin: .gelu(preactivation: saved))
        record(LinearOperation(x: x.slot, kept: try keep(x, tensor), weight: weight, bias: bias, result: result.slot))
        return result
    }

    /// gelu(x Wᵀ + 1 bᵀ) with what gelu is applied to, in its format where that is not C's.
    private func multiplyGELU<Element: Activation, Stored: Activation>(
        _ tensor: DenseTensor<Element>, _ weight: ParameterID, _ bias: ParameterID?,
        saving preactivation: DenseTensor<Stored>, as format: HalfFormat?, into output: DenseTensor<Element>
    ) throws(KernelError) {
        switch bias {
        case .some(let bias):
            let biases = weights(bias)
            try multiply(
                tensor, weight, into: output,
                epilogue: Epilogue().bias(biases.span).saving(into: preactivation.mutableSpan, as: format)
                    .function(.geluTanh))
        case .none:
            try multiply(
                tensor, weight, into: output,
                epilogue: Epilogue().saving(into: preactivation.mutableSpan, as: format).function(.geluTanh))
        }
    }

    private func linear<Element: Activation>(
        _ x: Variable, _ tensor: DenseTensor<Element>, _ weight: ParameterID, _ bias: ParameterID?, _ rate: Float,
        _ residual: Variable
    ) throws(KernelError) -> Variable {
        precondition(rate >= 0 && rate < 1, "a dropout rate of \(rate) is not in 0..<1")
        let shape = outputShape(x, weight)
        let residual = try widened(residual)
        let addend = residual.value
        precondition(addend.shape == shape, "adding \(shape) to \(addend.shape)")
        let output = try floats(shape)
        var mask: DropoutMask?
        // The stream is taken even at rate 0, so that one layer's rate does not change another layer's mask.
        if let (seed, stream) = nextDropout(), rate > 0 { mask = DropoutMask(rate: rate, seed: seed, stream: stream) }
        let (seed, stream) = (mask?.seed ?? 0, mask?.stream ?? 0)
        stage(product: weight, rows: tensor.rows, "forward", arithmetic: packedArithmetic)
        switch bias {
        case .some(let bias):
            let biases = weights(bias)
            try multiply(
                tensor, weight, into: output,
                epilogue: Epilogue().bias(biases.span).dropout(rate: mask?.rate ?? 0, seed: seed, stream: stream)
                    .residual(addend.span))
        case .none:
            try multiply(
                tensor, weight, into: output,
                epilogue: Epilogue().dropout(rate: mask?.rate ?? 0, seed: seed, stream: stream).residual(addend.span))
        }
        let result = place(.f32(output))
        record(
            ResidualLinearOperation(
                x: x.slot, kept: try keep(x, tensor), weight: weight, bias: bias, dropout: mask,
                residual: residual.slot,
                result: result.slot))
        return result
    }

    /// Gradients of a linear layer from that of its result, `[M, N]`.
    func linearBackward<Element: Activation>(
        _ gradient: DenseTensor<Element>, x: GradientSlot, kept: Kept<Element>, weight: ParameterID, bias: ParameterID?
    ) throws(KernelError) {
        let weights = self.weights(weight)
        let (m, n, k) = (gradient.rows, weights.rows, weights.columns)
        let target = try tensor(x.shape, Element.self)
        stage(product: weight, rows: m, "input gradient", arithmetic: packedArithmetic)
        switch x.preactivation {
        case .f16(let z):
            try multiplyBack(
                gradient, weight, into: target,
                epilogue: Epilogue().combining(.geluTanhGradient, with: z.span, as: .f16))
        case .some(let saved):
            let z = try restore(saved, Element.self)
            try multiplyBack(
                gradient, weight, into: target, epilogue: Epilogue().combining(.geluTanhGradient, with: z.span))
        case nil:
            try multiplyBack(gradient, weight, into: target, epilogue: Epilogue())
        }
        try addSlotGradient(to: x, sharing: target)
        let input = try restore(kept, shape: x.shape)
        stage(product: weight, rows: m, "weight gradient", arithmetic: nil)
        try matmul(
            Element.product, M: n, N: k, K: m, gradient.span, .transposed, input.span, .asIs,
            into: gradients[weight].mutableSpan, store: store(weight), epilogue: Epilogue(), on: context)
        if let bias {
            execution.stage("bias gradient", bytes: Double(gradient.count * MemoryLayout<Element>.stride))
            let sums = gradients[bias]
            try columnSum(
                gradient.span, rows: m, columns: n, into: sums.mutableSpan, store: store(bias), on: context)
        }
    }

    /// c = epilogue(x Wᵀ).
    func multiply<Element: Activation, Output: MatrixElement>(
        _ x: DenseTensor<Element>, _ weight: ParameterID, into c: DenseTensor<Output>, epilogue: borrowing Epilogue
    ) throws(KernelError) {
        let weights = self.weights(weight)
        if let panels = try panels(weight)?.forward {
            try multiply(x, by: panels, into: c, epilogue: epilogue)
        } else {
            try matmul(
                .f32, M: x.rows, N: weights.rows, K: weights.columns, x.span, .asIs, weights.span, .transposed,
                into: c.mutableSpan, as: .bf16, epilogue: epilogue, on: context)
        }
    }

    /// c = epilogue(g W).
    func multiplyBack<Gradient: Activation, Element: Activation>(
        _ gradient: DenseTensor<Gradient>, _ weight: ParameterID, into c: DenseTensor<Element>,
        epilogue: borrowing Epilogue
    ) throws(KernelError) {
        let weights = self.weights(weight)
        if let panels = try panels(weight)?.backward {
            try multiply(gradient, by: panels, into: c, epilogue: epilogue)
        } else {
            try matmul(
                Gradient.product, M: gradient.rows, N: weights.columns, K: weights.rows, gradient.span, .asIs,
                weights.span, .asIs,
                into: c.mutableSpan, as: .bf16, epilogue: epilogue, on: context)
        }
    }

    /// What the weights are packed for; nil where products take them as they are.
    private func panels(_ weight: ParameterID) throws(KernelError) -> WeightPanels? {
        guard let product = dtype.weightProduct else { return nil }
        let parameter = parameters[weight.index]
        if let panels = parameter.panels { return panels }
        // A loss asks for the head's before, see there.
        try parameter.makePanels(
            parameter.kind == .matrix ? product : dtype.headProduct ?? product, product.trainingForms,
            on: execution.base)
        return parameter.panels
    }

    /// To be called before the first product with the head's weights, which may be packed otherwise than others are.
    func prepareHead(_ head: ParameterID) throws(KernelError) {
        guard let product = dtype.headProduct else { return }
        try parameters[head.index].makePanels(product, .both, on: execution.base)
    }

    private func stage(product weight: ParameterID, rows: Int, _ what: String, arithmetic: PeakType?) {
        let weights = self.weights(weight)
        execution.stage(
            "\(parameters[weight.index].role) \(what)", operations: 2 * Double(rows) * Double(weights.count),
            arithmetic: arithmetic)
    }

    /// What multiplies with packed weights, where that is not the training's own type.
    private var packedArithmetic: PeakType? { dtype.weightProduct == .s8 ? .s8 : nil }
}
