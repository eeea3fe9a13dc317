import AlambicKernels
import AlambicTestSupport
import Foundation
import Testing

@Suite struct GELUTests {
    // MARK: oracles, from the definitions, in double precision

    private static func value(_ form: GELUForm, _ x: Double) -> Double {
        switch form {
        case .tanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        case .erf: 0.5 * x * erfc(-x / 2.0.squareRoot())
        }
    }

    private static func derivative(_ form: GELUForm, _ x: Double) -> Double {
        switch form {
        case .tanh:
            let c = (2 / Double.pi).squareRoot()
            let t = tanh(c * (x + 0.044715 * x * x * x))
            return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x)
        case .erf: return 0.5 * erfc(-x / 2.0.squareRoot()) + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
        }
    }

    /// tanh: the exponent 2u has an error of a few roundings times |2u|, which becomes a relative error of the exponential;
    /// the division, addition and product add a few. Outside, the oracle's own 1 + tanh cancels, by 2^-53.
    /// erf: the normal distribution function is promised to 2^-23 absolute, and is multiplied by x.
    private static func tolerance(_ form: GELUForm, _ x: Double, _ y: Double) -> Double {
        switch form {
        case .tanh:
            let u2 = abs(1.6 * (x + 0.044715 * x * x * x))
            return abs(y) * roundoff * (5 * u2 + 10) + abs(x) * 0x1p-50 + 1e-36
        case .erf: return abs(x) * 0x1p-23 + abs(y) * 2 * roundoff
        }
    }

    private static func derivativeTolerance(_ form: GELUForm, _ x: Double) -> Double {
        switch form {
        case .tanh:
            // s (1 + x slope e s): s and e s as above, the second term of size |t| <= 1.2.
            let u2 = abs(1.6 * (x + 0.044715 * x * x * x))
            let s = 1 / (1 + exp(-u2)), t = abs(x) * 1.6 * (1 + 0.134 * x * x) * s * (1 - s)
            return roundoff * ((5 * min(u2, 90) + 12) * (s + 2 * t)) + 0x1p-48
        case .erf: return 0x1p-23 + roundoff * (2 + (6 + x * x) * abs(x) * exp(-x * x / 2))
        }
    }

    private static let inputs: [Float] = {
        var random = SplitMix(seed: 5)
        return random.normals(20_000, deviation: 1.5) + random.floats(20_000, in: -12...12)
            + [0, -0.0, 1e-30, -1e-30, 0x1p-140, 100, -100, 1e10, -1e10, 1e25, -1e25, 3e38, -3e38]
    }()

    @Test func derivativesAgreeWithDifferences() {
        for form in GELUForm.allCases {
            for x in stride(from: -6.0, through: 6, by: 0.173) {
                let h = 1e-5
                let difference = (Self.value(form, x + h) - Self.value(form, x - h)) / (2 * h)
                // h^2 times a third derivative of about 1, and rounding of 2^-53 |x| / h.
                #expect(abs(difference - Self.derivative(form, x)) < 1e-9, "\(form) at \(x)")
            }
        }
    }

    @Test(arguments: GELUForm.allCases) func valuesAndDerivatives(_ form: GELUForm) throws {
        let x = Self.inputs
        var random = SplitMix(seed: 6)
        let dy = random.normals(x.count)
        try onEveryContext(Kernels.gelu, "gelu \(form)") { context, label in
            let y = Guarded(count: x.count), dx = Guarded(count: x.count)
            let xs = Guarded(x), dys = Guarded(dy)
            try gelu(xs.span, form: form, into: y.mutableSpan, on: context)
            try geluBackward(dys.span, xs.span, form: form, into: dx.mutableSpan, on: context)
            return [y.values(label), dx.values(label)]
        } check: { results, label in
            let expected = x.map { Self.value(form, Double($0)) }
            expectWithin(results[0], expected, label) { Self.tolerance(form, Double(x[$0]), expected[$0]) }
            let gradient = zip(dy, x).map { Double($0) * Self.derivative(form, Double($1)).finite(or: Double($1)) }
            expectWithin(results[1], gradient, "backward, \(label)") {
                abs(Double(dy[$0])) * Self.derivativeTolerance(form, min(max(Double(x[$0]), -30), 30))
                    + abs(gradient[$0]) * roundoff
            }
        }
    }

    @Test(arguments: [0, 1, 3, 4, 5, 15, 16, 17, 31, 33, 2049]) func counts(_ count: Int) throws {
        var random = SplitMix(seed: UInt64(count))
        let x = random.normals(count)
        for form in GELUForm.allCases {
            try onEveryContext(Kernels.gelu, "gelu \(form) of \(count)", threads: [1]) { context, label in
                let y = Guarded(count: count), dx = Guarded(count: count)
                let xs = Guarded(x), ones = Guarded([Float](repeating: 1, count: count))
                try gelu(xs.span, form: form, into: y.mutableSpan, on: context)
                try geluBackward(ones.span, xs.span, form: form, into: dx.mutableSpan, on: context)
                return [y.values(label), dx.values(label)]
            } check: { results, label in
                let expected = x.map { Self.value(form, Double($0)) }
                expectWithin(results[0], expected, label) { Self.tolerance(form, Double(x[$0]), expected[$0]) }
                expectWithin(results[1], x.map { Self.derivative(form, Double($0)) }, "backward, \(label)") {
                    Self.derivativeTolerance(form, Double(x[$0]))
                }
            }
        }
    }

    /// Every bf16 in -32 ... 32, and some beyond, with odd lengths so that short vectors are met.
    @Test(arguments: GELUForm.allCases) func halves(_ form: GELUForm) throws {
        var random = SplitMix(seed: 7)
        let x = (0...UInt16.max).filter { abs(float($0)) <= 32 || $0 % 97 == 0 }.filter { float($0).isFinite }
        let dy = random.normals(x.count).map(bf16)
        try onEveryContext(Kernels.gelu, "gelu \(form) of bf16") { context, label in
            var y = [UInt16](repeating: 0, count: x.count), dx = y
            try gelu(x.span, form: form, into: y.mutableSpan, on: context)
            try geluBackward(dy.span, x.span, form: form, into: dx.mutableSpan, on: context)
            return [y.map(float), dx.map(float)]
        } check: { results, label in
            // A rounding to bf16, functions with a relative error of 2^-12, and 2^-23 absolute in their tails.
            let expected = x.map { (x: UInt16) -> Double in
                let x = Double(float(x))
                return x < -40 ? 0 : (x > 40 ? x : Self.value(form, x))
            }
            expectWithin(results[0], expected, label) {
                abs(expected[$0]) * (halfRoundoff + 0x1p-12) + min(abs(Double(float(x[$0]))), 40) * 0x1p-23 + 1e-36
            }
            let slopes = x.map { (x: UInt16) -> Double in
                Self.derivative(form, min(max(Double(float(x)), -30), 30))
            }
            let gradient = zip(dy, slopes).map { Double(float($0)) * $1 }
            expectWithin(results[1], gradient, "backward, \(label)") {
                abs(gradient[$0]) * halfRoundoff * 1.01 + abs(Double(float(dy[$0]))) * 0x1p-11
            }
        }
    }

    @Test(arguments: [1, 15, 16, 17, 31, 32, 33, 63, 65, 2049]) func halvesOfAnyCount(_ count: Int) throws {
        var random = SplitMix(seed: UInt64(count))
        let x = random.normals(count).map(bf16), ones = [UInt16](repeating: bf16(1), count: count)
        let long = x + [UInt16](repeating: bf16(0.5), count: 64)
        for variant in Kernels.gelu where variant.runsHere {
            let context = try variant.context(threads: 1)
            for form in GELUForm.allCases {
                // The first elements of a longer vector, which meet whole vectors where these meet parts.
                var all = [UInt16](repeating: 0, count: long.count), slopes = all
                let y = try Memory<UInt16>(count: count + 20)
                let some = [UInt16](repeating: bf16(1), count: long.count)
                try gelu(long.span, form: form, into: all.mutableSpan, on: context)
                try geluBackward(some.span, long.span, form: form, into: slopes.mutableSpan, on: context)
                try gelu(x.span, form: form, into: y.mutableSpan(10..<count + 10), on: context)
                #expect((0..<count + 20).allSatisfy { y.span[$0] == (10..<count + 10 ~= $0 ? all[$0 - 10] : 0) })
                try geluBackward(ones.span, x.span, form: form, into: y.mutableSpan(10..<count + 10), on: context)
                #expect((0..<count + 20).allSatisfy { y.span[$0] == (10..<count + 10 ~= $0 ? slopes[$0 - 10] : 0) })
            }
        }
    }

    @Test func notANumberStays() throws {
        for variant in Kernels.gelu where variant.runsHere {
            for form in GELUForm.allCases {
                let x = Guarded([.nan, 1]), ones = Guarded([1, 1]), y = Guarded(count: 2)
                let context = try variant.context(threads: 1)
                try gelu(x.span, form: form, into: y.mutableSpan, on: context)
                #expect(y.values("forward")[0].isNaN && !y.values("forward")[1].isNaN)
                try geluBackward(ones.span, x.span, form: form, into: y.mutableSpan, on: context)
                #expect(y.values("backward")[0].isNaN && !y.values("backward")[1].isNaN)
            }
        }
    }
}

extension Double {
    /// Far out the oracle multiplies an overflow by zero; the derivative's limits there are 0 and 1.
    fileprivate func finite(or x: Double) -> Double { isFinite ? self : (x > 0 ? 1 : 0) }
}
