import CKernels

extension Kernels {
    /// Implementations of ``add(_:_:into:on:)``, ``accumulate(_:into:on:)``, ``scale(by:into:on:)``, ``relu(_:into:on:)`` and
    /// ``combine(_:_:_:_:into:on:)``.
    public static let elementwise = Variant.list(ck_elementwise_variants)
}

/// z[i] = x[i] + y[i]: a residual connection, or one step of a sum of gradients.
public func add(
    _ x: Span<Float>, _ y: Span<Float>, into z: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(x.count, z.count, "add: x")
    requireElements(y.count, z.count, "add: y")
    try check(ck_add_f32(context.handle, z.count, x.base, y.base, z.base), "add")
}

/// y[i] += x[i].
public func accumulate(
    _ x: Span<Float>, into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(x.count, y.count, "accumulate: x")
    try check(ck_accumulate_f32(context.handle, y.count, x.base, y.base), "accumulate")
}

/// x[i] *= factor.
public func scale(
    by factor: Float, into x: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    try check(ck_scale_f32(context.handle, x.count, factor, x.base), "scale")
}

/// z[i] = a · x[i] + b · y[i], with the first product and the sum in one rounding where the machine can.
public func combine(
    _ a: Float, _ x: Span<Float>, _ b: Float, _ y: Span<Float>, into z: consuming MutableSpan<Float>,
    on context: Context
) throws(KernelError) {
    requireElements(x.count, z.count, "combine: x")
    requireElements(y.count, z.count, "combine: y")
    try check(ck_combine_f32(context.handle, z.count, a, x.base, b, y.base, z.base), "combine")
}

/// y[i] += a · x[i].
public func accumulate(
    _ x: Span<Float>, times a: Float, into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(x.count, y.count, "accumulate: x")
    let target = y.base
    try check(ck_combine_f32(context.handle, y.count, a, x.base, 1, target, target), "accumulate")
}
