import AlambicKernels
import AlambicTensor

/// A matrix of weights as integers: w = scales[j] (levels[j, k] - zeroPoints[j]) for output j.
struct IntegerWeights: Sendable {
    /// [outputs, inputs].
    let levels: DenseTensor<Int8>
    /// S of each output, all the same where a layer shares one.
    let scales: [Float]
    /// Z of each output.
    let zeroPoints: [Int32]

    /// Quantizes w, [outputs, inputs], over the ranges of its values.
    ///
    /// - Parameters:
    ///   - leastScale: what the scale of an output must not be below, or 0: see ``leastScale(bias:inputScale:)``.
    ///   - name: whose weights these are, for errors.
    /// - Throws: `.badArgument` for a weight that is NaN or infinite.
    init(
        _ w: Tensor, _ scheme: IntegerScheme, leastScales: [Float]? = nil, of name: String, on context: Context
    ) throws(KernelError) {
        let (rows, columns) = (w.rows, w.columns)
        var ranges: [ClosedRange<Float>] = []
        for row in 0..<rows { ranges.append(try finiteEnds(of: w.rows(row..<row + 1), name)) }
        var floors = leastScales ?? [Float](repeating: 0, count: rows)
        if scheme.weights == .perLayer, rows > 0 {
            let low = ranges.reduce(0) { min($0, $1.lowerBound) }
            let high = ranges.reduce(0) { max($0, $1.upperBound) }
            ranges = [ClosedRange<Float>](repeating: low...high, count: rows)
            floors = [Float](repeating: floors.max() ?? 0, count: rows)
        }
        let parameters = zip(ranges, floors).map { Self.parameters($0, leastScale: $1, scheme.weightForm) }
        scales = parameters.map(\.scale)
        zeroPoints = parameters.map(\.zeroPoint)
        levels = try DenseTensor<Int8>([rows, columns])
        let form = scheme.weightForm
        try quantize(
            w.span, rows: rows, columns: columns, scales: scales.span, zeroPoints: zeroPoints.span,
            levels: form.levels.lowest(bits: form.bits)...form.levels.highest(bits: form.bits),
            into: levels.mutableSpan, on: context)
    }

    /// The real numbers that the integers stand for.
    func reals(into w: Tensor, on context: Context) throws(KernelError) {
        let levels = self.levels
        try dequantize(
            levels.span, rows: levels.rows, columns: levels.columns, scales: scales.span, zeroPoints: zeroPoints.span,
            into: w.mutableSpan, on: context)
    }

    /// The scale below which a bias, in steps of S₁ S₂, leaves no room in 32 bits: |b| / (S₁ 2²⁹). An output whose weights
    /// are all zero, or nearly, gets it: its bias then keeps 29 bits, and nothing is divided by zero.
    static func leastScale(bias: Float, inputScale: Float) -> Float { abs(bias) / inputScale * 0x1p-29 }

    private static func parameters(
        _ range: ClosedRange<Float>, leastScale: Float, _ form: AffineForm
    ) -> AffineParameters {
        let natural = form.parameters(covering: range)
        guard natural.scale < leastScale || range == 0...0, leastScale >= .leastNormalMagnitude, leastScale.isFinite
        else { return natural }
        // As if the range were wider: the zero point moves with it.
        let steps =
            form.levels.highest(bits: form.bits)
            - (form.symmetry == .symmetric ? 0 : form.levels.lowest(bits: form.bits))
        let low = form.symmetry == .symmetric ? 0 : min(range.lowerBound, 0)
        return form.parameters(
            covering: min(range.lowerBound, 0)...max(range.upperBound, low + leastScale * Float(steps)))
    }
}

/// The least and the greatest of a parameter's values, 0 for none. Throws `.badArgument` for one that is NaN or infinite.
@discardableResult
func finiteEnds(of values: Tensor, _ name: String) throws(KernelError) -> ClosedRange<Float> {
    do throws(CalibrationError) {
        return try ends(of: values.span, name) ?? 0...0
    } catch {
        throw KernelError(.badArgument, "\(error)")
    }
}
