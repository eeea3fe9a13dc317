import AlambicOptimizers
import Foundation
import Testing

@Suite struct ScheduleTests {
    @Test func constantStaysTheSame() {
        let schedule: Schedule = 1e-3
        #expect(schedule.rate(at: 0) == 1e-3)
        #expect(schedule.rate(at: 1_000_000) == 1e-3)
        #expect(schedule.peak == 1e-3)
    }

    @Test func linearRisesAndFalls() {
        let schedule = Schedule.linear(peak: 1, warmup: 4, over: 12, floor: 0.2)
        #expect((0..<4).map(schedule.rate) == [0.25, 0.5, 0.75, 1])
        #expect(schedule.rate(at: 4) == 1)
        #expect(abs(schedule.rate(at: 8) - 0.6) < 1e-15)
        #expect(abs(schedule.rate(at: 12) - 0.2) < 1e-15)
        #expect(schedule.rate(at: 100) == schedule.rate(at: 12))
    }

    @Test func cosineFollowsHalfAWave() {
        let schedule = Schedule.cosine(peak: 2, warmup: 2, over: 10, floor: 1)
        #expect((0..<3).map(schedule.rate) == [1, 2, 2])
        #expect(abs(schedule.rate(at: 4) - (1 + 0.5 * (1 + cos(.pi / 4)))) < 1e-15)
        #expect(abs(schedule.rate(at: 6) - 1.5) < 1e-15)
        #expect(schedule.rate(at: 10) == 1)
        #expect(schedule.rate(at: 11) == 1)
    }

    @Test func stepDecayGoesInSteps() {
        let schedule = Schedule.stepDecay(rate: 0.8, factor: 0.5, every: 3)
        #expect((0..<7).map(schedule.rate) == [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2])
    }

    @Test func inverseSquareRootFallsFromItsWarmUp() {
        let adam = Schedule.inverseSquareRoot(peak: 0.6)
        for t in 1...40 { #expect(abs(adam.rate(at: t - 1) * Double(t).squareRoot() - 0.6) < 1e-15) }
        #expect(adam.peak == 0.6)
        let transformer = Schedule.inverseSquareRoot(peak: 1, warmup: 4)
        #expect([0, 1, 3, 4, 15, 63].map(transformer.rate) == [0.25, 0.5, 1, (4.0 / 5).squareRoot(), 0.5, 0.25])
        #expect(Schedule.inverseSquareRoot(peak: 1, warmup: 0).rate(at: 3) == 0.5)
    }

    @Test func aRunOfNoStepsEndsAtTheFloor() {
        #expect(Schedule.cosine(peak: 1, warmup: 0, over: 0, floor: 0.5).rate(at: 0) == 0.5)
        #expect(Schedule.linear(peak: 1, warmup: 3, over: 3).rate(at: 3) == 0)
    }

    @Test func survivesJSON() throws {
        for schedule: Schedule in [
            3e-4, .cosine(peak: 1e-3, warmup: 7, over: 90), .stepDecay(rate: 1, factor: 0.1, every: 5),
            .inverseSquareRoot(peak: 0.1, warmup: 9),
        ] {
            let data = try JSONEncoder().encode(schedule)
            #expect(try JSONDecoder().decode(Schedule.self, from: data) == schedule)
        }
    }
}
