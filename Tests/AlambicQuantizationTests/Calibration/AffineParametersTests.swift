import AlambicTestSupport
import Testing

@testable import AlambicQuantization

@Suite struct AffineParametersTests {
    /// By hand, from equation 1 of Jacob et al. 2018.
    @Test func asymmetricRangesByHand() {
        let a = AffineParameters.asymmetric(-1, 3)
        // 4 / 255, and 1 / S = 63.75.
        #expect(a.scale == 4 / Float(255) && a.zeroPoint == 64 && a.lowest == 0 && a.highest == 255)
        let b = AffineParameters.asymmetric(-1, 2, bits: 4, levels: .signed)
        #expect(b.scale == 0.2 && b.zeroPoint == -3 && b.lowest == -8 && b.highest == 7)
        #expect(b.level(2) == 7 && b.level(-1) == -8 && b.level(0.29) == -2 && b.level(0.31) == -1)
    }

    @Test func symmetricRangesByHand() {
        let narrow = AffineParameters.symmetric(-1, 3)
        #expect(narrow.scale == 3 / Float(127) && narrow.zeroPoint == 0 && narrow.lowest == -127)
        #expect(narrow.level(3) == 127 && narrow.level(-3) == -127 && narrow.level(-100) == -127)
        let signed = AffineParameters.symmetric(-2, 1, levels: .signed)
        #expect(signed.scale == 2 / Float(127) && signed.lowest == -128 && signed.level(-100) == -128)
        let unsigned = AffineParameters.symmetric(-2, 1, levels: .unsigned)
        #expect(unsigned.zeroPoint == 128 && unsigned.level(2) == 255 && unsigned.level(-2) == 1)
        #expect(AffineParameters.symmetric(-7, 7, bits: 4).scale == 1)
    }

    @Test func rangesAreWidenedToContainZero() {
        let positive = AffineParameters.asymmetric(0.5, 2)
        #expect(positive == AffineParameters.asymmetric(0, 2))
        #expect(positive.zeroPoint == 0 && positive.scale == 2 / Float(255))
        let negative = AffineParameters.asymmetric(-3, -1)
        #expect(negative.zeroPoint == 255 && negative.scale == 3 / Float(255) && negative.real(0) == -3)
    }

    @Test func nothingIsDividedByZero() {
        for levels in IntegerLevels.allCases {
            for end in [Float(0), 100 * Float.leastNonzeroMagnitude, .leastNonzeroMagnitude] {
                let a = AffineParameters.asymmetric(0, end, levels: levels)
                #expect(a.scale == 1 && a.zeroPoint == 0 && a.real(a.level(0)) == 0)
                #expect(AffineParameters.symmetric(-end, end, levels: levels).scale == 1)
            }
            // The width of this range is no f32.
            let wide = AffineParameters.asymmetric(
                -.greatestFiniteMagnitude, .greatestFiniteMagnitude, levels: levels)
            #expect(wide.scale.isFinite && wide.rounded(0) == 0)
        }
    }

    @Test func constantsAreTheEndOfTheirRange() {
        for constant in [Float(0.3), -0.3, 1e20] {
            let p = AffineForm.activations().parameters(covering: constant...constant)
            #expect(abs(p.rounded(constant) - constant) <= abs(constant) * 4 * Float.ulpOfOne && p.rounded(0) == 0)
        }
    }

    @Test func whatIsNoNumberAndWhatIsFarAway() {
        let p = AffineParameters.asymmetric(-1, 1)
        #expect(p.level(.nan) == p.zeroPoint && p.level(.infinity) == 255 && p.level(-.infinity) == 0)
        #expect(p.level(1e38) == 255 && p.level(-1e38) == 0)
    }

    /// Zero is exact whatever the range, and nothing inside moves by more than half a step: at the ends one more half,
    /// by which Z was rounded.
    @Test func errorsAreWithinHalfAStep() {
        var random = SplitMix(seed: 3)
        for trial in 0..<300 {
            let ends = random.floats(2, in: -2...2).sorted()
            let form = AffineForm(
                bits: 2 + trial % 15, levels: IntegerLevels.allCases[trial % 3],
                symmetry: Symmetry.allCases[trial / 3 % 2])
            let p = form.parameters(covering: ends[0]...ends[1])
            #expect(p.rounded(0) == 0 && p.level(0) == p.zeroPoint, "\(form) \(ends)")
            for x in random.floats(20, in: ends[0]...ends[1]) {
                let most = p.minimum <= x && x <= p.maximum ? Float(0.5) : 1
                // f32 rounds x / S and S (q - Z).
                let slack = abs(x) * 2 * Float.ulpOfOne
                #expect(abs(p.rounded(x) - x) <= most * p.scale * (1 + 1e-5) + slack, "\(form) \(ends) \(x)")
            }
        }
    }
}
