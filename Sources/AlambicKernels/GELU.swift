import CKernels

/// How the Gaussian error linear unit x Φ(x) computes Φ, the normal distribution function.
public enum GELUForm: Sendable, CaseIterable {
    /// Φ(x) ≈ (1 + tanh(sqrt(2/π) (x + 0.044715 x³))) / 2, which GPT-2 was trained with ("gelu_new").
    case tanh
    /// Φ(x) = (1 + erf(x / sqrt 2)) / 2, which BERT was trained with ("gelu").
    case erf

    fileprivate var code: ck_gelu_form {
        switch self {
        case .tanh: CK_GELU_TANH
        case .erf: CK_GELU_ERF
        }
    }
}

extension Kernels {
    /// Implementations of ``gelu(_:form:into:on:)`` and its backward pass.
    public static let gelu = Variant.list(ck_gelu_variants)
}

/// y[i] = x[i] Φ(x[i]) (Hendrycks and Gimpel 2016, section 2).
public func gelu(
    _ x: Span<Float>, form: GELUForm = .tanh, into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(x.count, y.count, "gelu: x")
    try check(ck_gelu(context.handle, form.code, CK_F32, y.count, x.base, y.base), "gelu")
}

/// y[i] = x[i] Φ(x[i]) of bf16, as their bits. Arithmetic is in f32; the result is rounded to nearest, ties to even.
public func gelu(
    _ x: Span<UInt16>, form: GELUForm = .tanh, into y: consuming MutableSpan<UInt16>, on context: Context
) throws(KernelError) {
    requireElements(x.count, y.count, "gelu: x")
    try check(ck_gelu(context.handle, form.code, CK_BF16, y.count, x.base, y.base), "gelu of bf16")
}

/// dx[i] = dy[i] (Φ(x[i]) + x[i] Φ'(x[i])). `x` is the input of the forward pass.
public func geluBackward(
    _ dy: Span<Float>, _ x: Span<Float>, form: GELUForm = .tanh, into dx: consuming MutableSpan<Float>,
    on context: Context
) throws(KernelError) {
    requireElements(dy.count, dx.count, "geluBackward: dy")
    requireElements(x.count, dx.count, "geluBackward: x")
    try check(
        ck_gelu_backward(context.handle, form.code, CK_F32, dx.count, dy.base, x.base, dx.base), "geluBackward")
}

/// dx[i] = dy[i] (Φ(x[i]) + x[i] Φ'(x[i])) of bf16, as their bits. Arithmetic is in f32; the result is rounded to nearest,
/// ties to even.
public func geluBackward(
    _ dy: Span<UInt16>, _ x: Span<UInt16>, form: GELUForm = .tanh, into dx: consuming MutableSpan<UInt16>,
    on context: Context
) throws(KernelError) {
    requireElements(dy.count, dx.count, "geluBackward: dy")
    requireElements(x.count, dx.count, "geluBackward: x")
    try check(
        ck_gelu_backward(context.handle, form.code, CK_BF16, dx.count, dy.base, x.base, dx.base),
        "geluBackward of bf16")
}
