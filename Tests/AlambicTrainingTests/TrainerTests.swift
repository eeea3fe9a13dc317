import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import Foundation
import Testing

@testable import AlambicTraining

@Suite struct TrainerTests {
    @Test func theLossFalls() throws {
        let trainer = try Trainer(
            try Tiny.model(), optimizer: .adamW(rate: 3e-3), on: try Context(threads: 2))
        let reports = try Tiny.batches().prefix(60).map { try trainer.step($0) }
        let (first, last) = (reports[0], reports[59])
        // Untrained, every byte is about as likely as any other.
        #expect(abs(first.loss - log(256)) < 0.2, "first loss \(first.loss)")
        #expect(last.loss < first.loss - 1, "\(first.loss) → \(last.loss)")
        #expect(reports.map(\.step) == Array(1...60))
        #expect(first.tokens == 64)
        #expect(first.rate == 3e-3)
        #expect(first.gradientNorm > 0)
        #expect(first.tokensPerSecond > 0)
    }

    @Test func theSameBitsForAnyNumberOfThreads() throws {
        // Large enough for most operations to be split: small ones run on the calling thread.
        let model = try Model(.gpt(layers: 2, width: 64, heads: 4, context: 64, dropout: 0.1), seed: 1)
        let batches = try Tiny.corpus().batches(of: 8, context: 64, seed: 3)
        func train(threads: Int) throws -> [UInt32] {
            let trainer = try Trainer(
                model, optimizer: .adamW(rate: .cosine(peak: 3e-3, warmup: 5, over: 50), weightDecay: 0.1),
                microBatches: 2, on: try Context(threads: threads))
            for batch in batches.prefix(50) { try trainer.step(batch) }
            return Tiny.bits(trainer)
        }
        let one = try train(threads: 1)
        for threads in 2...4 { #expect(try train(threads: threads) == one, "\(threads) threads") }
    }

    @Test func accumulationGivesTheGradientOfTheWholeBatch() throws {
        let batch = try Tiny.batches(rows: 8)[0]
        func gradient(microBatches: Int) throws -> (loss: Double, elements: [Float]) {
            let worker = SingleWorker()
            let trainer = try Trainer(
                try Tiny.model(), optimizer: .sgd(rate: 0), clipping: nil, microBatches: microBatches, reducer: worker,
                on: try Context(threads: 1))
            let report = try trainer.step(batch)
            let (_, set) = try worker.sum(of: trainer.cut(batch))
            return (report.loss, set.flat.elements)
        }
        let whole = try gradient(microBatches: 1)
        let largest = whole.elements.map { abs($0) }.max() ?? 0
        for parts in [2, 4, 8] {
            let sum = try gradient(microBatches: parts)
            // Losses are about 6 and in float; gradients are sums of 128 rounded terms.
            #expect(abs(sum.loss - whole.loss) < 16 * 6 * Double(Float.ulpOfOne), "\(parts) parts")
            let difference = zip(sum.elements, whole.elements).map { abs($0 - $1) }.max() ?? 0
            #expect(difference < 128 * Float.ulpOfOne * largest, "\(parts) parts: \(difference) of \(largest)")
        }
    }

    @Test func targetsThatDoNotCountAreWeightedOut() throws {
        // A micro-batch of ignored targets next to one that counts is the same as the latter alone.
        let batch = try Tiny.batches(rows: 2)[0]
        let half = batch.context
        let ignored = Batch(
            tokens: batch.tokens,
            targets: Array(batch.targets[..<half]) + [Int32](repeating: -1, count: half))
        let alone = Batch(
            tokens: Tokens(ids: Array(batch.tokens.ids[..<half]), batch: 1, length: half),
            targets: Array(batch.targets[..<half]))
        let context = try Context(threads: 1)
        let two = try Trainer(try Tiny.model(), optimizer: .sgd(rate: 0.1), microBatches: 2, on: context)
        let one = try Trainer(try Tiny.model(), optimizer: .sgd(rate: 0.1), on: context)
        #expect(try two.step(ignored).loss == one.step(alone).loss)
        #expect(Tiny.bits(two) == Tiny.bits(one))
    }

    @Test func aLossThatIsNotFiniteStopsTraining() throws {
        let scratch = try Scratch()
        let trainer = try Trainer(try Tiny.model(), optimizer: .adamW(rate: 1e-3), on: try Context(threads: 1))
        let batches = try Tiny.batches()
        try trainer.step(batches[0])
        try trainer.save(to: scratch("checkpoint-1"))
        try trainer.step(batches[1])
        trainer.parameters[0].value.copy(
            from: try Tensor(
                trainer.parameters[0].value.shape,
                [Float](repeating: .nan, count: trainer.parameters[0].value.count)))
        let before = Tiny.bits(trainer)
        let error = #expect(throws: TrainingError.self) { try trainer.step(batches[2]) }
        guard case .notFinite(let step, let quantity, let value, let checkpoint)? = error else {
            Issue.record("a loss of NaN went unnoticed: \(String(describing: error))")
            return
        }
        #expect(step == 3)
        #expect(quantity == "loss")
        #expect(value.isNaN)
        #expect(checkpoint == scratch("checkpoint-1"))
        #expect(Tiny.bits(trainer) == before && trainer.step == 2)
    }

    @Test func clippingBoundsTheStep() throws {
        let batch = try Tiny.batches()[0]
        let context = try Context(threads: 1)
        func moved(clipping: Double?) throws -> (distance: Double, norm: Double) {
            let trainer = try Trainer(try Tiny.model(), optimizer: .sgd(rate: 1), clipping: clipping, on: context)
            let before = trainer.parameters.flatMap(\.value.elements)
            let norm = try trainer.step(batch).gradientNorm
            let after = trainer.parameters.flatMap(\.value.elements)
            let distance = zip(before, after).map { pow(Double($0 - $1), 2) }.reduce(0, +).squareRoot()
            return (distance, norm)
        }
        let free = try moved(clipping: nil)
        #expect(abs(free.distance - free.norm) < 1e-4 * free.norm)
        let clipped = try moved(clipping: 0.01)
        #expect(clipped.norm == free.norm)
        #expect(abs(clipped.distance - 0.01) < 1e-5)
    }

    @Test func badBatchesAreRefused() throws {
        let context = try Context(threads: 1)
        let trainer = try Trainer(try Tiny.model(), optimizer: .sgd(rate: 1), microBatches: 3, on: context)
        func message(_ batch: Batch) -> String {
            do {
                try trainer.step(batch)
                return "accepted"
            } catch { return "\(error)" }
        }
        #expect(message(try Tiny.batches(rows: 4)[0]).contains("3 equal micro-batches"))
        let long = try Tiny.corpus().batches(of: 3, context: 17, seed: 1)[0]
        #expect(message(long).contains("17 tokens is longer than the model's 16"))
        let ids = [Int32](repeating: 256, count: 48)
        let foreign = Batch(tokens: Tokens(ids: ids, batch: 3, length: 16), targets: ids)
        #expect(message(foreign).contains("token 256"))
        #expect(trainer.step == 0)
        for (dropout, parts) in [(1.0, 1), (0.999_999_999_9, 1), (-0.1, 1), (0.1, 0)] {
            #expect(throws: TrainingError.self) {
                try Trainer(
                    try Tiny.model(), optimizer: .sgd(rate: 1), dropout: dropout, microBatches: parts, on: context)
            }
        }
    }

