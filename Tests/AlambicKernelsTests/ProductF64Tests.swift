// swift-format-ignore-file: AlwaysUseLowerCamelCase
import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct ProductF64Tests {
    /// C lies inside of a larger matrix of marks, of which none may change.
    private static func compare(_ M: Int, _ N: Int, _ K: Int, _ orientation: Orientation, threads: [Int]) throws {
        var random = SplitMix(seed: UInt64(M * 1_000_000 + N * 1000 + K))
        let (aStride, bStride, cStride) = (K + 3, (orientation == .asIs ? N : K) + 1, N + 5)
        func doubles(_ count: Int) throws -> Memory<Double> {
            let memory = try Memory<Double>(count: count)
            var elements = memory.mutableSpan
            for i in 0..<count { elements[i] = Double(random.next() >> 11) * 0x1p-52 - 1 }
            return memory
        }
        let a = try doubles(M * aStride)
        let b = try doubles((orientation == .asIs ? K : N) * bStride)
        let before = try doubles(M * cStride)
        var expected = (0..<M * cStride).map { before.span[$0] }
        var sizes = expected.map(abs)
        for i in 0..<M {
            for j in 0..<N {
                for k in 0..<K {
                    let right = orientation == .asIs ? b.span[k * bStride + j] : b.span[j * bStride + k]
                    expected[i * cStride + j] -= a.span[i * aStride + k] * right
                    sizes[i * cStride + j] += abs(a.span[i * aStride + k] * right)
                }
            }
        }
        for variant in Kernels.productF64 where variant.runsHere {
            var first: [UInt64] = []
            for count in threads {
                let label = "\(M) x \(N) x \(K) \(orientation), \(variant), \(count) threads"
                let c = try Memory<Double>(count: M * cStride)
                for i in 0..<M * cStride { c.set(i, to: before.span[i]) }
                try subtractProduct(
                    M: M, N: N, K: K, a.span, stride: aStride, b.span, orientation, stride: bStride,
                    from: c.mutableSpan,
                    stride: cStride, on: try variant.context(threads: count))
                let bits = (0..<M * cStride).map { c.span[$0].bitPattern }
                if first.isEmpty { first = bits }
                #expect(bits == first, "\(label)")
                for i in 0..<M * cStride {
                    let (found, wanted) = (c.span[i], expected[i])
                    // Chains of at most K + 2 roundings on either side; marks between the rows stay as they are.
                    let tolerance = i % cStride < N ? 0x1p-52 * Double(K + 2) * sizes[i] : 0
                    if !(abs(found - wanted) <= tolerance) {
                        Issue.record("\(label): element \(i) is \(found), expected \(wanted)")
                        return
                    }
                }
            }
        }
    }

    @Test(arguments: [
        (1, 1, 1), (3, 5, 7), (4, 6, 2), (5, 7, 3), (8, 24, 9), (9, 25, 10), (7, 23, 255), (16, 48, 256), (17, 97, 257),
        (13, 96, 513),
    ])
    func edges(M: Int, N: Int, K: Int) throws {
        for orientation in [Orientation.asIs, .transposed] { try Self.compare(M, N, K, orientation, threads: [1]) }
    }

    @Test(arguments: [(511, 97, 3), (513, 200, 33), (1025, 95, 5)])
    func blocksAndThreads(M: Int, N: Int, K: Int) throws {
        for orientation in [Orientation.asIs, .transposed] {
            try Self.compare(M, N, K, orientation, threads: threadCounts)
        }
    }

    @Test func nothingToDoChangesNothing() throws {
        let c = try Memory<Double>(count: 4)
        c.set(1, to: 3)
        let empty = try Memory<Double>(count: 0)
        for (M, N, K) in [(0, 2, 2), (2, 0, 2), (2, 2, 0)] {
            let operand = K == 0 ? empty : c
            try subtractProduct(
                M: M, N: N, K: K, operand.span, stride: 2, operand.span, .asIs, stride: 2, from: c.mutableSpan,
                stride: 2,
                on: .default)
        }
        #expect((0..<4).map { c.span[$0] } == [0, 3, 0, 0])
    }
}

extension Memory {
    fileprivate func set(_ place: Int, to value: Element) {
        var elements = mutableSpan
        elements[place] = value
    }
}
