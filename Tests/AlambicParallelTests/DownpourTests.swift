import AlambicKernels
import AlambicOptimizers
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Foundation
import Testing

@testable import AlambicParallel

@Suite struct DownpourTests {
    /// 16 bytes of weights pass a link in a quarter of a second; everything is an eighth away.
    private func cluster(_ workers: Int, speed: Double = 1) -> Cluster {
        Cluster(
            name: "slow", bandwidthGigabitsPerSecond: 64 * 8 / 1e9, latencyMicroseconds: 125_000, parameterServers: 1,
            workers: (0..<workers).map { Cluster.Worker(name: "w\($0)", speed: speed) })
    }

    private func simulated(
        _ settings: Downpour, workers: Int = 1, speed: Double = 1, update: Double = 0, faults: [Int: Fault] = [:]
    ) throws -> (SimulatedDownpour, [Toy]) {
        let toys = try (0..<workers).map { _ in try Toy() }
        let server = try ParameterServer(try Toy().parameters, shards: 1, optimizer: .sgd(rate: 0.25))
        return (
            try SimulatedDownpour(
                settings, on: cluster(workers, speed: speed), times: .init(step: 1, update: update), server: server,
                replicas: toys, faults: faults), toys
        )
    }

    private func weight(_ server: ParameterServer) throws -> Float {
        let toy = try Toy()
        server.fetch(into: toy.parameters)
        #expect(Set(toy.parameters[0].value.elements).count == 1)
        return toy.parameters[0].value.elements[0]
    }

    /// 0: asks; 0.125: served; 0.5: weights; 1.5: gradient 0 - 1; 1.75: sent; 1.875: there. Behind it the request for w₁, which
    /// is there at 2.25. From 1.5 to 2.5 a gradient at w₀ again, so each is one update late.
    @Test func followsTheClockByHandWithOverlap() throws {
        let (run, _) = try simulated(Downpour())
        var report = try run.run(gradients: 1)
        #expect(report.seconds == 1.875)
        #expect(report.staleness == 0)
        #expect(try weight(run.server) == 0.25)
        report = try run.run(gradients: 3)
        #expect(run.seconds == 4.875)
        #expect(report.staleness == 1)
        // w₂ = w₁ - (w₀ - 1)/4, w₃ = w₂ - (w₁ - 1)/4, w₄ = w₃ - (w₂ - 1)/4
        #expect(try weight(run.server) == 0.8125)
    }

    @Test func followsTheClockByHandWithoutOverlap() throws {
        let (run, _) = try simulated(Downpour(fetching: .awaited))
        let report = try run.run(gradients: 2)
        #expect(report.staleness == 0)
        // 1.875 the push, behind it the request, 2.25 the weights, 3.25 the gradient, 3.625 the push.
        #expect(run.seconds == 3.625)
        #expect(try weight(run.server) == 0.4375)
    }

    /// A worker of twice the speed, and a slow one of a quarter of that.
    @Test func speedsAndSlowness() throws {
        let (fast, _) = try simulated(Downpour(), speed: 2)
        _ = try fast.run(gradients: 1)
        #expect(fast.seconds == 1.375)
        let (slow, _) = try simulated(Downpour(), speed: 2, faults: [0: .slow(4)])
        _ = try slow.run(gradients: 1)
        #expect(slow.seconds == 2.875)
    }

    /// Two workers ask at the same time: the second is served when the first one's weights have left. Two pushes: likewise.
    @Test func theServersLinkIsShared() throws {
        let (run, _) = try simulated(Downpour(), workers: 2, update: 0.5)
        _ = try run.run(gradients: 1)
        #expect(run.seconds == 1.875)
        // The second's weights come at 0.75, its push at 2.125: the link is busy until 1.875 + 0.25 + 0.5.
        _ = try run.run(gradients: 1)
        #expect(run.seconds == 2.625)
    }

