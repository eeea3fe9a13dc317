import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import Foundation
import Testing

@testable import AlambicTraining

/// Measurements beside the training, and what is written of it.
@Suite struct HeldOutTests {
    @Test(arguments: [0, 0.25])
    func theTrainersEvaluationIsTheModels(dropout: Double) throws {
        let context = try Context(threads: 2)
        let trainer = try Trainer(try Tiny.model(dropout: dropout), optimizer: .adamW(rate: 3e-3), on: context)
        try trainer.run(try Tiny.batches(), until: 5)
        // Not a multiple of anything: the last batch is partly empty.
        let corpus = try Tiny.corpus(203)
        let own = try trainer.evaluate(on: corpus, rows: 4, context: 16)
        let model = try trainer.snapshot().evaluate(on: corpus, on: context)
        #expect(own.tokens == 202 && own.bytes == 202)
        // Both are f32 forward passes, with sums in other orders.
        #expect(abs(own.loss - model.loss) < 1e-5 * model.loss, "\(own.loss) and \(model.loss)")
        #expect(throws: TrainingError.self) { try trainer.evaluate(on: corpus, rows: 4, context: 17) }
    }

    @Test(arguments: TrainingDType.allCases)
    func anEvaluationChangesNothingAndTakesNoMemory(dtype: TrainingDType) throws {
        let batches = try Tiny.batches()
        func train(evaluating: Bool) throws -> [UInt32] {
            let reducer = SingleWorker()
            let trainer = try Trainer(
                try Tiny.model(dropout: 0.1), optimizer: .adamW(rate: 3e-3), dtype: dtype, reducer: reducer,
                on: try Context(threads: 1))
            let worker = try #require(reducer.worker)
            try trainer.run(batches, until: 3)
            let before = worker.allocations
            for step in 4...8 {
                if evaluating { _ = try trainer.evaluate(on: try Tiny.corpus(100), rows: 4, context: 16) }
                try trainer.run(batches, until: step)
            }
            #expect(worker.allocations == before)
            return Tiny.bits(trainer)
        }
        #expect(try train(evaluating: true) == train(evaluating: false))
    }

