import AlambicKernels

/// Elements that wait for the backward pass: as they are, or rounded to f16 (``TrainingDType/f16``).
enum Saved: Sendable {
    case elements(Variable.Elements)
    case f16(HalfTensor)
}

extension Tape {
    /// What to let wait of a tensor that the backward pass needs.
    func save<Element: Activation>(_ tensor: DenseTensor<Element>) throws(KernelError) -> Saved {
        let elements = Element.elements(tensor)
        guard dtype == .f16, case .f32(let wide) = elements else { return .elements(elements) }
        let halves = try self.tensor(wide.shape, UInt16.self)
        execution.beginInterlude("to f16", bytes: 6 * Double(wide.count))
        try convert(wide.span, to: .f16, into: halves.mutableSpan, on: context)
        execution.endInterlude()
        return .f16(halves)
    }

    /// The tensor again.
    func restore<Element: Activation>(
        _ saved: Saved, _ type: Element.Type
    ) throws(KernelError) -> DenseTensor<Element> {
        let elements: Variable.Elements
        switch saved {
        case .elements(let known): elements = known
        case .f16(let halves):
            let wide = try floats(halves.shape)
            execution.stage("from f16", bytes: 6 * Double(wide.count))
            try convert(halves.span, from: .f16, into: wide.mutableSpan, on: context)
            elements = .f32(wide)
        }
        guard let tensor = Element.tensor(elements) else { preconditionFailure("what was saved is of another type") }
        return tensor
    }
}
