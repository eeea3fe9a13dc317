import AlambicKernels

/// For each sequence and head, with queries, keys and values Q, K, V of [T, D]: S = Q Kᵀ / sqrt(D),
/// P = softmax of each row of S over the columns j <= i, O = P V. P is never stored: only L_i = log sum_j exp(S_ij).
///
/// Backward, with G = dL/dO: P_ij = exp(S_ij - L_i), dV = Pᵀ G, dP = G Vᵀ, dS_ij = P_ij (dP_ij - sum_j P_ij dP_ij),
/// where the sum is (G_i · O_i); dQ = dS K / sqrt(D), dK = dSᵀ Q / sqrt(D).
/// (Dao et al., FlashAttention, 2022, appendix B.)
struct CausalAttentionOperation<Element: Activation>: Operation {
    let qkv: GradientSlot
    let kept: Saved
    let heads: Int
    let logSumExp: Tensor
    let output: Saved
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Element.self) else { return }
        let (tensor, output) = (try tape.restore(kept, Element.self), try tape.restore(output, Element.self))
        try tape.addGradient(to: qkv, Element.self) { target throws(KernelError) in
            // Five products. Queries, keys and values, output and its gradient are read, three gradients written.
            tape.execution.stage(
                "attention gradient", operations: 2.5 * attentionWork(result.shape),
                bytes: 8 * Double(output.count * MemoryLayout<Element>.stride))
            let shape = output.shape
            try causalAttentionBackward(
                dOutput: gradient.span, qkv: tensor.span, output: output.span, logSumExp: logSumExp.span,
                batch: shape[0], length: shape[1], heads: heads, headWidth: shape[2] / heads,
                into: target.mutableSpan, on: tape.context)
        }
    }
}

/// Operations of the forward pass over the pairs that are seen: two products of [T, D] by [D, T], half of each.
private func attentionWork(_ shape: Shape) -> Double {
    2 * Double(shape.count) * Double(shape[1] + 1)
}

extension Tape {
    /// See ``Graph/causalAttention(_:heads:layer:)``.
    public func causalAttention(_ qkv: Variable, heads: Int, layer: Int) throws(KernelError) -> Variable {
        switch qkv.elements {
        case .f32(let tensor): try causalAttention(qkv, tensor, heads)
        case .bf16(let tensor): try causalAttention(qkv, tensor, heads)
        }
    }

    private func causalAttention<Element: Activation>(
        _ qkv: Variable, _ tensor: DenseTensor<Element>, _ heads: Int
    ) throws(KernelError) -> Variable {
        let shape = qkv.shape
        precondition(
            shape.rank == 3 && shape[2].isMultiple(of: 3 * heads),
            "attention with \(heads) heads over \(shape), which should be [batch, length, 3 * width]")
        let output = try self.tensor([shape[0], shape[1], shape[2] / 3], Element.self)
        let logSumExp = try floats([shape[0], heads, shape[1]])
        execution.stage(
            "attention", operations: attentionWork(output.shape),
            bytes: 4 * Double(output.count * MemoryLayout<Element>.stride))
        try AlambicKernels.causalAttention(
            qkv: tensor.span, batch: shape[0], length: shape[1], heads: heads, headWidth: shape[2] / 3 / heads,
            into: output.mutableSpan, logSumExp: logSumExp.mutableSpan, on: context)
        let (kept, saved) = (try save(tensor), try save(output))
        let result = place(Element.elements(output), origin: .saved(saved))
        record(
            CausalAttentionOperation<Element>(
                qkv: qkv.slot, kept: kept, heads: heads, logSumExp: logSumExp, output: saved, result: result.slot))
        return result
    }
}
