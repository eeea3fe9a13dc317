import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct ElementwiseTests {
    private static let counts = [0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 1000, 8191, 8192, 8193, 300_007]

    @Test(arguments: counts) func sumsAndMultiples(_ count: Int) throws {
        var random = SplitMix(seed: UInt64(count))
        let x = random.normals(count), y = random.normals(count)
        let factor: Float = -0.37
        let threads = count > 10_000 ? threadCounts : [1]
        try onEveryContext(Kernels.elementwise, "\(count) elements", threads: threads) { context, label in
            let z = Guarded(count: count), sum = Guarded(y), multiple = Guarded(x)
            let xs = Guarded(x), ys = Guarded(y)
            try add(xs.span, ys.span, into: z.mutableSpan, on: context)
            try accumulate(xs.span, into: sum.mutableSpan, on: context)
            try scale(by: factor, into: multiple.mutableSpan, on: context)
            return [z.values(label), sum.values(label), multiple.values(label)]
        } check: { results, label in
            // One rounding each, so equal to the bit.
            let sums = zip(x, y).map { $0 + $1 }
            #expect(firstDifference(results[0], sums) == nil, "add: \(label)")
            #expect(firstDifference(results[1], sums) == nil, "accumulate: \(label)")
            #expect(firstDifference(results[2], x.map { $0 * factor }) == nil, "scale: \(label)")
        }
    }

    @Test func inPlace() throws {
        for variant in Kernels.elementwise where variant.runsHere {
            let x = try Memory<Float>(count: 101)
            var span = x.mutableSpan
            for i in 0..<101 { span[i] = Float(i) }
            let context = try variant.context(threads: 1)
            try add(x.span, x.span, into: x.mutableSpan, on: context)
            for i in 0..<101 { #expect(x.span[i] == Float(2 * i)) }
        }
    }
}
