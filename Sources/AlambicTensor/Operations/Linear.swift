import AlambicKernels

/// y = x Wᵀ + 1 bᵀ with x of [M, K], W of [N, K], b of [N].
///
/// Backward, with g = dL/dy of [M, N]: dx = g W, dW = gᵀ x, db = gᵀ 1.
/// (y_mn = sum_k x_mk W_nk + b_n, hence dL/dx_mk = sum_n g_mn W_nk and dL/dW_nk = sum_m g_mn x_mk.)
struct LinearOperation: Operation {
    let x: Variable
    let weight: ParameterID
    let bias: ParameterID?
    let result: Variable

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result) else { return }
        let weights = tape.weights(weight)
        let (m, n, k) = (x.value.rows, weights.rows, weights.columns)
        let context = tape.context
        try tape.addGradient(to: x) { target throws(KernelError) in
            try matmul(
                M: m, N: k, K: n, gradient.span, .asIs, weights.span, .asIs, into: target.mutableSpan, on: context)
        }
        try matmul(
            M: n, N: k, K: m, gradient.span, .transposed, x.value.span, .asIs,
            into: tape.gradients[weight].mutableSpan, store: .accumulate, on: context)
        if let bias {
            try columnSum(
                gradient.span, rows: m, columns: n, into: tape.gradients[bias].mutableSpan, on: context)
        }
    }
}

extension Tape {
    /// See ``Graph/linear(_:weight:bias:)``.
    public func linear(_ x: Variable, weight: ParameterID, bias: ParameterID?) throws(KernelError) -> Variable {
        let weights = self.weights(weight)
        precondition(
            weights.shape.rank == 2 && x.value.columns == weights.columns,
            "linear of \(x.shape) with weights \(weights.shape)")
        let result = try variable(x.shape.replacingColumns(by: weights.rows))
        let biases = bias.map { self.weights($0) }
        try matmul(
            M: x.value.rows, N: weights.rows, K: weights.columns, x.value.span, .asIs, weights.span, .transposed,
            into: result.value.mutableSpan, bias: biases?.span, on: context)
        record(LinearOperation(x: x, weight: weight, bias: bias, result: result))
        return result
    }
}
