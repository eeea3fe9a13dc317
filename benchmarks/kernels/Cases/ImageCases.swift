import AlambicKernels

/// What convolutional layers need besides products: count x height x width x channels, on batches of 100 images of
/// MNIST as they go through LeNet-5, with windows of 5 x 5 for convolutions and of 2 x 2 for pooling.
extension BenchCase {
    static let images: [BenchCase] = [
        patchCase("f32", ramp) { x, count, image, y, context in
            try patches(x.span, count: count, shape: image, side: window, into: y.mutableSpan, on: context)
        },
        patchCase("u8", { try unsignedBytes($0) }) { x, count, image, y, context in
            try patches(x.span, count: count, shape: image, side: window, into: y.mutableSpan, on: context)
        },
        patchGradients,
        poolCase("f32", ramp) { x, count, image, y, context in
            try maxPool(x.span, count: count, shape: image, side: pool, into: y.mutableSpan, on: context)
        },
        poolCase("u8", { try unsignedBytes($0) }) { x, count, image, y, context in
            try maxPool(x.span, count: count, shape: image, side: pool, into: y.mutableSpan, on: context)
        },
        poolGradients,
        gatherCase("gather-images", "images by number, as they are", reach: 0),
        gatherCase("gather-images-shifted", "images by number, each moved by up to two pixels", reach: 2),
    ]

    private static let window = 5
    private static let pool = 2
    private static let convolved = [BenchShape(100, 28, 28, 1), BenchShape(100, 12, 12, 20)]
    private static let pooled = [BenchShape(100, 24, 24, 20), BenchShape(100, 8, 8, 50)]

    private static func image(_ shape: BenchShape) -> ImageShape {
        ImageShape(height: shape[1], width: shape[2], channels: shape[3])
    }

    private static func elements(_ shape: BenchShape) -> Int { shape[0] * image(shape).count }
    private static func patchElements(_ shape: BenchShape) -> Int {
        shape[0] * image(shape).patches(side: window).count
    }

    private static let hasWindows: @Sendable (BenchShape) -> Bool = { shape in
        shape.extents.count == 4 && min(shape[1], shape[2]) >= window
    }
    private static let hasPools: @Sendable (BenchShape) -> Bool = { shape in
        shape.extents.count == 4 && shape[1].isMultiple(of: pool) && shape[2].isMultiple(of: pool)
    }

    /// Does its work on images x, of which there are so many, into y.
    private typealias ImageKernel<Pixel: BitwiseCopyable> =
        @Sendable (
            _ x: Memory<Pixel>, _ count: Int, _ image: ImageShape, _ y: Memory<Pixel>, _ context: Context
        ) throws -> Void

    private static func patchCase<Pixel: BitwiseCopyable>(
        _ dtype: String, _ values: @escaping @Sendable (Int) throws -> Memory<Pixel>,
        kernel: @escaping ImageKernel<Pixel>
    ) -> BenchCase {
        let size = MemoryLayout<Pixel>.stride
        let bytes: @Sendable (BenchShape) -> Int = { size * (elements($0) + patchElements($0)) }
        return rotating(
            "patches", dtype, "windows of 5 x 5 as rows of a matrix", variants: Kernels.images, shapes: convolved,
            pattern: .write, accepts: hasWindows, held: bytes, moved: { shape, _ in bytes(shape) },
            make: { shape, _ in
                (x: try values(elements(shape)), y: try Memory<Pixel>(count: patchElements(shape)))
            },
            body: { shape, set, context in try kernel(set.x, shape[0], image(shape), set.y, context) })
    }

    private static let patchGradients = rotating(
        "patches-backward", "f32", "gradient of patches: sums over the windows of each pixel",
        variants: Kernels.images, shapes: convolved, pattern: .read, accepts: hasWindows,
        held: { 4 * (elements($0) + patchElements($0)) },
        moved: { shape, _ in 4 * (elements(shape) + patchElements(shape)) },
        make: { shape, _ in (dy: try ramp(patchElements(shape)), dx: try Memory<Float>(count: elements(shape))) },
        body: { shape, set, context in
            let (dy, dx) = (set.dy, set.dx)
            try patchesBackward(
                dy.span, count: shape[0], shape: image(shape), side: window, into: dx.mutableSpan, on: context)
        })

