import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import Foundation
import Testing

@testable import AlambicTraining

/// What a run is said to need before it begins.
@Suite struct MemoryPlanTests {
    private func trainer(
        recomputation: Recomputation = .none, microBatches: Int = 1, dtype: TrainingDType = .f32,
        reducer: some GradientReducer = SingleWorker()
    ) throws -> Trainer {
        try Trainer(
            try Tiny.model(), optimizer: .adamW(rate: 1e-3), microBatches: microBatches, dtype: dtype,
            recomputation: recomputation, reducer: reducer, on: try Context(threads: 1))
    }

    @Test(arguments: TrainingDType.allCases)
    func aTrialSaysWhatARunWithThoseSettingsWouldNeed(dtype: TrainingDType) throws {
        let reducer = SingleWorker()
        let plain = try trainer(dtype: dtype, reducer: reducer)
        let own = try plain.memoryPlan(rows: 8, context: 16)
        let before = try #require(reducer.worker).allocations
        var activations: [Int] = []
        for recomputation in Recomputation.allCases {
            for microBatches in [1, 2, 4] {
                let trial = try #require(
                    try plain.memoryPlan(
                        rows: 8, context: 16, recomputation: recomputation, microBatches: microBatches))
                let real = try trainer(recomputation: recomputation, microBatches: microBatches, dtype: dtype)
                #expect(
                    try trial.total == real.memoryPlan(rows: 8, context: 16).total,
                    "\(recomputation), \(microBatches)")
                if microBatches == 1 { activations.append(trial.activations ?? 0) }
            }
        }
        #expect(activations[0] == own.activations)
        #expect(activations == activations.sorted(by: >) && activations[2] < activations[0], "\(activations)")
        #expect(try #require(reducer.worker).allocations == before)
    }

    @Test func theGradientsOfEachLevelOfTheTreeAreCounted() throws {
        for (microBatches, sets) in [(1, 1), (2, 2), (4, 3), (8, 4)] {
            let reducer = SingleWorker()
            let trainer = try trainer(microBatches: microBatches, reducer: reducer)
            let plan = try trainer.memoryPlan(rows: 8, context: 16)
            #expect(plan.gradients == sets * plan.weights)
            // What the worker has beside the places of the plan are sets of gradients.
            let before = try #require(reducer.worker).allocations
            try trainer.step(try Tiny.batches(rows: 8)[0])
            #expect(try #require(reducer.worker).allocations - before == sets - 1)
        }
    }

    @Test func whatDoesNotFitNamesTheSettingThatWould() throws {
        let trainer = try trainer()
        func needed(_ recomputation: Recomputation, _ microBatches: Int = 1) throws -> Int {
            try #require(
                try trainer.memoryPlan(
                    rows: 8, context: 16, recomputation: recomputation, microBatches: microBatches)
            ).total
        }
        let all = try needed(.none)
        func remedy(_ limit: Int) throws -> MemoryRemedy? {
            let error = #expect(throws: TrainingError.self) {
                try trainer.checkFits(rows: 8, context: 16, within: limit)
            }
            guard case .doesNotFit(_, _, let needed, let available, let remedy)? = error else { return nil }
            #expect(needed == all && available == limit)
            return remedy
        }
        try trainer.checkFits(rows: 8, context: 16, within: all)
        #expect(try remedy(all - 1)?.options == "--recompute norms")
        #expect(try remedy(needed(.norms) - 1)?.options == "--recompute blocks")
        // Less than any recomputation leaves: the state in bytes.
        let plan = try trainer.memoryPlan(rows: 8, context: 16)
        let smallest = try [1, 2, 4, 8].map { try needed(.blocks, $0) }.min() ?? 0
        let least = try #require(try remedy(smallest - 1))
        #expect(least.optimizer == "adamw8bit" && least.bytes < plan.total, "\(least)")
        #expect(try remedy(plan.weights) == nil)
        let error = TrainingError.doesNotFit(
            rows: 8, context: 16, needed: 2 << 30, available: 1 << 30,
            remedy: MemoryRemedy(recomputation: .blocks, microBatches: 2, optimizer: nil, bytes: 900_000_000))
        #expect("\(error)".contains("--recompute blocks --micro-batches 2 needs 900 MB and fits"))
    }

    @Test func theOperationsOfGPT2() throws {
        // 12 layers of 12 * 768² weights and a head of 50257 * 768, times 6; attention's seven half products.
        let model = try Model(.gpt(layers: 1, width: 32, heads: 2, context: 16), seed: 1)
        let trainer = try Trainer(model, optimizer: .sgd(rate: 0.1), on: try Context(threads: 1))
        let weights = 12 * 32 * 32 + 256 * 32
        #expect(trainer.operations(rows: 2, context: 16) == 32 * Double(6 * weights + 7 * 32 * 16))
    }
}
