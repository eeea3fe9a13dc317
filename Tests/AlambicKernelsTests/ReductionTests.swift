import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct ReductionTests {
    private static let counts = [0, 1, 3, 4, 7, 15, 16, 17, 31, 32, 33, 1000, 8191, 8192, 8193, 24_577, 400_003]

    @Test(arguments: counts) func squares(_ count: Int) throws {
        var random = SplitMix(seed: UInt64(count))
        let x = random.normals(count, deviation: 3)
        let expected = x.reduce(0.0) { $0 + Double($1) * Double($1) }
        for variant in Kernels.reductions where variant.runsHere {
            var first: Double?
            for threads in threadCounts {
                let xs = Guarded(x), context = try variant.context(threads: threads)
                let sum = try sumOfSquares(xs.span, on: context)
                #expect(sum.bitPattern == (first ?? sum).bitPattern, "\(count), \(variant), \(threads) threads")
                first = sum
            }
            // All terms are positive and exact: relative roundings of a chain of at most 8192 / 8 and of the tree, and
            // those of the oracle's own chain.
            #expect(abs((first ?? 0) - expected) <= expected * 0x1p-53 * (1100 + Double(count)), "\(count), \(variant)")
        }
    }

    @Test func squaresBeyondSinglePrecision() throws {
        let x = [Float](repeating: 3e38, count: 1000)
        let tiny = [Float](repeating: 0x1p-133, count: 1000)
        for variant in Kernels.reductions where variant.runsHere {
            let context = try variant.context(threads: 1)
            let large = try sumOfSquares(x.span, on: context), small = try sumOfSquares(tiny.span, on: context)
            #expect(abs(large / (1000 * Double(x[0]) * Double(x[0])) - 1) < 1e-12)
            #expect(abs(small / (1000 * Double(tiny[0]) * Double(tiny[0])) - 1) < 1e-12)
        }
    }

    @Test(arguments: counts) func finite(_ count: Int) throws {
        let signaling = Float(bitPattern: 0xff80_0001)
        var x = [Float](repeating: .greatestFiniteMagnitude, count: count)
        for i in x.indices where i % 3 == 0 { x[i] = i % 2 == 0 ? -.greatestFiniteMagnitude : .leastNonzeroMagnitude }
        for variant in Kernels.reductions where variant.runsHere {
            for threads in threadCounts {
                let xs = Guarded(x), context = try variant.context(threads: threads)
                #expect(try allFinite(xs.span, on: context), "\(count), \(variant), \(threads) threads")
                for place in Set([0, 1, count / 2, count - 2, count - 1]) where x.indices.contains(place) {
                    for bad in [Float.infinity, -.infinity, .nan, signaling] {
                        let broken = Guarded(x)
                        var span = broken.mutableSpan
                        span[place] = bad
                        #expect(
                            try !allFinite(broken.span, on: context),
                            "\(bad) at \(place) of \(count), \(variant), \(threads) threads")
                    }
                }
            }
        }
    }
}
