import AlambicKernels
import AlambicOptimizers
import AlambicTensor
import AlambicTestSupport
import Dispatch
import Testing

@testable import AlambicParallel

@Suite struct ParameterServerTests {
    private func parameters() throws -> [Parameter] {
        var random = SplitMix(seed: 3)
        return [
            Parameter(path: "a", kind: .matrix, value: try Tensor([5, 7], random.floats(35))),
            Parameter(path: "b", kind: .vector, value: try Tensor([5], random.floats(5))),
            Parameter(path: "c", kind: .matrix, value: try Tensor([3, 5], random.floats(15))),
        ]
    }

    @Test func theCutIsEvenAndCoversEverythingOnce() throws {
        let parameters = try parameters()
        for shards in [1, 2, 3, 7, 55] {
            let parts = ServerShard.cut(parameters, into: shards)
            let sizes = parts.map { $0.reduce(0) { $0 + $1.range.count } }
            #expect(sizes.reduce(0, +) == 55)
            #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1, "\(sizes)")
            var seen: [[Int]] = [[], [], []]
            for slice in parts.joined() { seen[slice.parameter] += Array(slice.range) }
            #expect(seen == [Array(0..<35), Array(0..<5), Array(0..<15)])
        }
    }

    /// Whatever the number of shards, and with decay only where it belongs: the bits of one optimizer over everything.
    @Test(arguments: [1, 2, 3, 8])
    func shardsEqualOneOptimizer(shards: Int) throws {
        let context = try Context(threads: 1)
        for optimizer: any Optimizer in [
            .sgd(rate: 0.1, l2: 0.01), .momentum(rate: 0.1, 0.9), .adamW(rate: 0.1, weightDecay: 0.1),
        ] as [any Optimizer] {
            let (start, whole) = (try parameters(), try parameters())
            let server = try makeServer(start, shards, optimizer)
            let state = try OptimizerState(optimizer, for: whole)
            let gradients = try GradientSet(for: whole)
            var random = SplitMix(seed: 8)
            for _ in 0..<3 {
                for tensor in gradients.tensors {
                    tensor.copy(from: try Tensor(tensor.shape, random.floats(tensor.count)))
                }
                try server.push(gradients, from: 1, step: 0, on: context)
                try state.step(whole, gradients: gradients, on: context)
            }
            let fetched = try parameters()
            server.fetch(into: fetched)
            #expect(bits(fetched) == bits(whole), "\(type(of: optimizer).name), \(shards) shards")
            #expect(bits(start) == bits(try parameters()), "the server's weights are its own")
            #expect(server.updates == 3)
        }
    }

    private func makeServer(_ parameters: [Parameter], _ shards: Int, _ rule: some Optimizer) throws -> ParameterServer
    {
        try ParameterServer(parameters, shards: shards, optimizer: rule)
    }

    @Test func refusesWhatIsNotFinite() throws {
        let context = try Context(threads: 1)
        let start = try parameters()
        let server = try ParameterServer(start, shards: 3, optimizer: .sgd(rate: 1))
        let gradients = try GradientSet(for: start)
        for bad in [Float.nan, .infinity] {
            let last = gradients.tensors[2]
            var values = last.mutableSpan
            values[14] = bad
            #expect {
                try server.push(gradients, from: 2, step: 17, on: context)
            } throws: {
                "\($0)" == "worker 2 sent a gradient that is not finite in its step 17: refused"
            }
        }
        let fetched = try parameters()
        server.fetch(into: fetched)
        #expect(bits(fetched) == bits(start))
        #expect(server.updates == 0)
    }

    /// Pushes of ones from many threads at once: none is lost, none counts twice.
    @Test func pushesAtTheSameTimeAllCount() throws {
        let start = [Parameter(path: "w", kind: .matrix, value: try Tensor([10, 10]))]
        let server = try ParameterServer(start, shards: 4, optimizer: .sgd(rate: 1))
        let contexts = try (0..<4).map { try Machine.local.context(threads: 1, firstCore: $0) }
        let ones = try GradientSet(for: start)
        ones.tensors[0].copy(from: try Tensor([10, 10], [Float](repeating: 1, count: 100)))
        DispatchQueue.concurrentPerform(iterations: 4) { worker in
            for step in 0..<50 { try? server.push(ones, from: worker, step: step, on: contexts[worker]) }
        }
        let fetched = [Parameter(path: "w", kind: .matrix, value: try Tensor([10, 10]))]
        server.fetch(into: fetched)
        #expect(fetched[0].value.elements == [Float](repeating: -200, count: 100))
        #expect(server.updates == 200)
    }
}
