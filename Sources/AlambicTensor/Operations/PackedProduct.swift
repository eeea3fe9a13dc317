import AlambicKernels

// c = epilogue(a B), B packed: what B is packed for decides what is multiplied. int8 panels take a quantized row by row,
// so that (Wortsman et al., 2023, eq. 3)
//
//   c_ij = s_i t_j sum_l q_il p_lj,   a_il ~ s_i q_il,   B_lj ~ t_j p_lj
//
// with s_i = max_l |a_il| / 127 made here, and t_j, which the panels have brought along, likewise of column j of B. The
// sum is exact, so the only errors are the two roundings, each at most half a step: |a_il - s_i q_il| <= s_i / 2.
extension Tape {
    func multiply<Element: Activation, Output: MatrixElement>(
        _ a: DenseTensor<Element>, by b: PackedMatrix, into c: DenseTensor<Output>, epilogue: borrowing Epilogue
    ) throws(KernelError) {
        if b.product == .s8, case .bf16(let halves) = Element.elements(a) {
            let rows = try quantized(halves)
            let (elements, scales) = (rows.elements, rows.scales)
            try matmul(
                M: a.rows, elements.span, b, into: c.mutableSpan, as: .bf16,
                epilogue: (copy epilogue).rowScales(scales.span), on: context)
        } else {
            try matmul(M: a.rows, a.span, b, into: c.mutableSpan, as: .bf16, epilogue: epilogue, on: context)
        }
    }

    private func quantized(
        _ a: HalfTensor
    ) throws(KernelError) -> (elements: DenseTensor<Int8>, scales: Tensor) {
        let elements = DenseTensor<Int8>(a.shape, storage: try arena.bytes(a.count))
        let scales = try floats([a.rows, 1])
        execution.beginInterlude("quantization", bytes: 3 * Double(a.count))
        try quantizeRows(
            a.span, rows: a.rows, columns: a.columns, into: elements.mutableSpan, scales: scales.mutableSpan,
            on: context)
        execution.endInterlude()
        return (elements, scales)
    }
}
