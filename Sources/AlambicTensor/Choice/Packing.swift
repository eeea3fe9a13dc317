import AlambicKernels

extension PackedWeight {
    /// Whether its zeros are left out where it is stored.
    public var isSparse: Bool {
        if case .bitmask = self { true } else { false }
    }

    /// The product that multiplies with it.
    public var product: Product {
        switch self {
        case .f32: .f32
        case .int8: .s8
        case .bitmask(let sparse):
            switch sparse.values {
            case .f32: .f32
            case .int8: .s8
            }
        }
    }

    /// The weight of a linear layer, [outputs, inputs], packed for its product. The results of products are the same
    /// in every form, bit for bit.
    ///
    /// - Throws: `.badArgument` for a form that the product does not have, `.noMemory`.
    public func packed(as form: PackedMatrix.Form, on context: Context) throws(KernelError) -> PackedMatrix {
        switch self {
        case .f32(let tensor):
            try PackedMatrix(.f32, tensor.span, N: tensor.rows, K: tensor.columns, form: form, on: context)
        case .int8(let quantized):
            try PackedMatrix(
                .s8, quantized.values.span, N: quantized.rows, K: quantized.columns, scales: quantized.scales.span,
                form: form, on: context)
        case .bitmask: try withZeros().packed(as: form, on: context)
        }
    }

    /// The same elements stored dense.
    public func withZeros() throws(KernelError) -> PackedWeight {
        guard case .bitmask(let sparse) = self else { return self }
        switch try sparse.expanded() {
        case .f32(let tensor): return .f32(tensor)
        case .int8(let quantized): return .int8(quantized)
        }
    }

    /// The same elements with the zeros left out.
    public func withoutZeros() throws(KernelError) -> PackedWeight {
        switch self {
        case .f32(let tensor): .bitmask(try BitmaskTensor(tensor))
        case .int8(let quantized): .bitmask(try BitmaskTensor(quantized))
        case .bitmask: self
        }
    }

    /// The weights of the first `count` outputs, dense.
    func firstRows(_ count: Int) throws(KernelError) -> PackedWeight {
        guard count < shape.rows else { return try withZeros() }
        switch self {
        case .f32(let tensor): return .f32(tensor.rows(0..<count))
        case .int8(let whole):
            let values = try Memory<Int8>(count: count * whole.columns)
            let scales = try Memory<Float>(count: count)
            copy(whole.values.span(0..<values.count), into: values.mutableSpan)
            copy(whole.scales.span(0..<count), into: scales.mutableSpan)
            return .int8(QuantizedTensor(rows: count, columns: whole.columns, values: values, scales: scales))
        case .bitmask: return try withZeros().firstRows(count)
        }
    }
}

private func copy<Element: BitwiseCopyable>(_ source: Span<Element>, into target: consuming MutableSpan<Element>) {
    target.withUnsafeMutableBytes { target in source.withUnsafeBytes { target.copyMemory(from: $0) } }
}
