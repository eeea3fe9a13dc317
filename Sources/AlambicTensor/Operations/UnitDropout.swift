import AlambicKernels

/// A dropout rate for every unit of a layer (Srivastava et al. 2014, section 4), in one of two forms:
///
/// - ``init(inverted:)``: what is kept is multiplied by 1 / (1 - rate) in training, and nothing is to be done at test time
///   (section 10). Use this one.
/// - ``init(paper:)``: nothing is multiplied in training, and at test time the weights that come out of a unit are multiplied
///   by its retention, 1 - rate: ``retained(_:on:)``.
///
/// Both have the same expectation. They are not the same training: the second has gradients smaller by the retention.
public struct UnitDropout: Sendable {
    /// The dropout rate of every unit, as asked for.
    public let rates: [Double]
    /// Out of 65536, for every unit.
    let thresholds: Memory<UInt16>
    /// What a unit is multiplied by where it is kept.
    let scales: Tensor
    /// What the weights that come out of a unit are multiplied by at test time; ones in the inverted form.
    let retention: Tensor

    /// Dropout that keeps the mean while training. A rate outside 0...65535/65536 throws `.badArgument`.
    public init(inverted rates: [Double]) throws(KernelError) {
        try self.init(rates, scales: { $0 }, retention: { _ in 1 })
    }

    /// The paper's dropout, whose weights are scaled at test time.
    public init(paper rates: [Double]) throws(KernelError) {
        try self.init(rates, scales: { _ in 1 }, retention: { 1 / $0 })
    }

    private init(
        _ rates: [Double], scales scaling: (Float) -> Float, retention retaining: (Float) -> Float
    ) throws(KernelError) {
        let limits = try Memory<UInt16>(count: rates.count)
        var (kept, shares): ([Float], [Float]) = ([], [])
        var span = limits.mutableSpan
        for (unit, rate) in rates.enumerated() {
            let (threshold, scale) = try dropoutThreshold(rate)
            span[unit] = threshold
            kept.append(scaling(scale))
            shares.append(retaining(scale))
        }
        self.rates = rates
        thresholds = limits
        scales = try Tensor([rates.count], kept)
        retention = try Tensor([rates.count], shares)
    }

    /// The weights `[outputs, units]` that come out of these units, as the test-time network uses them: column j times the
    /// retention of unit j.
    public func retained(_ weights: Tensor, on context: Context = .default) throws(KernelError) -> Tensor {
        precondition(
            weights.columns == rates.count, "weights of \(weights.shape) come out of \(rates.count) units with dropout")
        let (result, retention) = (try Tensor(weights.shape), self.retention)
        try scaleColumns(
            weights.span, rows: weights.rows, columns: weights.columns, by: retention.span, into: result.mutableSpan,
            on: context)
        return result
    }
}

/// y[i, j] = x[i, j] m[i, j] s[j] with m = 0 with probability rate[j], else 1. Backward: the same on the gradient, with the mask drawn
/// again.
struct UnitDropoutOperation: Operation {
    let x: GradientSlot
    let units: UnitDropout
    let seed: UInt64
    let stream: UInt64
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Float.self) else { return }
        try tape.addGradient(to: x, Float.self) { target throws(KernelError) in
            try Self.apply(units, seed, stream, gradient, target, tape)
        }
    }

    static func apply(
        _ units: UnitDropout, _ seed: UInt64, _ stream: UInt64, _ x: Tensor, _ y: Tensor, _ tape: Tape
    ) throws(KernelError) {
        let (thresholds, scales) = (units.thresholds, units.scales)
        tape.execution.keep(units)
        try unitDropout(
            x.span, rows: x.rows, columns: x.columns, thresholds: thresholds.span, scales: scales.span, seed: seed,
            stream: stream, into: y.mutableSpan, on: tape.context)
    }
}

extension Tape {
    /// Drops units with a rate for each while training: see ``UnitDropout``. The innermost dimension of `x` is the units'.
    public func dropout(_ x: Variable, units: UnitDropout) throws(KernelError) -> Variable {
        precondition(x.shape.columns == units.rates.count, "\(units.rates.count) dropout rates for \(x.shape)")
        guard let (seed, stream) = nextDropout() else { return x }
        let x = try widened(x)
        let output = try floats(x.shape)
        execution.stage("dropout", bytes: 8 * Double(output.count))
        try UnitDropoutOperation.apply(units, seed, stream, x.value, output, self)
        let result = place(.f32(output))
        record(UnitDropoutOperation(x: x.slot, units: units, seed: seed, stream: stream, result: result.slot))
        return result
    }
}
