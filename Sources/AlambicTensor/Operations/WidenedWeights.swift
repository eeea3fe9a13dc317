import AlambicKernels

/// Packed int8 forms that frozen weights of all layers take turns in: one for each shape and direction.
final class WidenedPanels {
    private struct Key: Hashable {
        let outputs: Int
        let inputs: Int
    }
    private var made: [Key: PackedMatrix] = [:]

    /// Bytes of all of them.
    var bytes: Int { made.values.reduce(0) { $0 + $1.bytes } }

    /// A packed matrix with arbitrary contents for products that sum over `inputs`.
    func panel(outputs: Int, inputs: Int, on context: Context) throws(KernelError) -> PackedMatrix {
        let key = Key(outputs: outputs, inputs: inputs)
        if let panel = made[key] { return panel }
        let panel = try PackedMatrix(empty: .s8, N: outputs, K: inputs, on: context)
        made[key] = panel
        return panel
    }
}

// What products multiply with.
extension Tape {
    /// Which way a product goes through a layer.
    enum Direction {
        /// x Wᵀ.
        case forward
        /// g W.
        case backward

        var orientation: Orientation { self == .forward ? .transposed : .asIs }
    }

    /// What a product finds the weights in.
    enum ProductWeights {
        /// Few of them, packed ahead.
        case sparse(SparseMatrix)
        /// All of them, packed ahead.
        case packed(PackedMatrix)
        /// As they are kept: the product packs them on its way.
        case kept(ParameterID, Direction)
    }

    func productWeights(_ id: ParameterID, _ direction: Direction) throws(KernelError) -> ProductWeights {
        let sparse = parameters[id.index].sparse
        if let matrix = direction == .forward ? sparse?.forward : sparse?.backward { return .sparse(matrix) }
        return try panel(id, direction).map { .packed($0) } ?? .kept(id, direction)
    }

    /// c = epilogue(a W) or epilogue(a Wᵀ).
    func multiply<Element: Activation, Output: MatrixElement>(
        _ a: DenseTensor<Element>, by weights: ProductWeights, into c: DenseTensor<Output>,
        epilogue: borrowing Epilogue
    ) throws(KernelError) {
        switch weights {
        case .sparse(let matrix):
            try matmul(M: a.rows, a.span, matrix, into: c.mutableSpan, as: .bf16, epilogue: epilogue, on: context)
        case .packed(let panel): try multiply(a, by: panel, into: c, epilogue: epilogue)
        case .kept(let id, let direction): try multiply(a, packing: id, direction, into: c, epilogue: epilogue)
        }
    }

    /// The weights packed ahead for the tape's products; nil where these pack them on their way. What is widened for it stays
    /// until the next weights of this shape come.
    func panel(_ id: ParameterID, _ direction: Direction) throws(KernelError) -> PackedMatrix? {
        guard let product = dtype.weightProduct else { return nil }
        let parameter = parameters[id.index]
        guard parameter.isDense else {
            // Scales are of whole columns, which no product has before it.
            guard product == .s8 else { return nil }
            let wide = try floatWeights(id)
            let (outputs, inputs) =
                direction == .forward ? (wide.rows, wide.columns) : (wide.columns, wide.rows)
            let panel = try widened.panel(outputs: outputs, inputs: inputs, on: execution.base)
            try panel.update(from: wide.span, orientation: direction.orientation, on: context)
            return panel
        }
        if parameter.panels == nil {
            // Whoever multiplies with weights that are packed otherwise asks for it before: see `prepareHead`.
            try parameter.makePanels(
                parameter.kind == .matrix ? product : dtype.headProduct ?? product, product.trainingForms,
                on: execution.base)
        }
        return direction == .forward ? parameter.panels?.forward : parameter.panels?.backward
    }

    /// c = epilogue(a W) or epilogue(a Wᵀ) with weights that are packed on the way, and rounded to the type of a.
    func multiply<Element: Activation, Output: MatrixElement>(
        _ a: DenseTensor<Element>, packing id: ParameterID, _ direction: Direction, into c: DenseTensor<Output>,
        epilogue: borrowing Epilogue
    ) throws(KernelError) {
        let parameter = parameters[id.index]
        if Element.product == .bf16, case .bf16(let halves)? = parameter.frozen {
            try multiply(a, halves, direction, into: c, epilogue: epilogue)
        } else {
            try multiply(a, try floatWeights(id), direction, into: c, epilogue: epilogue)
        }
    }

    private func multiply<Element: Activation, Weight: MatrixElement, Output: MatrixElement>(
        _ a: DenseTensor<Element>, _ weights: DenseTensor<Weight>, _ direction: Direction, into c: DenseTensor<Output>,
        epilogue: borrowing Epilogue
    ) throws(KernelError) {
        try matmul(
            Element.product, M: a.rows, N: c.columns, K: a.columns, a.span, .asIs, weights.span, direction.orientation,
            into: c.mutableSpan, as: .bf16, epilogue: epilogue, on: context)
    }

    /// The weights as floats; where they are kept in another form, widened by the kernels called so far.
    private func floatWeights(_ id: ParameterID) throws(KernelError) -> Tensor {
        let parameter = parameters[id.index]
        guard let frozen = parameter.frozen, !parameter.isDense else { return parameter.effective }
        let wide = try floats(parameter.shape)
        try frozen.widen(into: wide, on: context)
        return wide
    }
}
