import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor
import Foundation
import Testing

@testable import AlambicTraining

/// What becomes of adapters outside of their training: measured, merged, saved, loaded.
@Suite struct MergedModelTests {
    private static let targets = ["c_attn", "mlp"]

    private static func trainer(
        _ base: FrozenWeight.Form, dropout: Double = 0, dtype: TrainingDType = .f32
    ) throws -> Trainer {
        try LoRATests.trainer(
            LoRA(rank: 4, alpha: 8, dropout: dropout, targets: targets, base: base), of: LoRATests.model(), dtype: dtype
        )
    }

    private static let tokens = Tokens(ids: Array("ALAMBIC distils ".utf8).map(Int32.init), batch: 1, length: 16)

    /// What the training's forward pass makes of adapters beside their base.
    private func adapted(_ trainer: Trainer) throws -> [Float] {
        let tape = try Tape(trainer.parameters, on: trainer.context)
        try tape.begin(seed: 1, dropout: false, gradients: .replace)
        let hidden = try trainer.architecture.hidden(Self.tokens, on: tape)
        return try tape.linear(hidden, weight: trainer.architecture.head, bias: nil).value.elements
    }

    /// What a model makes of the same.
    private func logits(_ model: Model, on context: Context) throws -> [Float] {
        let inference = try model.makeInference(on: context)
        let hidden = try model.architecture.hidden(Self.tokens, on: inference)
        return try inference.logits(hidden, rows: 0..<16, head: model.architecture.head).elements
    }

    private func distance(_ a: [Float], _ b: [Float]) -> Float {
        a.count == b.count ? zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } : .infinity
    }

    /// A new adapter changes nothing, and a merged one what it changed while it was apart, before and after the model has
    /// been a file.
    @Test(arguments: FrozenWeight.Form.allCases)
    func theMergedModelIsTheAdaptedOne(base: FrozenWeight.Form) throws {
        let trainer = try Self.trainer(base)
        let context = trainer.context
        let fresh = try adapted(trainer)
        // Logits of about 1, and sums of at most 128 terms in three times eight products, in another order.
        let tolerance = (24.0 * 128).squareRoot() * 0x1p-23
        #expect(Double(distance(try logits(try trainer.snapshot(), on: context), fresh)) < tolerance)
        if base == .f32 {
            let snapshot = try trainer.snapshot()
            #expect(snapshot.digest == (try LoRATests.model()).digest, "B is zero")
        }
        try LoRATests.disturb(trainer)
        let own = try adapted(trainer)
        #expect(distance(own, fresh) > 1e-2)
        // As above; the first norm divides by a deviation of 0.03, and so the errors before it.
        let amplified = 32 * tolerance
        let scratch = try Scratch()
        let snapshot = try trainer.snapshot()
        #expect(Double(distance(try logits(snapshot, on: context), own)) < amplified)
        try trainer.saveModel(to: scratch("merged"))
        let loaded = try Model(contentsOf: scratch("merged"))
        #expect(loaded.digest == snapshot.digest && loaded.weights.allSatisfy { $0.formName == "f32" })
        #expect(Double(distance(try logits(loaded, on: context), own)) < amplified)
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch("merged")).sorted()
        #expect(names == ["config.json", "model.safetensors", "tokenizer_config.json"], "\(names)")
    }

    /// bf16 files hold the merged weights, each rounded once to nearest.
    @Test(arguments: FrozenWeight.Form.allCases)
    func bf16FilesAreRounded(base: FrozenWeight.Form) throws {
        let trainer = try Self.trainer(base)
        try LoRATests.disturb(trainer)
        let scratch = try Scratch()
        try trainer.saveModel(to: scratch("merged"), floats: .bf16)
        let url = URL(fileURLWithPath: scratch("merged/model.safetensors"))
        let file = try SafeTensors(contentsOf: url)
        #expect(file.names.allSatisfy { file[$0]?.dtype == .bf16 })
        let (exact, loaded) = (try trainer.snapshot(), try Model(contentsOf: scratch("merged")))
        for (a, b) in zip(exact.weights, loaded.weights) {
            let (x, y) = (try a.dense().elements, try b.dense().elements)
            #expect(zip(x, y).allSatisfy { abs($0 - $1) <= abs($0) * 0x1p-8 && $1.bitPattern & 0xFFFF == 0 })
        }
    }

    /// Held-out losses are those of the model without any dropout, in the layers and before the adapters.
    @Test(arguments: FrozenWeight.Form.allCases)
    func heldOutLossesDropNothing(base: FrozenWeight.Form) throws {
        let trainer = try LoRATests.trainer(
            LoRA(rank: 4, alpha: 8, dropout: 0.5, base: base), of: try LoRATests.model(dropout: 0.3))
        try LoRATests.disturb(trainer, by: 0.1)
        let corpus = try Tiny.corpus(203)
        let own = try trainer.evaluate(on: corpus, rows: 4, context: 16)
        let whole = try trainer.snapshot().evaluate(on: corpus, on: trainer.context)
        #expect(abs(own.loss - whole.loss) < 1e-5 * whole.loss, "\(own.loss) and \(whole.loss)")
        // While it trains it does drop: the first step's loss is another one than without.
        func firstLoss(_ dropout: Double) throws -> Double {
            let trainer = try LoRATests.trainer(LoRA(rank: 4, alpha: 8, dropout: dropout, base: base))
            try LoRATests.disturb(trainer, by: 0.1)
            return try trainer.step(try Tiny.batches()[0]).loss
        }
        #expect(abs(try firstLoss(0.5) - firstLoss(0)) > 1e-3)
    }

    @Test(arguments: FrozenWeight.Form.allCases, TrainingDType.allCases)
    func anEvaluationChangesNothingAndTakesNoMemory(base: FrozenWeight.Form, dtype: TrainingDType) throws {
        func train(evaluating: Bool) throws -> [UInt32] {
            let reducer = SingleWorker()
            let trainer = try Trainer(
                try LoRATests.model(dropout: 0.1), optimizer: .adamW(rate: 3e-3), dtype: dtype,
                adapters: LoRA(rank: 4, dropout: 0.25, base: base), reducer: reducer, on: try Context(threads: 1))
            let worker = try #require(reducer.worker)
            let batches = try Tiny.batches()
            try trainer.run(batches, until: 3)
            let before = worker.allocations
            for step in 4...6 {
                if evaluating { _ = try trainer.evaluate(on: try Tiny.corpus(100), rows: 4, context: 16) }
                try trainer.run(batches, until: step)
            }
            #expect(worker.allocations == before)
            return LoRATests.bits(trainer.trained)
        }
        #expect(try train(evaluating: true) == train(evaluating: false))
    }
}
