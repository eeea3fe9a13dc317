import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// Which form is chosen, given times.
@Suite struct FormChoiceTests {
    private func choice(_ speedups: [Double], for purpose: FormPurpose = .decode) -> FormChoice {
        FormChoice(FakeMeasurer.times([.bitmask: speedups]), for: purpose)
    }

    @Test func theFasterFormIsChosen() {
        let choice = choice([3, 2, 1.2, 1])
        #expect(choice.form == .bitmask && choice.rejected.isEmpty)
    }

    @Test func withoutOthersItIsDense() {
        for purpose in FormPurpose.allCases {
            let choice = FormChoice(FakeMeasurer.times([:]), for: purpose)
            #expect(choice.form == .dense && choice.rejected.isEmpty)
        }
    }

    @Test func aFormThatIsSlowerSomewhereIsRejectedThere() {
        let choice = choice([5, 4, 0.85, 0.89])
        #expect(choice.form == .dense)
        #expect(choice.rejected.map(\.rows) == [64] && choice.rejected.map(\.reason) == [.slower])
        #expect(abs((choice.rejected.first?.speedup ?? 0) - 0.85) < 1e-9)
    }

    @Test func tenPerCentAreTolerated() {
        // 1 / 1.1 = 0.909…
        #expect(choice([3, 2, 0.92, 0.92]).form == .bitmask)
        #expect(choice([3, 2, 0.90, 0.92]).form == .dense)
    }

    @Test func noiseIsNoGain() {
        let choice = choice([1.01, 1.01, 1.01, 1.01])
        #expect(choice.form == .dense)
        #expect(choice.rejected.map(\.reason) == [.noGain] && choice.rejected.map(\.rows) == [1])
    }

    @Test func unsteadyTimesChooseNothing() {
        let steady = FakeMeasurer.times([.bitmask: [3, 3, 3, 3]])
        let choice = FormChoice(
            FormTimes(rows: steady.rows, seconds: steady.seconds, isSteady: false), for: .decode)
        #expect(choice.form == .dense && choice.rejected.map(\.reason) == [.unsteady])
    }

    @Test func thePurposeDecides() {
        let (decoding, prefilling) = ([2, 1, 0.95, 0.95], [0.95, 1, 1.5, 1.5])
        #expect(choice(decoding, for: .decode).form == .bitmask)
        #expect(choice(decoding, for: .prefill).form == .dense)
        #expect(choice(prefilling, for: .decode).form == .dense)
        #expect(choice(prefilling, for: .prefill).form == .bitmask)
        #expect(choice(decoding, for: .both).form == .bitmask)
    }

    @Test func neverSlower() {
        var random = SplitMix(seed: 7)
        for purpose in FormPurpose.allCases {
            for _ in 0..<2000 {
                let speedups = random.floats(4).map { Double(abs($0)) * 1.5 + 0.5 }
                let choice = choice(speedups, for: purpose)
                guard choice.form != .dense else {
                    #expect(choice.rejected.count == 1, "\(speedups)")
                    continue
                }
                #expect(speedups.allSatisfy { $0 > 0.909 }, "\(purpose): \(speedups)")
                #expect(FormChoice.score(.bitmask, choice.times, purpose) < 0.98, "\(purpose): \(speedups)")
            }
        }
    }

    @Test func keysForgetWhatDoesNotMatter() throws {
        func sparse(_ rows: Int, _ columns: Int, every step: Int) throws -> PackedWeight {
            let values = (0..<rows * columns).map { $0 % step == 0 ? Float($0 + 1) : 0 }
            return .bitmask(try BitmaskTensor(try Tensor([rows, columns], values)))
        }
        let weight = try sparse(40, 25, every: 10)
        let key = FormKey(weight, among: 48_000)
        #expect(key == FormKey(rows: 40, columns: 25, product: .f32, density: 3, turns: 64))
        // 100 of 1000 and 101 of 1000 are the same; 1 of 4 is not.
        #expect(key != FormKey(try sparse(40, 25, every: 4), among: 48_000))
        #expect(key != FormKey(try sparse(25, 40, every: 10), among: 48_000))
        #expect(FormKey(weight, among: 1000).turns == 1)
        #expect(FormKey(weight, among: 3000).turns == 4)
        #expect(FormKey(weight, among: 1 << 40).turns == 64)
        #expect(FormKey(try weight.withZeros(), among: 48_000) == key)
    }
}
