import Alambic
import Foundation
import Testing

/// The whole way in a page, as the README shows it, at a size that takes a second.
@Suite struct CallSiteTests {
    @Test func theWholeWay() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("whole-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let input = "\(folder)/input.txt"
        let line = "To be, or not to be, that is the question: whether 'tis nobler in the mind to suffer\n"
        try String(repeating: line, count: 60).write(toFile: input, atomically: true, encoding: .utf8)
        try Model(.gpt(layers: 2, width: 32, heads: 4, context: 32), seed: 7).save(to: "\(folder)/teacher")

        let machine = Machine.local
        let (train, held) = try Corpus(contentsOf: input, tokenizer: .bytes).split(0.9)
        let teacher = try Model(contentsOf: "\(folder)/teacher")

        let trainer = try Trainer(
            Model(.gpt(layers: 1, width: 32, heads: 4, context: 32, vocabulary: train.vocabulary), seed: 1),
            objective: .distillation(from: teacher, temperature: 2, mixing: 0.1),
            optimizer: .adamW(rate: .cosine(peak: 1e-2, warmup: 5, over: 60), weightDecay: 0.1),
            on: machine)
        for batch in try train.batches(of: 8, context: 32, seed: 1).prefix(60) {
            let report = try trainer.step(batch)
            if report.step.isMultiple(of: 100) { print(report.step, report.loss, report.tokensPerSecond) }
        }
        let sparse = try trainer.pruned(.magnitude, to: .unstructured(0.5), rounds: 2, retraining: 20, on: train)
        let small = try sparse.quantized(.int8(weights: .perChannel, activations: .perToken), except: "head")
        try small.save(to: "\(folder)/small")

        let (loss, text) = (try small.loss(on: held), try small.generate(after: "To be", tokens: 64))
        #expect(loss < log(256) - 1, "\(loss)")
        #expect(!text.isEmpty)
        #expect(try Model(contentsOf: "\(folder)/small").loss(on: held) == loss)
    }
}
