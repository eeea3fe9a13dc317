import AlambicKernels

/// y = x * m / (1 - p) with m_e = 0 with probability p, else 1 (Srivastava et al., 2014, in the form that needs no
/// scaling at test time), in f32.
///
/// Backward: dx = g * m / (1 - p): the same operation on the gradient. The mask is not stored but drawn again from
/// the same counter-based stream.
struct DropoutOperation: Operation {
    let x: GradientSlot
    let rate: Float
    let seed: UInt64
    let stream: UInt64
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Float.self) else { return }
        try tape.addGradient(to: x, Float.self) { target throws(KernelError) in
            try AlambicKernels.dropout(
                gradient.span, rate: rate, seed: seed, stream: stream, into: target.mutableSpan, on: tape.context)
        }
    }
}

extension Tape {
    /// See ``Graph/dropout(_:rate:)``.
    public func dropout(_ x: Variable, rate: Float) throws(KernelError) -> Variable {
        precondition(rate >= 0 && rate < 1, "a dropout rate of \(rate) is not in 0..<1")
        // The stream is taken even at rate 0, so that one layer's rate does not change another layer's mask.
        guard let (seed, stream) = nextDropout(), rate > 0 else { return x }
        let x = try widened(x)
        let output = try floats(x.shape)
        execution.stage("dropout", bytes: 8 * Double(output.count))
        try AlambicKernels.dropout(
            x.value.span, rate: rate, seed: seed, stream: stream, into: output.mutableSpan, on: context)
        guard x.slot.isWanted else { return place(.f32(output), origin: .constant) }
        let result = place(.f32(output))
        record(DropoutOperation(x: x.slot, rate: rate, seed: seed, stream: stream, result: result.slot))
        return result
    }
}
