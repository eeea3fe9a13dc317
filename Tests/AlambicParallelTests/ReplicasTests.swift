import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTokenizers
import AlambicTraining
import Foundation
import Testing

@testable import AlambicParallel

private func corpus() throws -> Corpus {
    let line = Array("round the rugged rock the ragged rascal ran; ".utf8)
    return try Corpus(text: (0..<4000).map { line[($0 * ($0 / 83 + 1)) % line.count] }, tokenizer: .bytes)
}

private struct Outcome: Equatable {
    var weights: [UInt32]
    var losses: [Double]
    var norms: [Double]
}

private func train(
    _ reducer: some GradientReducer, microBatches: Int, rows: Int = 32, threads: Int = 2, steps: Int = 10,
    dtype: TrainingDType = .f32, adapters: LoRA? = nil
) throws -> Outcome {
    let trainer = try Trainer(
        try Model(.gpt(layers: 2, width: 32, heads: 2, context: 16, dropout: 0.1), seed: 1),
        optimizer: .adamW(rate: 3e-3, weightDecay: 0.1), microBatches: microBatches, dtype: dtype,
        adapters: adapters, reducer: reducer, on: try Context(threads: threads))
    let reports = try corpus().batches(of: rows, context: 16, seed: 1).prefix(steps).map { try trainer.step($0) }
    return Outcome(
        weights: trainer.trained.flatMap { $0.value.elements.map(\.bitPattern) }, losses: reports.map(\.loss),
        norms: reports.map(\.gradientNorm))
}

@Suite struct ReplicasTests {
    @Test func twoReplicasOf16EqualTwoAccumulationStepsOf16() throws {
        let accumulated = try train(.none, microBatches: 2)
        #expect(try train(.replicas(2), microBatches: 2) == accumulated)
        #expect(try train(.replicas(2, threads: 1), microBatches: 2, threads: 1) == accumulated)
    }

    @Test(arguments: [(1, 4), (2, 4), (4, 4), (3, 3), (3, 6), (5, 5), (2, 8), (6, 6), (7, 7)])
    func anyNumberOfReplicas(replicas: Int, microBatches: Int) throws {
        let rows = microBatches * 2
        let accumulated = try train(.none, microBatches: microBatches, rows: rows, steps: 3)
        let parallel = try train(.replicas(replicas), microBatches: microBatches, rows: rows, steps: 3)
        #expect(parallel == accumulated, "\(replicas) replicas, \(microBatches) micro-batches")
    }

    /// Replicas share a frozen base, in whichever form, and widen it each for itself.
    @Test(arguments: FrozenWeight.Form.allCases, TrainingDType.allCases)
    func replicasOfAdapters(base: FrozenWeight.Form, dtype: TrainingDType) throws {
        let adapters = LoRA(rank: 4, dropout: 0.1, base: base)
        let accumulated = try train(.none, microBatches: 2, rows: 4, steps: 3, dtype: dtype, adapters: adapters)
        let parallel = try train(.replicas(2), microBatches: 2, rows: 4, steps: 3, dtype: dtype, adapters: adapters)
        #expect(parallel == accumulated)
    }

    @Test func sharesThatAreNoSubtreesAreRefused() throws {
        for (replicas, parts) in [(2, 3), (2, 6), (4, 2), (3, 9)] {
            let error = #expect(throws: TrainingError.self, "\(parts) parts for \(replicas) replicas") {
                try train(.replicas(replicas), microBatches: parts, rows: parts, steps: 1)
            }
            #expect("\(try #require(error))".contains("power of two"))
        }
    }

    @Test func anErrorInOneReplicaIsTheStepsError() throws {
        struct Failing: Objective {
            let settings = ["name": "failing"]
            final class Function: LossFunction {
                func loss(of microBatch: MicroBatch, on tape: Tape) throws(KernelError) -> Loss {
                    // The second micro-batch of a step, as told by the random stream.
                    guard microBatch.stream % 2 == 0 else { return Loss(.nan) }
                    let architecture = microBatch.architecture
                    let hidden = try architecture.hidden(microBatch.tokens, on: tape)
                    return Loss(
                        try tape.languageModelLoss(
                            hidden: hidden, head: architecture.head, targets: microBatch.targets))
                }
            }
            func lossFunction(for architecture: any Architecture, on context: Context) throws(TrainingError)
                -> any LossFunction
            { Function() }
        }
        let trainer = try Trainer(
            try Model(.gpt(layers: 1, width: 16, heads: 2, context: 16), seed: 1), objective: Failing(),
            optimizer: .sgd(rate: 1), microBatches: 2, reducer: .replicas(2), on: try Context(threads: 2))
        let error = #expect(throws: TrainingError.self) {
            try trainer.step(try corpus().batches(of: 2, context: 16, seed: 1)[0])
        }
        #expect("\(try #require(error))".contains("step 1"))
        #expect(trainer.step == 0)
    }
}
