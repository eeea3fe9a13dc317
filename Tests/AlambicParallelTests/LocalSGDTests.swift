import AlambicKernels
import AlambicOptimizers
import AlambicTensor
import Testing

@testable import AlambicParallel

@Suite struct LocalSGDTests {
    /// Targets 1 and 3, inner rate 0.5, two steps: 0.75 and 2.25; Δ = -1.5, and Nesterov's step with momentum 0.5 at rate 1
    /// is Δ + 0.5 Δ: 2.25.
    @Test func aRoundByHand() throws {
        let toys = [try Toy(target: 1), try Toy(target: 3)]
        let run = try LocalSGD(
            from: toys[0].parameters, replicas: toys, inner: .sgd(rate: 0.5), outer: .nesterov(rate: 1, momentum: 0.5),
            steps: 2,
            on: try Context(threads: 1))
        let round = try run.run()
        #expect(run.parameters[0].value.elements == [2.25, 2.25, 2.25, 2.25])
        #expect(round.gradients == 4)
        // Per weight: (1 + 0.25 + 9 + 2.25) / 2, four weights, mean over four gradients.
        #expect(abs(round.loss - 12.5 / 2) < 1e-12)
        #expect(toys.map(\.batches) == [[0, 2], [1, 3]])
    }

    /// Averaging after every step at outer rate 1 is synchronous SGD: equal to the mean gradient.
    @Test func averagesTheWeightsOfThoseThatAreWell() throws {
        let toys = try (0..<3).map { try Toy(target: [1, 5, 9][$0]) }
        let run = try LocalSGD(
            from: toys[0].parameters, replicas: toys, inner: .sgd(rate: 0.5), outer: .sgd(rate: 1), steps: 1,
            faults: [1: .sendsNaN(atStep: 1), 2: .dies(atStep: 2)], on: try Context(threads: 1))
        #expect(try run.run().events.isEmpty)
        #expect(abs(run.parameters[0].value.elements[0] - 2.5) < 1e-6)
        #expect(try run.run().events == [.refused(worker: 1, step: 1)])
        // Means of 1.75 and 5.75.
        #expect(abs(run.parameters[0].value.elements[0] - 3.75) < 1e-6)
        #expect(try run.run().events == [.died(worker: 2, step: 2)])
        // Means of 2.375 and 4.375.
        #expect(abs(run.parameters[0].value.elements[0] - 3.375) < 1e-6)
        #expect(try run.run().events.isEmpty)
    }

    /// Moments start again, the rate does not. Adam's first step is the rate, whatever the gradient, if both its moments are
    /// corrected as those of a first step.
    @Test func aRefusedWorkerKeepsItsPlaceInTheSchedule() throws {
        let toys = [try Toy(target: 9), try Toy(target: 9)]
        let run = try LocalSGD(
            from: toys[0].parameters, replicas: toys,
            inner: .adam(rate: .stepDecay(rate: 0.5, factor: 0.5, every: 1)), outer: .sgd(rate: 1), steps: 1,
            faults: [1: .sendsNaN(atStep: 1)], on: try Context(threads: 1))
        #expect(try run.run().events.isEmpty)
        #expect(try run.run().events == [.refused(worker: 1, step: 1)])
        let before = run.parameters[0].value.elements[0]
        #expect(try run.run().events.isEmpty)
        // The third rate of the schedule, up to the rounding of 1 - 0.999 in float: 2⁻²⁵ of 0.001, halved by the root.
        #expect(abs(toys[1].parameters[0].value.elements[0] - before - 0.125) < 1e-5)
    }

    @Test func nobodyLeftIsAnError() throws {
        let run = try LocalSGD(
            from: try Toy().parameters, replicas: [try Toy()], inner: .sgd(rate: 0.5), outer: .sgd(rate: 1), steps: 2,
            faults: [0: .dies(atStep: 3)], on: try Context(threads: 1))
        _ = try run.run()
        #expect { try run.run() } throws: { "\($0)".contains("worker 0 died before its step 3") }
    }

    /// DiLoCo's optimizers on a network, whatever the threads do: equal bits, and it learns.
    @Test func diLoCoLearnsWithEqualBits() throws {
        let data = try spots(320)
        let start = try spotNetwork.initialized(seed: 2)
        var results: [[UInt32]] = []
        for _ in 0..<2 {
            let run = try LocalSGD(
                from: start, replicas: try spotReplicas(4, from: start, on: data),
                inner: .adamW(rate: 3e-3, weightDecay: 0.1), outer: .nesterov(rate: 0.7, momentum: 0.9), steps: 10,
                faults: [3: .slow(2)], on: try Context(threads: 1))
            for _ in 0..<12 { _ = try run.run() }
            #expect(try loss(of: run.parameters, on: data) < 0.2 * loss(of: start, on: data))
            results.append(bits(run.parameters))
        }
        #expect(results[0] == results[1])
    }
}
