import AlambicKernels
import AlambicTestSupport
import Foundation
import Testing

/// The vector mathematics against the C library's double precision.
@Suite struct VectorMathTests {
    private static func reference(_ function: ElementaryFunction, _ x: Double) -> Double {
        switch function {
        case .exp: exp(x)
        case .log: log(x)
        case .tanh: tanh(x)
        case .erf: erf(x)
        case .sigmoid: 1 / (1 + exp(-x))
        case .sin: sin(x)
        case .cos: cos(x)
        }
    }

    /// What the declarations promise: units in the last place, or an absolute error.
    private static func bound(_ function: ElementaryFunction, _ expected: Double) -> Double {
        let unit = max(expected.isFinite ? Double(Float(abs(expected)).ulp) : 0, 0x1p-149)
        return switch function {
        case .exp, .log: 1.5 * unit
        case .tanh, .erf: 2 * unit
        case .sigmoid: max(3 * unit, 3e-39)
        case .sin, .cos: 1.5e-7
        }
    }

    private static func map(_ function: ElementaryFunction, _ x: [Float], _ context: Context, _ label: String) throws
        -> [Float]
    {
        let y = Guarded(count: x.count), x = Guarded(x)
        try AlambicKernels.map(function, x.span, into: y.mutableSpan, on: context)
        return y.values(label)
    }

    @Test(arguments: ElementaryFunction.allCases) func accuracy(_ function: ElementaryFunction) throws {
        var x: [Float]
        switch function {
        case .sin, .cos:
            var random = SplitMix(seed: 1)
            x = random.floats(100_000, in: -8192...8192) + random.floats(50_000, in: -7...7)
            for n in -500...500 {  // around the multiples of pi / 4, where the reduction cancels
                let at = Float(Double(n) * Double.pi / 4)
                x += [at.nextDown, at, at.nextUp]
            }
        default:
            // Every float from a fixed stride over all bit patterns: all signs, exponents, infinities, NaN, denormals.
            x = stride(from: UInt32(0), to: .max - 13_007, by: 13_007).map { Float(bitPattern: $0) }
            var random = SplitMix(seed: 2)
            x += random.floats(100_000, in: -100...100) + random.floats(50_000, in: -2...2)
        }
        let expected = x.map { Self.reference(function, Double($0)) }
        for variant in Kernels.map where variant.runsHere {
            let label = "\(function), \(variant)"
            let y = try Self.map(function, x, variant.context(threads: 1), label)
            var worst = 0.0
            for i in x.indices {
                let rounded = Float(expected[i])
                if rounded.isNaN || rounded.isInfinite {
                    if !(rounded.isNaN ? y[i].isNaN : y[i] == rounded) {
                        // The largest finite result and infinity are neighbours.
                        let near = rounded.isInfinite && expected[i].isFinite && abs(y[i]) == .greatestFiniteMagnitude
                        if !near { Issue.record("\(label): of \(x[i]) is \(y[i]), expected \(rounded)") }
                    }
                    continue
                }
                let error = abs(Double(y[i]) - expected[i]) / Self.bound(function, expected[i])
                if error > worst || error.isNaN {
                    worst = error
                    if !(error <= 1) { Issue.record("\(label): of \(x[i]) is \(y[i]), expected \(expected[i])") }
                }
            }
        }
    }

    @Test func specialValues() throws {
        let infinity = Float.infinity
        for variant in Kernels.map where variant.runsHere {
            let context = try variant.context(threads: 1)
            func value(_ function: ElementaryFunction, _ x: Float) throws -> Float {
                try Self.map(function, [x], context, "\(function)")[0]
            }
            #expect(try value(.exp, infinity) == infinity)
            #expect(try value(.exp, -infinity) == 0)
            #expect(try value(.exp, 0) == 1)
            #expect(try value(.exp, 1e30) == infinity)
            #expect(try value(.exp, -104) == 0)
            #expect(try value(.exp, -103) > 0, "denormal results are not flushed")
            #expect(try value(.log, 0) == -infinity)
            #expect(try value(.log, -0.0) == -infinity)
            #expect(try value(.log, infinity) == infinity)
            #expect(try value(.log, 1) == 0)
            #expect(try value(.log, -1).isNaN)
            for function in [ElementaryFunction.tanh, .erf] {
                #expect(try value(function, infinity) == 1)
                #expect(try value(function, -infinity) == -1)
                #expect(try value(function, -0.0).bitPattern == Float(-0.0).bitPattern)
                #expect(try value(function, .leastNonzeroMagnitude) == .leastNonzeroMagnitude)
            }
            #expect(try value(.sigmoid, -infinity) == 0)
            #expect(try value(.sigmoid, infinity) == 1)
            #expect(try value(.sin, 0) == 0)
            #expect(try value(.cos, 0) == 1)
            for function in ElementaryFunction.allCases {
                #expect(try value(function, .nan).isNaN, "\(function) of NaN")
            }
        }
    }

    @Test(arguments: ElementaryFunction.allCases) func everyCountAndThread(_ function: ElementaryFunction) throws {
        for count in [0, 1, 3, 4, 5, 15, 16, 17, 33, 2047, 2048, 2049, 100_001] {
            var random = SplitMix(seed: UInt64(count))
            let x = random.floats(count, in: 0.1...20)
            let threads = count > 10_000 ? threadCounts : [1]
            try onEveryContext(Kernels.map, "\(function) of \(count)", threads: threads) { context, label in
                [try Self.map(function, x, context, label)]
            } check: { results, label in
                let expected = x.map { Self.reference(function, Double($0)) }
                expectWithin(results[0], expected, label) { Self.bound(function, expected[$0]) }
            }
        }
    }
}
