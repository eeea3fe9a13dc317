import CKernels

extension Kernels {
    /// Implementations of ``swiglu(gate:up:rows:width:into:on:)``, of its packed form and of their gradients.
    public static let swiglu = Variant.list(ck_swiglu_variants)
}

/// A linear unit behind a gate (Shazeer 2020, equation 6): y = silu(gate) · up, with silu(g) = g / (1 + exp(-g)). All are
/// `[rows, width]`.
public func swiglu<E: FloatElement>(
    gate: Span<E>, up: Span<E>, rows: Int, width: Int, into y: consuming MutableSpan<E>, on context: Context
) throws(KernelError) {
    requireElements(gate.count, rows: rows, columns: width, "swiglu: gate")
    requireElements(up.count, rows: rows, columns: width, "swiglu: up")
    requireElements(y.count, rows: rows, columns: width, "swiglu: y")
    try check(ck_swiglu(context.handle, E.code, rows, width, gate.base, up.base, width, y.base), "swiglu")
}

/// A linear unit behind a gate, of rows that hold the gate and then what it multiplies: y[i,j] = silu(x[i,j]) · x[i,j + width].
/// `x` is `[rows, 2 · width]`, `y` is `[rows, width]`.
public func swiglu<E: FloatElement>(
    _ x: Span<E>, rows: Int, width: Int, into y: consuming MutableSpan<E>, on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: rows, columns: 2 * width, "swiglu: x")
    requireElements(y.count, rows: rows, columns: width, "swiglu: y")
    let gate = x.base
    try check(ck_swiglu(context.handle, E.code, rows, width, gate, gate + width, 2 * width, y.base), "swiglu")
}

/// Gradients of ``swiglu(gate:up:rows:width:into:on:)``: dGate = dY · up · s(1 + gate(1 - s)), s = 1 / (1 + exp(-gate)), and
/// dUp = dY · silu(gate).
public func swigluBackward<E: FloatElement>(
    _ dY: Span<E>, gate: Span<E>, up: Span<E>, rows: Int, width: Int, into dGate: consuming MutableSpan<E>,
    dUp: consuming MutableSpan<E>, on context: Context
) throws(KernelError) {
    requireElements(dY.count, rows: rows, columns: width, "swigluBackward: dY")
    requireElements(gate.count, rows: rows, columns: width, "swigluBackward: gate")
    requireElements(up.count, rows: rows, columns: width, "swigluBackward: up")
    requireElements(dGate.count, rows: rows, columns: width, "swigluBackward: dGate")
    requireElements(dUp.count, rows: rows, columns: width, "swigluBackward: dUp")
    try check(
        ck_swiglu_backward(
            context.handle, E.code, rows, width, dY.base, gate.base, up.base, width, dGate.base, dUp.base),
        "swigluBackward")
}

/// Gradient of ``swiglu(_:rows:width:into:on:)``: `dX`, as `x`, is `[rows, 2 · width]`.
public func swigluBackward<E: FloatElement>(
    _ dY: Span<E>, _ x: Span<E>, rows: Int, width: Int, into dX: consuming MutableSpan<E>, on context: Context
) throws(KernelError) {
    requireElements(dY.count, rows: rows, columns: width, "swigluBackward: dY")
    requireElements(x.count, rows: rows, columns: 2 * width, "swigluBackward: x")
    requireElements(dX.count, rows: rows, columns: 2 * width, "swigluBackward: dX")
    let (gate, dGate) = (x.base, dX.base)
    try check(
        ck_swiglu_backward(
            context.handle, E.code, rows, width, dY.base, gate, gate + width, 2 * width, dGate, dGate + width),
        "swigluBackward")
}
