import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct ByteImagesTests {
    private static let shapes: [(ImageShape, Int)] = [
        (ImageShape(height: 1, width: 1, channels: 1), 1), (ImageShape(height: 6, width: 4, channels: 3), 2),
        (ImageShape(height: 9, width: 9, channels: 1), 3), (ImageShape(height: 8, width: 12, channels: 20), 4),
        (ImageShape(height: 4, width: 4, channels: 67), 2),
    ]

    @Test func windows() throws {
        for (shape, side) in Self.shapes {
            var random = SplitMix(seed: 1)
            let count = 3
            let x: [UInt8] = random.integers(count * shape.count, in: 0...255)
            let after = shape.patches(side: side)
            var expected: [UInt8] = []
            for n in 0..<count {
                for i in 0..<after.height {
                    for j in 0..<after.width {
                        for a in 0..<side {
                            for b in 0..<side {
                                for c in 0..<shape.channels {
                                    expected.append(
                                        x[((n * shape.height + i + a) * shape.width + j + b) * shape.channels + c])
                                }
                            }
                        }
                    }
                }
            }
            try onEveryVariant(Kernels.images, threads: [1, 2]) { label, context in
                var y = [UInt8](repeating: 9, count: expected.count)
                try patches(x.span, count: count, shape: shape, side: side, into: y.mutableSpan, on: context)
                #expect(y == expected, "\(label), \(shape), side \(side)")
            }
        }
    }

    @Test func pooling() throws {
        for (shape, side) in Self.shapes {
            var random = SplitMix(seed: 2)
            let count = 3
            let x: [UInt8] = random.integers(count * shape.count, in: 0...255)
            let after = shape.pooled(side: side)
            var expected = [UInt8](repeating: 0, count: count * after.count)
            for (place, value) in x.enumerated() {
                let (pixel, c) = (place / shape.channels, place % shape.channels)
                let (row, j) = (pixel / shape.width, pixel % shape.width)
                let (n, i) = (row / shape.height, row % shape.height)
                let target = ((n * after.height + i / side) * after.width + j / side) * shape.channels + c
                expected[target] = max(expected[target], value)
            }
            try onEveryVariant(Kernels.images, threads: [1, 2]) { label, context in
                var y = [UInt8](repeating: 9, count: expected.count)
                try maxPool(x.span, count: count, shape: shape, side: side, into: y.mutableSpan, on: context)
                #expect(y == expected, "\(label), \(shape), side \(side)")
            }
        }
    }
}
