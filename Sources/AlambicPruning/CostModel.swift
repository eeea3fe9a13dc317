/// What a matrix costs when it is deployed at some sparsity: bytes, seconds, anything that adds up over matrices.
public protocol CostModel: Sendable {
    /// The cost of one matrix of this shape at this sparsity, from 0, dense, to 1. It never rises with the sparsity: a form that
    /// is worse than a denser one is not deployed.
    func cost(of shape: (outputs: Int, inputs: Int), sparsity: Double) -> Double
}

/// What a pruned matrix's elements are stored as.
public enum ElementForm: String, Sendable, CaseIterable {
    /// 32-bit floats.
    case f32
    /// 8-bit integers with a scale for each output.
    case int8
}

/// Bytes in a file: a bit for each weight, what is not zero, and where each row starts, or all weights where that is less.
public struct ByteCost: CostModel {
    /// What elements are stored as.
    public let form: ElementForm

    /// Bytes of elements of this form.
    public init(_ form: ElementForm) { self.form = form }

    /// Bytes of one matrix.
    public func cost(of shape: (outputs: Int, inputs: Int), sparsity: Double) -> Double {
        let elements = Double(shape.outputs * shape.inputs)
        let width = form == .f32 ? 4.0 : 1
        let scales = form == .f32 ? 0 : 4 * Double(shape.outputs)
        let mask = Double(shape.outputs * ((shape.inputs + 7) / 8)) + 8 * Double(shape.outputs) + 16
        return min(elements * width, mask + (1 - sparsity) * elements * width) + scales
    }
}