    private static func poolCase<Pixel: BitwiseCopyable>(
        _ dtype: String, _ values: @escaping @Sendable (Int) throws -> Memory<Pixel>,
        kernel: @escaping ImageKernel<Pixel>
    ) -> BenchCase {
        let size = MemoryLayout<Pixel>.stride
        let bytes: @Sendable (BenchShape) -> Int = { size * (elements($0) + elements($0) / (pool * pool)) }
        return rotating(
            "max-pool", dtype, "the largest of 2 x 2 pixels, channel by channel", variants: Kernels.images,
            shapes: pooled, pattern: .read, accepts: hasPools, held: bytes, moved: { shape, _ in bytes(shape) },
            make: { shape, _ in
                let count = elements(shape)
                return (x: try values(count), y: try Memory<Pixel>(count: count / (pool * pool)))
            },
            body: { shape, set, context in try kernel(set.x, shape[0], image(shape), set.y, context) })
    }

    private static let poolGradients = rotating(
        "max-pool-backward", "f32", "gradient of max-pooling, to the first of the largest", variants: Kernels.images,
        shapes: pooled, pattern: .streamingCopy, accepts: hasPools, held: { 10 * elements($0) },
        moved: { shape, _ in 4 * (2 * elements(shape) + 2 * elements(shape) / (pool * pool)) },
        make: { shape, context in
            let count = elements(shape)
            let x = try ramp(count), y = try Memory<Float>(count: count / (pool * pool))
            // Windows must have a largest element, as they have in training.
            try maxPool(x.span, count: shape[0], shape: image(shape), side: pool, into: y.mutableSpan, on: context)
            return (x: x, y: y, dy: try ramp(y.count), dx: try Memory<Float>(count: count))
        },
        body: { shape, set, context in
            let (x, y, dy, dx) = (set.x, set.y, set.dy, set.dx)
            try maxPoolBackward(
                dy.span, x: x.span, y: y.span, count: shape[0], shape: image(shape), side: pool, into: dx.mutableSpan,
                on: context)
        })

    /// Pixels of all images that are not moved out.
    private static func pixelsKept(_ shape: BenchShape, _ shifts: Memory<Int8>) -> Int {
        let moves = shifts.span
        var pixels = 0
        for i in 0..<shape[0] {
            let down = abs(Int(moves[2 * i])), right = abs(Int(moves[2 * i + 1]))
            pixels += max(shape[1] - down, 0) * max(shape[2] - right, 0)
        }
        return pixels
    }

    /// - Parameter reach: how many pixels images are moved at most, each way. What is moved out need not be read.
    private static func gatherCase(_ name: String, _ summary: String, reach: Int) -> BenchCase {
        rotating(
            name, "f32", summary, variants: Kernels.images, shapes: [BenchShape(100, 28, 28, 1)],
            pattern: .streamingCopy, accepts: { $0.extents.count == 4 },
            held: { 8 * elements($0) },
            moved: { shape, set in 4 * (elements(shape) + shape[3] * pixelsKept(shape, set.shifts)) },
            make: { shape, _ in
                let count = shape[0]
                let rows = try Memory<Int32>(count: count), shifts = try Memory<Int8>(count: 2 * count)
                var numbers = rows.mutableSpan
                var moves = shifts.mutableSpan
                let choices = 2 * reach + 1
                for i in 0..<count {
                    // Each image once, from the last to the first.
                    numbers[i] = Int32(count - 1 - i)
                    moves[2 * i] = Int8(i % choices - reach)
                    moves[2 * i + 1] = Int8(i / choices % choices - reach)
                }
                return (
                    x: try ramp(elements(shape)), rows: rows, shifts: shifts,
                    y: try Memory<Float>(count: elements(shape))
                )
            },
            body: { shape, set, context in
                let (x, rows, shifts, y) = (set.x, set.rows, set.shifts, set.y)
                try gather(
                    images: x.span, shape: image(shape), rows: rows.span, shifts: shifts.span, into: y.mutableSpan,
                    on: context)
            })
    }
}
