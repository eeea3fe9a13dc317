import CKernels

extension Kernels {
    /// Variants of dropout, best first.
    public static let dropout: [Variant] = Variant.list(ck_dropout_variants)
}

/// Inverted dropout (Srivastava et al. 2014, section 10): `y = x · 65536 / (65536 - t)` where kept, 0 elsewhere, with
/// `t = round(65536 · rate)`, so that the mean over all masks is exactly x.
///
/// The mask is a function of `seed`, `stream` and the element's index alone (Philox4x32-10: element e takes half e mod 2 of
/// word (e mod 8) / 2 of block e / 8, and is kept iff that half is at least t). So nothing is stored: the gradient is the same
/// call on dy. The same bits on every instruction set and for any number of threads.
///
/// - Parameters:
///   - x: any number of elements.
///   - rate: the share that is dropped, 0 ..< 1. `.badArgument` is thrown outside it, or if it rounds to 1.
///   - firstElement: the index of `x[0]` in the stream; a multiple of 8, else `.badArgument` is thrown.
///   - y: as many elements as x, of either type: the product is in f32, and rounded where they are bf16 (nearest, ties to even).
///     At rate 0 a conversion.
public func dropout<X: FloatElement, Y: FloatElement>(
    _ x: Span<X>, rate: Float, seed: UInt64, stream: UInt64, firstElement: UInt64 = 0,
    into y: consuming MutableSpan<Y>, on context: Context
) throws(KernelError) {
    precondition(x.count == y.count, "dropout of \(x.count) elements into \(y.count)")
    try drop(x.base, X.code, y.base, Y.code, y.count, rate, seed, stream, firstElement, context)
}

/// ``dropout(_:rate:seed:stream:firstElement:into:on:)`` in place.
public func dropout<E: FloatElement>(
    rate: Float, seed: UInt64, stream: UInt64, firstElement: UInt64 = 0, in y: consuming MutableSpan<E>,
    on context: Context
) throws(KernelError) {
    let count = y.count
    let start = y.base
    try drop(start, E.code, start, E.code, count, rate, seed, stream, firstElement, context)
}

private func drop(
    _ x: UnsafeRawPointer, _ xType: ck_type, _ y: UnsafeMutableRawPointer, _ yType: ck_type, _ count: Int,
    _ rate: Float,
    _ seed: UInt64, _ stream: UInt64, _ firstElement: UInt64, _ context: Context
) throws(KernelError) {
    try check(
        ck_dropout(context.handle, seed, stream, firstElement, Double(rate), count, x, xType, y, yType),
        "dropout at rate \(rate) from element \(firstElement)")
}
