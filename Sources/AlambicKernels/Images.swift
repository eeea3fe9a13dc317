import CKernels

extension Kernels {
    /// Implementations of patches, pooling and gathering of images, of bytes too.
    public static let images = Variant.list(ck_images_variants)
}

/// The extents of one image; its elements lie as [height, width, channels].
public struct ImageShape: Hashable, Sendable, Codable, CustomStringConvertible {
    /// Rows of pixels.
    public var height: Int
    /// Pixels in a row.
    public var width: Int
    /// Numbers for each pixel.
    public var channels: Int

    /// An image of height x width pixels with some channels each.
    public init(height: Int, width: Int, channels: Int) {
        precondition(height > 0 && width > 0 && channels > 0, "an image of \(height) x \(width) x \(channels)")
        (self.height, self.width, self.channels) = (height, width, channels)
    }

    /// Numbers in one image.
    public var count: Int { height * width * channels }
    /// `28x28x1`.
    public var description: String { "\(height)x\(width)x\(channels)" }

    /// What a convolution with a square window and no padding leaves, before its product: height and width shrink by
    /// `side` - 1, and every pixel has the `side`² `channels` numbers of its window.
    public func patches(side: Int) -> ImageShape {
        precondition(side > 0 && side <= min(height, width), "windows of \(side) in images of \(self)")
        return ImageShape(height: height - side + 1, width: width - side + 1, channels: side * side * channels)
    }

    /// What pooling over windows side by side leaves. `side` must divide height and width.
    public func pooled(side: Int) -> ImageShape {
        precondition(
            side > 0 && height.isMultiple(of: side) && width.isMultiple(of: side),
            "windows of \(side) do not tile images of \(self)")
        return ImageShape(height: height / side, width: width / side, channels: channels)
    }

    func raw(count: Int, side: Int = 1) -> ck_images {
        ck_images(count: count, height: height, width: width, channels: channels, side: side)
    }
}

/// The windows of a convolution without padding as rows of a matrix (Chellapilla et al. 2006): of x, `count` images of
/// `shape`, y[n, i, j, a, b, c] = x[n, i + a, j + b, c], so that a product with weights [outputs, side, side, channels]
/// is the convolution (in machine learning's sense: a correlation).
public func patches(
    _ x: Span<Float>, count: Int, shape: ImageShape, side: Int, into y: consuming MutableSpan<Float>,
    on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: count, columns: shape.count, "patches: x")
    requireElements(y.count, rows: count, columns: shape.patches(side: side).count, "patches: y")
    try check(ck_patches_f32(context.handle, shape.raw(count: count, side: side), x.base, y.base), "patches")
}

/// The gradient of ``patches(_:count:shape:side:into:on:)``: every pixel gets the sum over the windows that it is in.
public func patchesBackward(
    _ dy: Span<Float>, count: Int, shape: ImageShape, side: Int, into dx: consuming MutableSpan<Float>,
    on context: Context
) throws(KernelError) {
    requireElements(dy.count, rows: count, columns: shape.patches(side: side).count, "patchesBackward: dy")
    requireElements(dx.count, rows: count, columns: shape.count, "patchesBackward: dx")
    try check(
        ck_patches_backward_f32(context.handle, shape.raw(count: count, side: side), dy.base, dx.base),
        "patchesBackward")
}

/// The largest number of each window of `side` x `side` pixels, side by side, channel by channel.
public func maxPool(
    _ x: Span<Float>, count: Int, shape: ImageShape, side: Int, into y: consuming MutableSpan<Float>,
    on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: count, columns: shape.count, "maxPool: x")
    requireElements(y.count, rows: count, columns: shape.pooled(side: side).count, "maxPool: y")
    try check(ck_maxpool_f32(context.handle, shape.raw(count: count, side: side), x.base, y.base), "maxPool")
}

/// The gradient of ``maxPool(_:count:shape:side:into:on:)`` with arguments x and result y: it goes to the first of the
/// largest numbers of a window.
public func maxPoolBackward(
    _ dy: Span<Float>, x: Span<Float>, y: Span<Float>, count: Int, shape: ImageShape, side: Int,
    into dx: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    requireElements(x.count, rows: count, columns: shape.count, "maxPoolBackward: x")
    requireElements(dx.count, x.count, "maxPoolBackward: dx")
    requireElements(y.count, rows: count, columns: shape.pooled(side: side).count, "maxPoolBackward: y")
    requireElements(dy.count, y.count, "maxPoolBackward: dy")
    try check(
        ck_maxpool_backward_f32(
            context.handle, shape.raw(count: count, side: side), dy.base, x.base, y.base, dx.base), "maxPoolBackward")
}

/// Images `rows` of an array, each moved down and right by whole pixels, with zeros where nothing was.
///
/// - Parameters:
///   - images: [available, height, width, channels].
///   - rows: numbers of images, else `.badArgument`.
///   - shifts: (down, right) for each row, or nil for none at all.
public func gather(
    images: Span<Float>, shape: ImageShape, rows: Span<Int32>, shifts: Span<Int8>?,
    into y: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    let available = images.count / shape.count
    requireElements(images.count, rows: available, columns: shape.count, "gather: images")
    requireElements(y.count, rows: rows.count, columns: shape.count, "gather: y")
    if let shifts { requireElements(shifts.count, rows: rows.count, columns: 2, "gather: shifts") }
    try check(
        ck_gather_images_f32(
            context.handle, shape.raw(count: rows.count), rows.base, base(shifts), images.base, available, y.base),
        "gather images")
}
