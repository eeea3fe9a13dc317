import CKernels

/// The 16-bit float formats of tensors in memory. Elements cross the interface as their bits, `UInt16`, since `Float16` does
/// not exist on every platform and bfloat16 on none.
public enum HalfFormat: Sendable, CaseIterable {
    /// bfloat16: the upper half of an IEEE single, 8 bits of exponent and 7 of fraction.
    case bf16
    /// IEEE binary16: 5 bits of exponent and 10 of fraction.
    case f16
}

extension Kernels {
    /// Variants of the conversions, best first.
    public static let convert = Variant.list(ck_convert_variants)
}

/// `y[i]` is `x[i]` rounded to nearest, ties to even (IEEE 754), with gradual underflow and overflow to infinity. A NaN keeps
/// its sign and the upper bits of its payload, and becomes quiet. The bits are the same on every instruction set.
///
/// `x` and `y` must not overlap.
public func convert(
    _ x: Span<Float>, to format: HalfFormat, into y: consuming MutableSpan<UInt16>, on context: Context
) throws(KernelError) {
    requireElements(x.count, y.count, "convert to \(format): x")
    let status =
        switch format {
        case .bf16: ck_convert_f32_bf16(context.handle, y.count, x.base, y.base)
        case .f16: ck_convert_f32_f16(context.handle, y.count, x.base, y.base)
        }
    try check(status, "convert to \(format)")
}

/// `y[i]` is the value of `x[i]`, exactly. A NaN keeps its sign and payload; a signalling f16 becomes quiet.
///
/// `x` and `y` must not overlap.
public func convert(
    _ x: Span<UInt16>, from format: HalfFormat, into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(x.count, y.count, "convert from \(format): x")
    let status =
        switch format {
        case .bf16: ck_convert_bf16_f32(context.handle, y.count, x.base, y.base)
        case .f16: ck_convert_f16_f32(context.handle, y.count, x.base, y.base)
        }
    try check(status, "convert from \(format)")
}
