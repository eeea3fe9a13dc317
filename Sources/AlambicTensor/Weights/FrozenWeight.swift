import AlambicKernels

/// A weight that is not trained, in the form in which it is kept while something else is: the base that adapters are
/// added to (``Adapter``).
///
/// There is one copy of it, row by row. Forms that products cannot read as they are, are widened just before each product,
/// into memory that all layers share.
public enum FrozenWeight: Sendable {
    /// As they are.
    case f32(Tensor)
    /// Rounded to 16 bits.
    case bf16(HalfTensor)
    /// 8-bit integers with one scale for each row.
    case int8(QuantizedTensor)
    /// 4-bit integers with one scale for each group of 32 or 128.
    case int4(GroupedTensor)

    /// What the forms are called.
    public enum Form: String, Sendable, CaseIterable {
        /// 32-bit floats.
        case f32
        /// 16-bit floats.
        case bf16
        /// 8-bit integers, 1 byte a weight.
        case int8
        /// 4-bit integers, 0.56 bytes a weight.
        case int4
    }

    /// A weight in this form. Shares memory where it is in that form already.
    ///
    /// - Throws: `.badShape` when the form does not go with the shape (int4: inputs must be a multiple of 32); `.noMemory`.
    public init(_ weight: PackedWeight, as form: Form, on context: Context) throws(KernelError) {
        if form == .int8, case .int8(let quantized) = weight {
            self = .int8(quantized)
            return
        }
        if form == .bf16, case .bf16(let rounded) = weight {
            self = .bf16(rounded)
            return
        }
        if form == .int4, case .int4(let grouped) = weight {
            self = .int4(grouped)
            return
        }
        let dense = try weight.dense()
        switch form {
        case .f32: self = .f32(dense)
        case .bf16:
            let rounded = try HalfTensor(dense.shape)
            try convert(dense.span, to: .bf16, into: rounded.mutableSpan, on: context)
            self = .bf16(rounded)
        case .int8: self = .int8(try QuantizedTensor(dense, on: context))
        case .int4: self = .int4(try GroupedTensor(dense, on: context))
        }
    }

    /// The extents; [outputs, inputs] for matrices.
    public var shape: Shape {
        switch self {
        case .f32(let tensor): tensor.shape
        case .bf16(let tensor): tensor.shape
        case .int8(let quantized): [quantized.rows, quantized.columns]
        case .int4(let grouped): [grouped.rows, grouped.columns]
        }
    }

    /// Which form it is.
    public var form: Form {
        switch self {
        case .f32: .f32
        case .bf16: .bf16
        case .int8: .int8
        case .int4: .int4
        }
    }

    /// Bytes that it takes.
    public var bytes: Int {
        switch self {
        case .f32(let tensor): 4 * tensor.count
        case .bf16(let tensor): 2 * tensor.count
        case .int8(let quantized): quantized.values.count + 4 * quantized.scales.count
        case .int4(let grouped): grouped.nibbles.count + 2 * grouped.scales.count
        }
    }

    /// Writes the weights as floats, exactly what they stand for; not for f32. Can be noted in an `OperationList`.
    public func widen(into target: Tensor, on context: Context) throws(KernelError) {
        precondition(target.count == shape.count, "widening \(shape) into \(target.shape)")
        switch self {
        case .f32: preconditionFailure("f32 weights \(shape) are read as they are")
        case .bf16(let tensor): try convert(tensor.span, from: .bf16, into: target.mutableSpan, on: context)
        case .int8(let quantized):
            let (values, scales) = (quantized.values, quantized.scales)
            try dequantizeRows(
                values.span, scales: scales.span, rows: quantized.rows, columns: quantized.columns,
                into: target.mutableSpan, on: context)
        case .int4(let grouped):
            let (nibbles, scales) = (grouped.nibbles, grouped.scales)
            try dequantizeGroups(
                nibbles.span, scales: scales.span, rows: grouped.rows, columns: grouped.columns,
                group: grouped.group, into: target.mutableSpan, on: context)
        }
    }

    /// The weights as floats; shares memory where they are that already.
    public func dense(on context: Context) throws(KernelError) -> Tensor {
        if case .f32(let tensor) = self { return tensor }
        let result = try Tensor(shape)
        try widen(into: result, on: context)
        return result
    }
}
