import CKernels

extension Kernels {
    /// Variants of the random numbers, best first.
    public static let random: [Variant] = Variant.list(ck_random_variants)
}

/// Random 32-bit words: Philox4x32-10 (Salmon et al. 2011) with key `seed` and counter (`stream`, block). `y[i]` is word
/// `firstElement + i` of the stream; word e is word e mod 4 of block e / 4. A pure function of its arguments: the same bits on
/// every instruction set and for any number of threads.
///
/// - Parameter firstElement: where in the stream to begin; a multiple of 4, else `.badArgument` is thrown.
public func randomBits(
    seed: UInt64, stream: UInt64, firstElement: UInt64 = 0, into y: consuming MutableSpan<UInt32>, on context: Context
) throws(KernelError) {
    let count = y.count
    try check(
        ck_random_bits_u32(context.handle, seed, stream, firstElement, count, y.base),
        "random bits from element \(firstElement)")
}

/// Random numbers in [0, 1): `y[i] = ⌊word / 2⁸⌋ · 2⁻²⁴` with the words of ``randomBits(seed:stream:firstElement:into:on:)``.
/// The same bits everywhere.
public func uniform(
    seed: UInt64, stream: UInt64, firstElement: UInt64 = 0, into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    let count = y.count
    try check(
        ck_random_uniform_f32(context.handle, seed, stream, firstElement, count, y.base),
        "uniform numbers from element \(firstElement)")
}

/// Normal random numbers by Box and Muller (1958): each pair of words (a, b) of
/// ``randomBits(seed:stream:firstElement:into:on:)`` at elements (2k, 2k + 1) gives
/// `mean + deviation · √(-2 ln((⌊a / 2⌋ + ½) · 2⁻³¹)) · (cos 2πb2⁻³², sin 2πb2⁻³²)`, never further than 6.66 deviations out.
/// The same bits for any number of threads; instruction sets may differ in the last places.
public func normal(
    seed: UInt64, stream: UInt64, mean: Float = 0, deviation: Float = 1, firstElement: UInt64 = 0,
    into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    let count = y.count
    try check(
        ck_random_normal_f32(context.handle, seed, stream, firstElement, count, mean, deviation, y.base),
        "normal numbers from element \(firstElement)")
}
