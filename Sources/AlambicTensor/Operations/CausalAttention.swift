import AlambicKernels

/// For each sequence and head, with queries, keys and values Q, K, V of [T, D]: S = Q Kᵀ / sqrt(D),
/// P = softmax of each row of S over the columns j <= i, O = P V. P is never stored: only L_i = log sum_j exp(S_ij).
///
/// Backward, with G = dL/dO: P_ij = exp(S_ij - L_i), dV = Pᵀ G, dP = G Vᵀ, dS_ij = P_ij (dP_ij - sum_j P_ij dP_ij),
/// where the sum is (G_i · O_i); dQ = dS K / sqrt(D), dK = dSᵀ Q / sqrt(D).
/// (Dao et al., FlashAttention, 2022, appendix B.)
struct CausalAttentionOperation: Operation {
    let qkv: Variable
    let heads: Int
    let logSumExp: Tensor
    let result: Variable

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result) else { return }
        let shape = result.shape
        try tape.addGradient(to: qkv) { target throws(KernelError) in
            try causalAttentionBackward(
                dOutput: gradient.span, qkv: qkv.value.span, output: result.value.span, logSumExp: logSumExp.span,
                batch: shape[0], length: shape[1], heads: heads, headWidth: shape[2] / heads,
                into: target.mutableSpan, on: tape.context)
        }
    }
}

extension Tape {
    /// See ``Graph/causalAttention(_:heads:layer:)``.
    public func causalAttention(_ qkv: Variable, heads: Int, layer: Int) throws(KernelError) -> Variable {
        let shape = qkv.shape
        precondition(
            shape.rank == 3 && shape[2].isMultiple(of: 3 * heads),
            "attention with \(heads) heads over \(shape), which should be [batch, length, 3 * width]")
        let width = shape[2] / 3
        let result = try variable([shape[0], shape[1], width])
        let logSumExp = try pool.tensor([shape[0], heads, shape[1]])
        try AlambicKernels.causalAttention(
            qkv: qkv.value.span, batch: shape[0], length: shape[1], heads: heads, headWidth: width / heads,
            into: result.value.mutableSpan, logSumExp: logSumExp.mutableSpan, on: context)
        record(CausalAttentionOperation(qkv: qkv, heads: heads, logSumExp: logSumExp, result: result))
        return result
    }
}
