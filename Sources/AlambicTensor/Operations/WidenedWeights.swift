import AlambicKernels

/// Packed forms that frozen weights of all layers take turns in: one for each product, shape and direction.
final class WidenedPanels {
    private struct Key: Hashable {
        let product: Product
        let outputs: Int
        let inputs: Int
    }
    private var made: [Key: PackedMatrix] = [:]

    /// Bytes of all of them.
    var bytes: Int { made.values.reduce(0) { $0 + $1.bytes } }

    /// A packed matrix with arbitrary contents for products that sum over `inputs`.
    func panel(
        _ product: Product, outputs: Int, inputs: Int, on context: Context
    ) throws(KernelError) -> PackedMatrix {
        let key = Key(product: product, outputs: outputs, inputs: inputs)
        if let panel = made[key] { return panel }
        let panel = try PackedMatrix(empty: product, N: outputs, K: inputs, on: context)
        made[key] = panel
        return panel
    }
}

// What products multiply with.
extension Tape {
    /// Which way a product goes through a layer.
    enum Direction { case forward, backward }

    /// The weights as floats; where they are kept in another form, widened by the kernels called so far.
    func floatWeights(_ id: ParameterID) throws(KernelError) -> Tensor {
        let parameter = parameters[id.index]
        guard let frozen = parameter.frozen, !parameter.isDense else { return parameter.effective }
        let wide = try floats(parameter.shape)
        try frozen.widen(into: wide, on: context)
        return wide
    }

    /// The weights packed for the tape's products; nil where these take them as they are. What is widened for it stays until
    /// the next weights of this shape come.
    func panel(_ id: ParameterID, _ direction: Direction) throws(KernelError) -> PackedMatrix? {
        guard let product = dtype.weightProduct else { return nil }
        let parameter = parameters[id.index]
        guard parameter.isDense else {
            let wide = try floatWeights(id)
            let (rows, columns) = (wide.rows, wide.columns)
            let panel =
                direction == .forward
                ? try widened.panel(product, outputs: rows, inputs: columns, on: execution.base)
                : try widened.panel(product, outputs: columns, inputs: rows, on: execution.base)
            try panel.update(from: wide.span, orientation: direction == .forward ? .transposed : .asIs, on: context)
            return panel
        }
        // Whoever multiplies with weights that are packed otherwise asks for it before: see `prepareHead`.
        try parameter.makePanels(parameter.kind == .matrix ? product : dtype.headProduct ?? product, on: execution.base)
        return direction == .forward ? parameter.panels?.forward : parameter.panels?.backward
    }
}