    /// n_push: the sum of two gradients at a time; n_fetch: weights for every third step; a local step in between.
    @Test func pushesAndFetchesMoreRarely() throws {
        let (run, _) = try simulated(Downpour(fetchEvery: 100, pushEvery: 2, localRate: 0.5))
        let report = try run.run(gradients: 4)
        #expect(report.gradients == 4)
        #expect(run.server.updates == 2)
        // Its own weights: 0, 0.5, 0.75, 0.875; gradients -1, -0.5 and -0.25, -0.125.
        #expect(try weight(run.server) == 0.25 * 1.5 + 0.25 * 0.375)
        #expect(report.loss == 4 * (1 + 0.25 + 0.0625 + 0.015625) / 2 / 4)
    }

    /// One worker alone until four gradients are applied; every batch is given out once.
    @Test func warmStart() throws {
        let (run, toys) = try simulated(Downpour(warmStart: 4), workers: 3)
        _ = try run.run(gradients: 4)
        #expect(toys[1].batches.isEmpty && toys[2].batches.isEmpty)
        _ = try run.run(gradients: 20)
        #expect(toys[1].batches.count >= 4 && toys[2].batches.count >= 4)
        let all = toys.flatMap(\.batches).sorted()
        #expect(all == Array(0..<all.count))
    }

    @Test func faultsAreNamedAndTheOthersGoOn() throws {
        let (run, toys) = try simulated(
            Downpour(), workers: 4, faults: [0: .dies(atStep: 2), 1: .sendsNaN(atStep: 3), 2: .slow(10)])
        let report = try run.run(gradients: 200)
        #expect(report.gradients == 200)
        #expect(Set(report.events) == [.died(worker: 0, step: 2), .refused(worker: 1, step: 3)])
        #expect(toys[0].batches.count == 2)
        #expect(toys[1].batches.count > 3 * toys[2].batches.count)
        #expect(abs(try weight(run.server) - 1) < 0.01)
    }

    @Test func theDeadInAWarmStartAreReplaced() throws {
        let (run, toys) = try simulated(Downpour(warmStart: 5), workers: 2, faults: [0: .dies(atStep: 1)])
        _ = try run.run(gradients: 10)
        #expect(toys[0].batches.count == 1 && toys[1].batches.count >= 9)
    }