    /// Branches that are left out now and then while training are all there when it is measured, in the same memory.
    @Test func stochasticDepthIsOffInEvaluations() throws {
        let context = try Context(threads: 1)
        let plain = try Tiny.model()
        let gpt = try #require(plain.architecture as? GPT)
        let reducer = SingleWorker()
        let first = try Trainer(
            plain.replacing(architecture: gpt.withStochasticDepth(0.2), weights: plain.weights),
            optimizer: .adamW(rate: 3e-3), reducer: reducer, on: context)
        try first.run(try Tiny.batches(), until: 20)
        let held = try Tiny.corpus(203)
        let worker = try #require(reducer.worker)
        let before = worker.allocations
        _ = try first.evaluate(on: held, rows: 4, context: 16)
        #expect(worker.allocations == before)
        let model = try first.snapshot()
        #expect((model.architecture as? GPT)?.configuration.stochasticDepth == 0.2)
        let expected = try model.evaluate(on: held, on: context).loss
        var losses: [Double] = []
        for seed: UInt64 in [1, 2, 3] {
            let trainer = try Trainer(model, optimizer: .adamW(rate: 3e-3), seed: seed, on: context)
            losses.append(try trainer.evaluate(on: held, rows: 4, context: 16).loss)
        }
        #expect(Set(losses).count == 1, "by seed: \(losses)")
        // Both are f32 forward passes, with sums in other orders.
        for loss in losses { #expect(abs(loss - expected) < 1e-5 * expected, "\(loss) and \(expected)") }
    }

    /// Also a first one, which is no target: noted kernels leave out what they do not find.
    @Test func tokensBeyondTheVocabularyAreNamed() throws {
        let model = try Model(.gpt(layers: 1, width: 16, heads: 2, context: 16, vocabulary: 100), seed: 1)
        let trainer = try Trainer(model, optimizer: .adamW(rate: 1e-3), on: try Context(threads: 1))
        let corpus = try Corpus(text: [122] + [UInt8](repeating: 32, count: 40), tokenizer: .bytes)
        let error = #expect(throws: TrainingError.self) { try trainer.evaluate(on: corpus, rows: 2, context: 16) }
        #expect("\(try #require(error))".contains("122"))
    }

    @Test func metricsHoldWhatWasMeasured() throws {
        let scratch = try Scratch()
        let trainer = try Trainer(try Tiny.model(), optimizer: .adamW(rate: 3e-3), on: try Context(threads: 1))
        trainer.arithmeticPeak = 1e12
        let metrics = try MetricsLog(scratch("metrics.jsonl"))
        let held = HeldOutLoss(on: try Tiny.corpus(300, shift: 7), every: 3, rows: 4, context: 16)
        metrics.heldOut = held
        trainer.afterStep = [metrics]
        try trainer.run(try Tiny.batches(), until: 7)
        let text = try String(contentsOfFile: scratch("metrics.jsonl"), encoding: .utf8)
        let lines = try text.split(separator: "\n").map { try JSON(parsing: Data($0.utf8), path: "metrics") }
        #expect(lines.map { $0["step"]?.int } == Array(1...7))
        for line in lines {
            for key in ["loss", "rate", "gradient_norm", "tokens_per_s", "utilization", "seconds"] {
                #expect(line[key]?.double?.isFinite == true, "\(key) in \(line)")
            }
        }
        #expect(lines.filter { $0["held_loss"] != nil }.map { $0["step"]?.int } == [3, 6])
        #expect(held.measured.map(\.step) == [3, 6])
        #expect(lines[5]["held_loss"]?.double == held.measured[1].loss)
        #expect(held.measured[1].loss < held.measured[0].loss)
    }

    @Test(arguments: [Double.infinity, .nan])
    func aGradientThatIsNotFiniteChangesNothing(value: Double) throws {
        /// Spoils the gradients of one step.
        final class Spoiler: GradientReducer {
            let inner = SingleWorker()
            var value: Float?
            var concurrency: Int { 1 }
            func prepare(
                on context: Context, makeWorker: (Context) throws(TrainingError) -> Worker
            ) throws(TrainingError) { try inner.prepare(on: context, makeWorker: makeWorker) }
            func sum(of microBatches: [MicroBatch]) throws(TrainingError) -> (Loss, GradientSet) {
                let (loss, gradients) = try inner.sum(of: microBatches)
                let last = gradients.tensors[gradients.tensors.count - 1]
                if let value {
                    var elements = last.mutableSpan
                    elements[0] = value
                }
                return (loss, gradients)
            }
        }
        let spoiler = Spoiler()
        let scratch = try Scratch()
        let trainer = try Trainer(
            try Tiny.model(), optimizer: .adamW(rate: 1e-3), dtype: .bf16, reducer: spoiler,
            on: try Context(threads: 2))
        let batches = try Tiny.batches()
        try trainer.step(batches[0])
        try trainer.save(to: scratch("checkpoint-1"))
        let before = Tiny.bits(trainer)
        let moments = trainer.state.named.map { $0.tensor.elements }
        spoiler.value = Float(value)
        let error = #expect(throws: TrainingError.self) { try trainer.step(batches[1]) }
        let text = "\(try #require(error))"
        #expect(text.contains("gradient norm") && text.contains("step 2") && text.contains("checkpoint-1'"), "\(text)")
        #expect(Tiny.bits(trainer) == before && trainer.step == 1)
        #expect(trainer.state.named.map { $0.tensor.elements } == moments)
        // And goes on as if it had not been.
        spoiler.value = nil
        try trainer.step(batches[1])
        let other = try Trainer(
            try Tiny.model(), optimizer: .adamW(rate: 1e-3), dtype: .bf16, on: try Context(threads: 2))
        for batch in batches.prefix(2) { try other.step(batch) }
        #expect(Tiny.bits(trainer) == Tiny.bits(other))
    }
}
