import CKernels

/// Elementary functions that ``map(_:_:into:on:)`` computes. Errors in units in the last place, over all finite inputs.
public enum ElementaryFunction: Sendable, CaseIterable {
    /// eˣ, to 1.5 units.
    case exp
    /// The natural logarithm, to 1.5 units; -∞ of zero, NaN of negative numbers.
    case log
    /// The hyperbolic tangent, to 2 units.
    case tanh
    /// The error function, to 2 units.
    case erf
    /// 1 / (1 + e⁻ˣ), to 3 units, or 3e-39 where e⁻ˣ overflows.
    case sigmoid
    /// The sine, to 1.5e-7 for |x| <= 8192; no meaning beyond.
    case sin
    /// The cosine, to 1.5e-7 for |x| <= 8192; no meaning beyond.
    case cos

    fileprivate var code: ck_function {
        switch self {
        case .exp: CK_EXP
        case .log: CK_LOG
        case .tanh: CK_TANH
        case .erf: CK_ERF
        case .sigmoid: CK_SIGMOID
        case .sin: CK_SIN
        case .cos: CK_COS
        }
    }
}

extension Kernels {
    /// Implementations of ``map(_:_:into:on:)``.
    public static let map = Variant.list(ck_map_variants)
}

/// y[i] = function(x[i]).
public func map(
    _ function: ElementaryFunction, _ x: Span<Float>, into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(x.count, y.count, "map \(function): x")
    try check(ck_map_f32(context.handle, function.code, y.count, x.base, y.base), "map \(function)")
}
