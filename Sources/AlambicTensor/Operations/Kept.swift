import AlambicKernels

/// What an operation keeps of its argument for the backward pass: the elements, or what they can be made of again.
enum Kept<Element: Activation> {
    case whole(Saved)
    case gelu(of: Saved)
    case layerNorm(LayerNormOperation.Inputs)
}

extension Tape {
    /// What to keep of a variable whose elements the backward pass needs.
    func keep<Element: Activation>(
        _ variable: Variable, _ tensor: DenseTensor<Element>
    ) throws(KernelError) -> Kept<Element> {
        switch (variable.origin, recomputation) {
        case (.saved(let saved), _): .whole(saved)
        case (.gelu(let x), .norms): .gelu(of: x)
        case (.layerNorm(let inputs), .norms): .layerNorm(inputs)
        default: .whole(try save(tensor))
        }
    }

    /// The elements again.
    func restore<Element: Activation>(
        _ kept: Kept<Element>, shape: Shape
    ) throws(KernelError) -> DenseTensor<Element> {
        switch kept {
        // What was kept already may have been reshaped since.
        case .whole(let saved): return try restore(saved, Element.self).reshaped(shape)
        case .gelu(let saved):
            let x = try restore(saved, Element.self)
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