    @Test func nobodyLeftIsAnError() throws {
        let (run, _) = try simulated(Downpour(), workers: 2, faults: [0: .dies(atStep: 1), 1: .dies(atStep: 2)])
        #expect {
            try run.run(gradients: 10)
        } throws: {
            "\($0)".hasPrefix("none of 2 workers is left after 3 gradients; the last: worker 1 died before its step 2.")
        }
    }

    /// A network that has become NaN is refused by and by from everybody.
    @Test func divergenceEnds() throws {
        let toys = try (0..<2).map { _ in try Toy(target: .nan) }
        let server = try ParameterServer(toys[0].parameters, shards: 1, optimizer: .sgd(rate: 1))
        let run = try ThreadedDownpour(Downpour(), server: server, replicas: toys)
        #expect { try run.run(gradients: 100) } throws: { "\($0)".hasSuffix("lower the learning rate") }
        let (simulatedRun, _) = try simulated(Downpour())
        _ = try simulatedRun.run(gradients: 1)
    }

    @Test func simulationsHaveEqualBits() throws {
        let data = try spots(160)
        let start = try spotNetwork.initialized(seed: 2)
        func run() throws -> [UInt32] {
            let server = try ParameterServer(start, shards: 3, optimizer: .adamW(rate: 1e-2))
            let run = try SimulatedDownpour(
                Downpour(warmStart: 5), on: cluster(3), times: .init(step: 1, update: 0), server: server,
                replicas: try spotReplicas(3, from: start, on: data))
            _ = try run.run(gradients: 60)
            let end = try copies(of: start)
            server.fetch(into: end)
            return bits(end)
        }
        #expect(try run() == run())
    }

    /// What a lost worker had not brought to the server is computed by others. Each test's first worker begins alone.
    @Test func batchesOfTheLostAreDealtAgain() throws {
        func run(_ settings: Downpour, _ toys: [Toy], faults: [Int: Fault] = [:]) throws -> DownpourReport {
            let server = try ParameterServer(try Toy().parameters, shards: 1, optimizer: .sgd(rate: 0.25))
            return try ThreadedDownpour(settings, server: server, replicas: toys, faults: faults).run(gradients: 30)
        }
        // Three gradients are pushed, and a fourth has accrued when it dies.
        let dying = [try Toy(), try Toy()]
        let first = try run(Downpour(pushEvery: 3, warmStart: 30), dying, faults: [0: .dies(atStep: 4)])
        #expect(first.gradients == 30 && first.events == [.died(worker: 0, step: 4)])
        #expect(dying[0].batches == [0, 1, 2, 3] && dying[1].batches.sorted() == Array(3..<30))
        // Refused until it gets no more work.
        let broken = [try Toy(target: .nan), try Toy()]
        let second = try run(Downpour(warmStart: 30), broken)
        #expect(second.gradients == 30 && second.events.last == .dropped(worker: 0, step: 2))
        #expect(broken[0].batches == [0, 1, 2] && broken[1].batches.sorted() == Array(0..<30))
    }

    /// Others that have found nothing more to do come back for what somebody who fails after that has given back.
    @Test func aBatchThatComesBackLateIsComputed() throws {
        /// Waits until all others are done, and fails.
        final class Straggler: GradientReplica, @unchecked Sendable {
            let parameters: [Parameter]
            let context: Context
            let server: ParameterServer
            let updates: Int
            init(_ server: ParameterServer, after updates: Int) throws {
                let toy = try Toy()
                (parameters, context, self.server, self.updates) = (toy.parameters, toy.context, server, updates)
            }
            func gradient(ofBatch index: Int) throws(TrainingError) -> (loss: Double, gradients: GradientSet) {
                while server.updates < updates { Thread.sleep(forTimeInterval: 0.001) }
                // The others' last look for more to do.
                Thread.sleep(forTimeInterval: 0.05)
                throw .badSetting("it is broken")
            }
        }
        let server = try ParameterServer(try Toy().parameters, shards: 1, optimizer: .sgd(rate: 0.25))
        let toy = try Toy()
        let report = try ThreadedDownpour(
            Downpour(), server: server, replicas: [try Straggler(server, after: 9), toy]
        ).run(gradients: 10)
        #expect(report.gradients == 10)
        #expect(toy.batches.sorted() == Array(0..<10))
    }

    /// The same under the clock: of two gradients to push one has accrued.
    @Test func batchesOfTheLostAreDealtAgainInSimulation() throws {
        let (run, toys) = try simulated(Downpour(pushEvery: 2), workers: 2, faults: [0: .dies(atStep: 3)])
        let report = try run.run(gradients: 20)
        #expect(report.gradients == 20 && report.events == [.died(worker: 0, step: 3)])
        #expect(toys[0].batches.count == 3)
        let lost = try #require(toys[0].batches.last)
        #expect(toys[1].batches.contains(lost))
        let all = toys.flatMap(\.batches)
        #expect(Set(all) == Set(0..<all.count - 1))
    }

    /// Real threads: every gradient counted once, and the network learns, with and without trouble.
    @Test(arguments: [
        [:], [1: Fault.dies(atStep: 10)], [0: .slow(10)], [2: .sendsNaN(atStep: 4)],
        [0: .dies(atStep: 3), 1: .slow(3), 3: .sendsNaN(atStep: 1)],
    ])
    func threads(faults: [Int: Fault]) throws {
        let data = try spots(320)
        let start = try spotNetwork.initialized(seed: 2)
        let server = try ParameterServer(start, shards: 3, optimizer: .momentum(rate: 0.02, 0.5))
        let run = try ThreadedDownpour(
            Downpour(warmStart: 8), server: server, replicas: try spotReplicas(4, from: start, on: data), faults: faults
        )
        let first = try run.run(gradients: 40)
        let second = try run.run(gradients: 400)
        let events = first.events + second.events
        let refused = events.count { if case .refused = $0 { true } else { false } }
        #expect(server.updates == first.gradients + second.gradients)
        #expect(first.gradients + second.gradients == 440 - refused)
        // On a busy machine a worker may not get as far as its fault.
        #expect(refused <= faults.values.count { $0.sendsNaNAtStep != nil })
        #expect(events.count - refused <= faults.values.count { $0.diesAtStep != nil })
        let end = try copies(of: start)
        server.fetch(into: end)
        #expect(try loss(of: end, on: data) < 0.2 * loss(of: start, on: data))
    }
}