    @Test func aBatchThatCannotFitIsRefusedBeforeItIsAllocated() throws {
        let estimate = MemoryEstimate(try Tiny.model().architecture)
        let small = estimate.activationBytes(rows: 4, context: 16)
        #expect((163_840..<4_194_304).contains(small))
        #expect(estimate.activationBytes(rows: 8, context: 16) > small)
        #expect(estimate.activationBytes(rows: .max / 2, context: 16) == .max)
        let available = try #require(MemoryBudget.available())
        // The run says so before it makes the batch, which alone would take 8 TB.
        let trainer = try Trainer(try Tiny.model(), optimizer: .sgd(rate: 1), on: try Context(threads: 1))
        let huge = #expect(throws: TrainingError.self) { try trainer.run(try Tiny.batches(rows: 1 << 36), until: 1) }
        #expect("\(try #require(huge))".contains("68719476736 sequences"))
        #expect(
            estimate.modelBytes(states: 2, microBatches: 1, workers: 1) == 4 * 4 * trainer.architecture.parameterCount)
        #expect(
            estimate.modelBytes(states: 2, microBatches: 8, workers: 2) == 9 * 4 * trainer.architecture.parameterCount)
        #expect(available > 1 << 20)
        let error = TrainingError.doesNotFit(rows: 1 << 20, context: 1024, needed: 1 << 50, available: 1 << 30)
        #expect("\(error)".contains("1048576 sequences") && "\(error)".contains("smaller batch"))
    }

    @Test func actionsFollowEveryStep() throws {
        final class Recorder: AfterStep {
            var steps: [Int] = []
            func afterStep(_ report: StepReport, of trainer: Trainer) throws(TrainingError) {
                steps.append(trainer.step)
            }
        }
        let recorder = Recorder()
        let trainer = try Trainer(try Tiny.model(), optimizer: .sgd(rate: 0.1), on: try Context(threads: 1))
        trainer.afterStep = [recorder]
        try trainer.run(try Tiny.batches(), until: 3)
        #expect(recorder.steps == [1, 2, 3])
    }

    @Test func steadyStateAllocatesNothing() throws {
        let reducer = SingleWorker()
        let trainer = try Trainer(
            try Tiny.model(dropout: 0.1), optimizer: .adamW(rate: 1e-3), microBatches: 4, reducer: reducer,
            on: try Context(threads: 1))
        try trainer.run(try Tiny.batches(), until: 2)
        let worker = try #require(reducer.worker)
        let before = worker.allocations
        try trainer.run(try Tiny.batches(), until: 10)
        #expect(worker.allocations == before)
    }

    @Test func theSnapshotIsACopy() throws {
        let trainer = try Trainer(try Tiny.model(), optimizer: .sgd(rate: 0.1), on: try Context(threads: 1))
        let snapshot = try trainer.snapshot()
        let before = try snapshot.weights[0].dense().elements
        try trainer.step(try Tiny.batches()[0])
        #expect(try snapshot.weights[0].dense().elements == before)
        #expect(trainer.parameters[0].value.elements != before)
    }

    @Test func evaluationPredictsEveryTokenOnce() throws {
        let model = try Tiny.model()
        let corpus = try Tiny.corpus(200)
        let context = try Context(threads: 2)
        let all = try model.evaluate(on: corpus, rows: 4, on: context)
        #expect(all.tokens == 199 && all.bytes == 199)
        #expect(abs(all.bitsPerByte - 8) < 0.3, "untrained: \(all.bitsPerByte)")
        // The number of stretches at a time does not matter.
        let single = try model.evaluate(on: corpus, rows: 1, on: context)
        #expect(single.loss == all.loss)
        #expect(throws: TrainingError.self) { try model.evaluate(on: corpus, context: 17) }
    }

    @Test func evaluationTakesWhatFits() throws {
        let estimate = MemoryEstimate(try Tiny.model().architecture)
        let available = 1 << 30
        let rows = estimate.inferenceRows(in: available, context: 16)
        #expect(estimate.inferenceBytes(rows: rows, context: 16) <= available)
        #expect(estimate.inferenceBytes(rows: rows + 1, context: 16) > available)
        #expect(estimate.inferenceRows(in: 0, context: 16) == 1)
        #expect(estimate.inferenceBytes(rows: .max, context: .max) == .max)
    }

    @Test func anInterruptedEvaluationSaysHowFarItCame() throws {
        let cancellation = Cancellation()
        let error = #expect(throws: TrainingError.self) {
            try Tiny.model().evaluate(
                on: try Tiny.corpus(200), rows: 1, on: try Context(threads: 1), cancellation: cancellation
            ) { _ in cancellation.cancel() }
        }
        #expect("\(try #require(error))" == "evaluation interrupted after 16 of 199 tokens")
    }
}
