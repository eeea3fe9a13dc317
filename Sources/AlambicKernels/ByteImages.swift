import CKernels

/// The windows of a convolution as rows of a matrix, as ``patches(_:count:shape:side:into:on:)`` of floats has them.
public func patches(
    _ x: Span<UInt8>, count: Int, shape: ImageShape, side: Int, into y: consuming MutableSpan<UInt8>,
    on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: count, columns: shape.count, "patches: x")
    requireElements(y.count, rows: count, columns: shape.patches(side: side).count, "patches: y")
    try check(ck_patches_u8(context.handle, shape.raw(count: count, side: side), x.base, y.base), "patches")
}

/// The largest number of each window of `side` x `side` pixels, side by side, channel by channel.
public func maxPool(
    _ x: Span<UInt8>, count: Int, shape: ImageShape, side: Int, into y: consuming MutableSpan<UInt8>,
    on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: count, columns: shape.count, "maxPool: x")
    requireElements(y.count, rows: count, columns: shape.pooled(side: side).count, "maxPool: y")
    try check(ck_maxpool_u8(context.handle, shape.raw(count: count, side: side), x.base, y.base), "maxPool")
}
