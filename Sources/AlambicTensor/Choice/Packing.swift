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
        case .bf16: .bf16
        case .f16: .f16
        case .int8: .s8
        case .int4(let grouped): Self.int4Product(group: grouped.group)
        case .bitmask(let sparse):
            switch sparse.values {
            case .f32: .f32
            case .bf16: .bf16
            case .f16: .f16
            case .int8: .s8
            case .int4(_, _, let group): Self.int4Product(group: group)
            }
        }
    }

    private static func int4Product(group: Int) -> Product { group == 32 ? .s8s4g32 : .s8s4g128 }

    /// The weight of a linear layer, [outputs, inputs], packed for its product. The results of products are the same
    /// in every form, bit for bit, but for blocks of bf16 on AMX.
    ///
    /// - Throws: `.badArgument` for a form that the product does not have, as 4-bit ones have none but dense; `.noMemory`.
    public func packed(as form: PackedMatrix.Form, on context: Context) throws(KernelError) -> PackedMatrix {
        switch self {
        case .f32(let tensor):
            return try PackedMatrix(.f32, tensor.span, N: tensor.rows, K: tensor.columns, form: form, on: context)
        case .bf16(let halves): return try halves.packed(.bf16, form, on: context)
        case .f16(let halves): return try halves.packed(.f16, form, on: context)
        case .int8(let quantized):
            return try PackedMatrix(
                .s8, quantized.values.span, N: quantized.rows, K: quantized.columns, scales: quantized.scales.span,
                form: form, on: context)
        case .int4(let grouped):
            guard form == .dense else { throw KernelError(.badArgument, "4-bit weights as \(form)") }
            return try PackedMatrix(
                product, nibbles: grouped.nibbles.span, scales: grouped.scales.span, N: grouped.rows,
                K: grouped.columns,
                on: context)
        case .bitmask: return try withZeros().packed(as: form, on: context)
        }
    }

    /// The same elements stored dense.
    public func withZeros() throws(KernelError) -> PackedWeight {
        guard case .bitmask(let sparse) = self else { return self }
        return try sparse.expanded()
    }

    /// The same elements with the zeros left out.
    public func withoutZeros() throws(KernelError) -> PackedWeight { try sparse() }

    /// The weights of the first `count` outputs, dense.
    func firstRows(_ count: Int) throws(KernelError) -> PackedWeight {
        guard count < shape.rows else { return try withZeros() }
        switch self {
        case .f32(let tensor): return .f32(tensor.rows(0..<count))
        case .bf16(let tensor): return .bf16(tensor.rows(0..<count))
        case .f16(let tensor): return .f16(tensor.rows(0..<count))
        case .int8(let whole):
            return .int8(
                QuantizedTensor(
                    rows: count, columns: whole.columns, values: try first(count * whole.columns, of: whole.values),
                    scales: try first(count, of: whole.scales)))
        case .int4(let whole):
            return .int4(
                GroupedTensor(
                    rows: count, columns: whole.columns, group: whole.group,
                    nibbles: try first(count * whole.columns / 2, of: whole.nibbles),
                    scales: try first(count * whole.columns / whole.group, of: whole.scales)))
        case .bitmask: return try withZeros().firstRows(count)
        }
    }
}

extension Product {
    /// Whether a weight may run in a form: there is a kernel, and its bits are those of the dense one, which is not so for
    /// blocks of bf16 on AMX.
    public func allows(_ form: PackedMatrix.Form) -> Bool {
        switch form {
        case .dense: true
        case .bitmask: !hasFourBitWeights
        case .blocks: self == .f32 || self == .s8
        }
    }
}

extension HalfTensor {
    fileprivate func packed(
        _ product: Product, _ form: PackedMatrix.Form, on context: Context
    ) throws(KernelError) -> PackedMatrix {
        try PackedMatrix(product, span, N: rows, K: columns, form: form, on: context)
    }
}

private func first<Element: BitwiseCopyable>(
    _ count: Int, of whole: Memory<Element>
) throws(KernelError) -> Memory<Element> {
    let part = try Memory<Element>(count: count)
    copy(whole.span(0..<count), into: part.mutableSpan)
    return part
}

private func copy<Element: BitwiseCopyable>(_ source: Span<Element>, into target: consuming MutableSpan<Element>) {
    target.withUnsafeMutableBytes { target in source.withUnsafeBytes { target.copyMemory(from: $0) } }
}
