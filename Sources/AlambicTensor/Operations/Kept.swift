import AlambicKernels

/// What an operation keeps of its argument for the backward pass: the elements, or what they can be made of again.
enum Kept<Element: Activation> {
    case whole(DenseTensor<Element>)
    case gelu(of: DenseTensor<Element>)
    case layerNorm(LayerNormOperation.Inputs)
}

extension Tape {
    /// What to keep of a variable whose elements the backward pass needs.
    func keep<Element: Activation>(_ variable: Variable, _ tensor: DenseTensor<Element>) -> Kept<Element> {
        guard recomputation == .norms else { return .whole(tensor) }
        switch variable.origin {
        case .only: return .whole(tensor)
        case .gelu(let elements):
            guard let x = Element.tensor(elements) else { return .whole(tensor) }
            return .gelu(of: x)
        case .layerNorm(let inputs): return .layerNorm(inputs)
        }
    }

    /// The elements again.
    func restore<Element: Activation>(
        _ kept: Kept<Element>, shape: Shape
    ) throws(KernelError) -> DenseTensor<Element> {
        switch kept {
        case .whole(let tensor): return tensor
        case .gelu(let x):
            let tensor = try self.tensor(shape, Element.self)
            execution.stage("gelu again", bytes: 2 * Double(x.count * MemoryLayout<Element>.stride))
            try AlambicKernels.gelu(x.span, form: .tanh, into: tensor.mutableSpan, on: context)
            return tensor
        case .layerNorm(let inputs):
            let tensor = try self.tensor(shape, Element.self)
            execution.stage("layer norm again", bytes: Double(tensor.count * (4 + MemoryLayout<Element>.stride)))
            try norm(inputs, into: tensor)
            return tensor
        }
    }
}
