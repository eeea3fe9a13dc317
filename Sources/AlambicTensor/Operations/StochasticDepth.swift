import AlambicKernels

/// y[b] = x[b] m[b] / (1 - p) for every sample b, with m[b] = 0 with probability p, else 1 (Huang et al. 2016, equation 2, scaled while
/// training instead of at test time).
///
/// Backward: the same operation on the gradient, with the mask drawn again.
struct StochasticDepthOperation: Operation {
    let x: GradientSlot
    let samples: Int
    let rate: Double
    let seed: UInt64
    let stream: UInt64
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Float.self) else { return }
        try tape.addGradient(to: x, Float.self) { target throws(KernelError) in
            try dropRows(
                gradient.span, rows: samples, columns: gradient.count / samples, rate: rate, seed: seed,
                stream: stream, into: target.mutableSpan, on: tape.context)
        }
    }
}

extension Tape {
    /// Drops a residual branch as a whole for a share `rate` of the samples, the outermost dimension of `x`, and scales it by
    /// 1 / (1 - rate) for the others, while training; the identity otherwise (stochastic depth, Huang et al. 2016).
    ///
    /// Per sample, as torchvision's `StochasticDepth(mode: "row")` does, and not per batch as the paper: each sample has a depth of its own,
    /// the gradient's expectation is the same, and its variance smaller. What is dropped has been computed, so that
    /// nothing is saved.
    public func stochasticDepth(_ x: Variable, rate: Float) throws(KernelError) -> Variable {
        precondition(rate >= 0 && rate < 1, "a share of \(rate) of dropped branches is not in 0..<1")
        guard rate > 0, x.shape.count > 0, let (seed, stream) = nextDropout() else { return x }
        let x = try widened(x)
        // At rate 0 nothing is dropped, and every value has the place in memory that it has in training.
        let (output, samples, rate) = (
            try floats(x.shape), x.shape.dimensions.first ?? 1, branchesDrop ? Double(rate) : 0
        )
        execution.stage("stochastic depth", bytes: 8 * Double(output.count))
        try dropRows(
            x.value.span, rows: samples, columns: output.count / samples, rate: rate, seed: seed, stream: stream,
            into: output.mutableSpan, on: context)
        let result = place(.f32(output))
        record(
            StochasticDepthOperation(
                x: x.slot, samples: samples, rate: rate, seed: seed, stream: stream, result: result.slot))
        return result
    }
}

/// The paper's linear rule (section 3, "linear decay"): the first of `branches` residual branches is dropped with probability
/// `last / branches`, the last one with `last`.
public func stochasticDepthRate(branch: Int, of branches: Int, last: Double) -> Double {
    precondition((0..<branches).contains(branch), "branch \(branch) of \(branches)")
    return last * Double(branch + 1) / Double(branches)
}
