import AlambicTestSupport
import Testing

@testable import AlambicQuantization

@Suite struct FixedPointTests {
    /// SQRDMULH, by hand: the high half of twice the product, rounded, ties towards plus infinity.
    @Test func doublingHighProduct() {
        typealias M = FixedPointMultiplier
        let half: Int32 = 1 << 30
        #expect(M.roundingDoublingHighProduct(.min, .min) == .max, "the one case that saturates")
        #expect(M.roundingDoublingHighProduct(.min, .max) == -Int32.max)
        #expect(M.roundingDoublingHighProduct(.max, .max) == Int32.max - 1)
        #expect(M.roundingDoublingHighProduct(.min, half) == -half)
        // 0.5, -0.5, 1.5, -1.5, 2.5, -2.5
        #expect([1, -1, 3, -3, 5, -5].map { M.roundingDoublingHighProduct($0, half) } == [1, 0, 2, -1, 3, -2])
        // Just beside the ties: one unit of 2^-31 less or more.
        #expect(M.roundingDoublingHighProduct(1, half - 1) == 0)
        #expect(M.roundingDoublingHighProduct(-1, half + 1) == -1)
        #expect(M.roundingDoublingHighProduct(0, .min) == 0)
    }

    /// By hand: ties away from zero.
    @Test func roundingShift() {
        typealias M = FixedPointMultiplier
        #expect(
            [1, -1, 2, -2, 3, -3, 5, -5].map { M.roundingDivision($0, powerOfTwo: 1) } == [1, -1, 1, -1, 2, -2, 3, -3])
        // 5/4, 6/4, 7/4 and their opposites
        #expect([5, 6, 7, -5, -6, -7].map { M.roundingDivision($0, powerOfTwo: 2) } == [1, 2, 2, -1, -2, -2])
        #expect(M.roundingDivision(.min, powerOfTwo: 31) == -1)
        #expect(M.roundingDivision(.max, powerOfTwo: 31) == 1)
        #expect(M.roundingDivision(.max, powerOfTwo: 30) == 2)
        #expect(M.roundingDivision(.min, powerOfTwo: 0) == .min)
        #expect(M.roundingDivision(.max, powerOfTwo: 0) == .max)
    }

    @Test func realNumbersBecomeMultipliers() {
        #expect(FixedPointMultiplier(0.5) == FixedPointMultiplier(mantissa: 1 << 30, shift: 0))
        #expect(FixedPointMultiplier(1) == FixedPointMultiplier(mantissa: 1 << 30, shift: -1))
        #expect(FixedPointMultiplier(0.75) == FixedPointMultiplier(mantissa: 3 << 29, shift: 0))
        #expect(FixedPointMultiplier(0.09375) == FixedPointMultiplier(mantissa: 3 << 29, shift: 3))
        // Rounds up to the next power of two.
        #expect(FixedPointMultiplier(1 - 0x1p-53) == FixedPointMultiplier(mantissa: 1 << 30, shift: -1))
        #expect(FixedPointMultiplier(0x1p-32) == FixedPointMultiplier(mantissa: 1 << 30, shift: 31))
        #expect(FixedPointMultiplier(0x1p-33) == FixedPointMultiplier(mantissa: 0, shift: 0))
        #expect(FixedPointMultiplier(.leastNonzeroMagnitude)(.max) == 0)
        #expect(FixedPointMultiplier(1e300)(1) == 1 << 30)
        var random = SplitMix(seed: 1)
        for _ in 0..<1000 {
            let real = Double.random(in: 0x1p-20...4, using: &random)
            #expect(abs(FixedPointMultiplier(real).real / real - 1) <= 0x1p-31)
        }
    }

    /// The rounded product is off by half a step of the result, and half a step of the product before the shift.
    @Test func productsAreNearTheRealOnes() {
        var random = SplitMix(seed: 2)
        for _ in 0..<10_000 {
            let real = Double.random(in: 0x1p-16..<1, using: &random)
            let x = Int32.random(in: -(1 << 24)...1 << 24, using: &random)
            let multiplier = FixedPointMultiplier(real)
            let exact = Double(x) * multiplier.real
            let bound = 0.5 + 0.5 * Double(sign: .plus, exponent: -Int(max(multiplier.shift, 0)), significand: 1)
            #expect(abs(Double(multiplier(x)) - exact) <= bound, "\(x) · \(real)")
        }
    }

    @Test func oneIsExact() {
        var random = SplitMix(seed: 3)
        let one = FixedPointMultiplier(1)
        for x in random.integers(1000, in: Int32(-(1 << 30) + 1)...(1 << 30) - 1) { #expect(one(x) == x) }
        #expect(one(.max) == 1 << 30, "saturated")
    }
}
