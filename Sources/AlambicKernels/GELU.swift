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
public func gelu<E: FloatElement>(
    _ x: Span<E>, form: GELUForm = .tanh, into y: consuming MutableSpan<E>, on context: Context
) throws(KernelError) {
    requireElements(x.count, y.count, "gelu: x")
    try check(ck_gelu(context.handle, form.code, E.code, y.count, x.base, y.base), "gelu")
}

/// dx[i] = dy[i] (Φ(x[i]) + x[i] Φ'(x[i])). `x` is the input of the forward pass.
public func geluBackward<E: FloatElement>(
    _ dy: Span<E>, _ x: Span<E>, form: GELUForm = .tanh, into dx: consuming MutableSpan<E>, on context: Context
) throws(KernelError) {
    requireElements(dy.count, dx.count, "geluBackward: dy")
    requireElements(x.count, dx.count, "geluBackward: x")
    try check(
        ck_gelu_backward(context.handle, form.code, E.code, dx.count, dy.base, x.base, dx.base), "geluBackward")
}
