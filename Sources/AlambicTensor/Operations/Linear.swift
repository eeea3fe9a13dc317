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
        case .f32(let tensor) where dtype == .bf16 && parameters[weight.index].trains:
            try roundedLinear(x, tensor, weight, bias)
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

    func outputShape(_ x: Variable, _ weight: ParameterID) -> Shape {
        let weights = parameters[weight.index].shape
        precondition(
            weights.rank == 2 && x.shape.columns == weights.columns, "linear of \(x.shape) with weights \(weights)")
        return x.shape.replacingColumns(by: weights.rows)
    }

    private func linear<Element: Activation>(
        _ x: Variable, _ tensor: DenseTensor<Element>, _ weight: ParameterID, _ bias: ParameterID?
    ) throws(KernelError) -> Variable {
        guard parameters[weight.index].trains else { return try frozenLinear(x, tensor, weight, bias) }
        let output = try self.tensor(outputShape(x, weight), Element.self)
        stage(product: weight, rows: tensor.rows, sparse: parameters[weight.index].sparse?.forward)
        try multiply(tensor, weight, adding: bias, into: output, epilogue: Epilogue())
        let result = place(Element.elements(output))
        record(LinearOperation(x: x.slot, kept: try keep(x, tensor), weight: weight, bias: bias, result: result.slot))
        return result
    }

    private func linearGELU<Element: Activation>(
        _ x: Variable, _ tensor: DenseTensor<Element>, _ weight: ParameterID, _ bias: ParameterID?
    ) throws(KernelError) -> Variable {
        guard parameters[weight.index].trains else { return try frozenLinearGELU(x, tensor, weight, bias) }
        let output = try self.tensor(outputShape(x, weight), Element.self)
        let preactivation = try multiplyGELU(tensor, weight, bias, into: output)
        let result = place(Element.elements(output), origin: .gelu(preactivation: preactivation))
        record(LinearOperation(x: x.slot, kept: try keep(x, tensor), weight: weight, bias: bias, result: result.slot))
        return result
    }

    /// gelu(x Wᵀ + 1 bᵀ); returns what gelu is applied to, as it is to wait for the backward pass.
    func multiplyGELU<Element: Activation>(
        _ x: DenseTensor<Element>, _ weight: ParameterID, _ bias: ParameterID?, into output: DenseTensor<Element>
    ) throws(KernelError) -> Saved {
        stage(product: weight, rows: x.rows, sparse: parameters[weight.index].sparse?.forward)
        if dtype == .f16 {
            let preactivation = try tensor(output.shape, UInt16.self)
            try multiply(
                x, weight, adding: bias, into: output,
                epilogue: Epilogue().saving(into: preactivation.mutableSpan, as: .f16).function(.geluTanh))
            return .f16(preactivation)
        }
        let preactivation = try tensor(output.shape, Element.self)
        try multiply(
            x, weight, adding: bias, into: output,
            epilogue: Epilogue().saving(into: preactivation.mutableSpan).function(.geluTanh))
        return .elements(Element.elements(preactivation))
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
        var mask: DropoutMask?
        // The stream is taken even at rate 0, so that one layer's rate does not change another layer's mask.
        if let (seed, stream) = nextDropout(), rate > 0 { mask = DropoutMask(rate: rate, seed: seed, stream: stream) }
        guard parameters[weight.index].trains else {
            return try frozenLinear(x, tensor, weight, bias, dropout: mask, addedTo: residual)
        }
        let output = try floats(shape)
        let (seed, stream) = (mask?.seed ?? 0, mask?.stream ?? 0)
        stage(product: weight, rows: tensor.rows, sparse: parameters[weight.index].sparse?.forward)
        try multiply(
            tensor, weight, adding: bias, into: output,
            epilogue: Epilogue().dropout(rate: mask?.rate ?? 0, seed: seed, stream: stream).residual(addend.span))
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
        if x.isWanted {
            let target = try tensor(x.shape, Element.self)
            try inputGradient(gradient, weight, of: x, into: target)
            try addSlotGradient(to: x, sharing: target)
        }
        try weightGradient(gradient, try restore(kept, shape: x.shape), of: weight)
        if let bias {
            execution.stage("bias gradient", bytes: Double(gradient.count * MemoryLayout<Element>.stride))
            let sums = gradients[bias]
            try columnSum(
                gradient.span, rows: gradient.rows, columns: gradient.columns, into: sums.mutableSpan,
                store: store(bias),
                on: context)
        }
    }

    /// dx = g W; times gelu'(z) where x = gelu(z) and the slot wants that; what a mask leaves of it, and a sum to add to it,
    /// where there are any.
    func inputGradient<Element: Activation>(
        _ gradient: DenseTensor<Element>, _ weight: ParameterID, of x: GradientSlot, mask: DropoutMask? = nil,
        adding sum: DenseTensor<Element>? = nil, into target: DenseTensor<Element>
    ) throws(KernelError) {
        stage(
            product: weight, rows: gradient.rows, "input gradient", sparse: parameters[weight.index].sparse?.backward)
        let (rate, seed, stream) = (mask?.rate ?? 0, mask?.seed ?? 0, mask?.stream ?? 0)
        // What an epilogue reads is of one type: sums are not in f16.
        if case .f16(let z) = x.preactivation, sum == nil {
            try multiplyBack(
                gradient, weight, into: target,
                epilogue: Epilogue().combining(.geluTanhGradient, with: z.span, as: .f16)
                    .dropout(rate: rate, seed: seed, stream: stream))
        } else if let saved = x.preactivation {
            let z = try restore(saved, Element.self)
            try multiplyBack(
                gradient, weight, adding: sum, into: target,
                epilogue: Epilogue().combining(.geluTanhGradient, with: z.span)
                    .dropout(rate: rate, seed: seed, stream: stream))
        } else {
            try multiplyBack(
                gradient, weight, adding: sum, into: target,
                epilogue: Epilogue().dropout(rate: rate, seed: seed, stream: stream))
        }
    }

    /// dW (+)= gᵀ x.
    func weightGradient<Element: Activation>(
        _ gradient: DenseTensor<Element>, _ x: DenseTensor<Element>, of weight: ParameterID
    ) throws(KernelError) {
        let sparse = parameters[weight.index].sparse?.pattern
        stage(product: weight, rows: x.rows, "weight gradient", packed: false, sparse: sparse)
        if let sparse {
            return try AlambicKernels.gradient(
                M: x.rows, gradient.span, x.span, at: sparse, into: gradients[weight].mutableSpan,
                store: store(weight), on: context)
        }
        try matmul(
            Element.product, M: gradient.columns, N: x.columns, K: x.rows, gradient.span, .transposed, x.span, .asIs,
            into: gradients[weight].mutableSpan, store: store(weight), epilogue: Epilogue(), on: context)
    }

    /// c = epilogue(x Wᵀ + 1 bᵀ).
    func multiply<Element: Activation, Output: MatrixElement>(
        _ x: DenseTensor<Element>, _ weight: ParameterID, adding bias: ParameterID?, into c: DenseTensor<Output>,
        epilogue: consuming Epilogue
    ) throws(KernelError) {
        guard let bias else { return try multiply(x, weight, into: c, epilogue: epilogue) }
        let biases = weights(bias)
        try multiply(x, weight, into: c, epilogue: epilogue.bias(biases.span))
    }

    /// c = epilogue(x Wᵀ).
    func multiply<Element: Activation, Output: MatrixElement>(
        _ x: DenseTensor<Element>, _ weight: ParameterID, into c: DenseTensor<Output>, epilogue: borrowing Epilogue
    ) throws(KernelError) {
        try multiply(x, by: productWeights(weight, .forward), into: c, epilogue: epilogue)
    }

    /// c = epilogue(g W), plus a sum where there is one.
    private func multiplyBack<Element: Activation>(
        _ gradient: DenseTensor<Element>, _ weight: ParameterID, adding sum: DenseTensor<Element>?,
        into c: DenseTensor<Element>, epilogue: consuming Epilogue
    ) throws(KernelError) {
        guard let sum else { return try multiplyBack(gradient, weight, into: c, epilogue: epilogue) }
        try multiplyBack(gradient, weight, into: c, epilogue: epilogue.residual(sum.span))
    }

    /// c = epilogue(g W).
    func multiplyBack<Gradient: Activation, Element: Activation>(
        _ gradient: DenseTensor<Gradient>, _ weight: ParameterID, into c: DenseTensor<Element>,
        epilogue: borrowing Epilogue
    ) throws(KernelError) {
        try multiply(gradient, by: productWeights(weight, .backward), into: c, epilogue: epilogue)
    }

    /// To be called before the first product with weights that may be packed otherwise than most are: those of the head and
    /// of adapters.
    func prepareHead(_ head: ParameterID) throws(KernelError) {
        guard let product = dtype.headProduct else { return }
        try parameters[head.index].makePanels(product, .both, on: execution.base)
    }

    /// Says which product follows, and whether it is with the weights as they are packed, or makes their gradient.
    func stage(
        product weight: ParameterID, rows: Int, _ what: String = "forward", packed: Bool = true,
        sparse: SparseMatrix? = nil
    ) {
        let parameter = parameters[weight.index]
        let isInt8 = packed && (parameter.panels?.forward?.product ?? dtype.weightProduct) == .s8
        execution.stage(
            "\(parameter.role) \(what)", operations: 2 * Double(rows) * Double(sparse?.count ?? parameter.shape.count),
            arithmetic: isInt8 ? .s8 : nil)
    }
}
