import CKernels

extension Kernels {
    /// Implementations of affine quantization.
    public static let affine = Variant.list(ck_affine_variants)
}

/// How integers stand for real numbers: r = S (q - Z) (Jacob et al. 2018, equation 1), q one of some levels.
public struct AffineScale: Sendable, Hashable {
    /// S, positive and finite.
    public let scale: Float
    /// Z, one of the levels.
    public let zeroPoint: Int32
    /// From the least integer to the greatest, within ±2²⁰.
    public let levels: ClosedRange<Int32>

    /// r = scale (q - zeroPoint).
    public init(scale: Float, zeroPoint: Int32, levels: ClosedRange<Int32>) {
        precondition(scale.isFinite && scale > 0, "a scale of \(scale)")
        precondition(levels.contains(zeroPoint), "zero point \(zeroPoint) is not one of \(levels)")
        (self.scale, self.zeroPoint, self.levels) = (scale, zeroPoint, levels)
    }

    var raw: ck_affine {
        ck_affine(
            scale: scale, zero: zeroPoint, scales: nil, zeros: nil, low: levels.lowerBound, high: levels.upperBound)
    }
}

/// q[i] = Z + round(clamp(x[i] / S, low - Z, high - Z)), half to even; of NaN Z. `q` is of `Int8` or `UInt8`, whose values
/// must hold the levels (else `.badArgument`).
public func quantize<Q: MatrixElement>(
    _ x: Span<Float>, _ affine: AffineScale, into q: consuming MutableSpan<Q>, on context: Context
) throws(KernelError) {
    requireElements(x.count, q.count, "quantize: x")
    let type = Q.type(halves: .bf16).raw
    try check(ck_quantize_affine(context.handle, type, 1, x.count, x.base, affine.raw, q.base), "quantize")
}

/// The same with a scale and a zero point for each row. Where this is noted in an ``OperationList``, both must stay in place.
public func quantize<Q: MatrixElement>(
    _ x: Span<Float>, rows: Int, columns: Int, scales: Span<Float>, zeroPoints: Span<Int32>,
    levels: ClosedRange<Int32>, into q: consuming MutableSpan<Q>, on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: rows, columns: columns, "quantize: x")
    requireElements(q.count, x.count, "quantize: q")
    requireElements(scales.count, rows, "quantize: scales")
    requireElements(zeroPoints.count, rows, "quantize: zero points")
    let affine = ck_affine(
        scale: 1, zero: 0, scales: scales.base, zeros: zeroPoints.base, low: levels.lowerBound,
        high: levels.upperBound)
    let type = Q.type(halves: .bf16).raw
    try check(ck_quantize_affine(context.handle, type, rows, columns, x.base, affine, q.base), "quantize rows")
}

/// y[i] = S (q[i] - Z). `q` is of `Int8`, `UInt8` or `Int32`.
public func dequantize<Q: MatrixElement>(
    _ q: Span<Q>, scale: Float, zeroPoint: Int32 = 0, into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(q.count, y.count, "dequantize: q")
    let affine = ck_affine(scale: scale, zero: zeroPoint, scales: nil, zeros: nil, low: 0, high: 0)
    let type = Q.type(halves: .bf16).raw
    try check(ck_dequantize_affine(context.handle, type, 1, q.count, q.base, affine, y.base), "dequantize")
}

/// The same with a scale and a zero point for each row. Where this is noted in an ``OperationList``, both must stay in place.
public func dequantize<Q: MatrixElement>(
    _ q: Span<Q>, rows: Int, columns: Int, scales: Span<Float>, zeroPoints: Span<Int32>,
    into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(q.count, rows: rows, columns: columns, "dequantize: q")
    requireElements(y.count, q.count, "dequantize: y")
    requireElements(scales.count, rows, "dequantize: scales")
    requireElements(zeroPoints.count, rows, "dequantize: zero points")
    let affine = ck_affine(scale: 1, zero: 0, scales: scales.base, zeros: zeroPoints.base, low: 0, high: 0)
    let type = Q.type(halves: .bf16).raw
    try check(ck_dequantize_affine(context.handle, type, rows, columns, q.base, affine, y.base), "dequantize rows")
}

/// y[i] = S (q - Z) with q the integer of x[i]: the real numbers that integers will stand for (Jacob et al. 2018, section 3,
/// equation 12).
public func fakeQuantize(
    _ x: Span<Float>, _ affine: AffineScale, into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(x.count, y.count, "fakeQuantize: x")
    try check(ck_fake_quantize(context.handle, 1, x.count, x.base, affine.raw, y.base), "fakeQuantize")
}

/// dx[i] = dy[i] where x[i] is inside the range of the levels, else 0: the straight-through gradient of
/// ``fakeQuantize(_:_:into:on:)``, with x the input of the forward pass.
public func fakeQuantizeBackward(
    _ dy: Span<Float>, _ x: Span<Float>, _ affine: AffineScale, into dx: consuming MutableSpan<Float>,
    on context: Context
) throws(KernelError) {
    requireElements(dy.count, dx.count, "fakeQuantizeBackward: dy")
    requireElements(x.count, dx.count, "fakeQuantizeBackward: x")
    try check(
        ck_fake_quantize_backward(context.handle, 1, x.count, dy.base, x.base, affine.raw, dx.base),
        "fakeQuantizeBackward")
}
