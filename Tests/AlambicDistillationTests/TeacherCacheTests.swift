import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTestSupport
import AlambicTokenizers
import Foundation
import Testing

@testable import AlambicDistillation
@testable import AlambicTraining

@Suite struct TeacherCacheTests {
    private func file(_ name: String) -> String {
        FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString)-\(name)").path
    }

    private func cache(
        _ teacher: Model, topK: Int, temperature: Double = 1, context: Int = 8
    ) throws -> (TeacherCache, String) {
        let path = file("teacher.safetensors")
        try TeacherCache.write(
            teacher: teacher, corpus: try sampleText(), context: context, topK: topK, temperature: temperature,
            rows: 7, to: path, on: try Context(threads: 1))
        return (try TeacherCache(contentsOf: path), path)
    }

    @Test(arguments: [1.0, 2.0])
    func allProbabilitiesAreTheTeacher(temperature: Double) throws {
        let (teacher, student) = (try trained(try small(seed: 2)), try small())
        let (cache, path) = try cache(teacher, topK: 256, temperature: temperature)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let cached = try evaluate(try CachedDistillation(from: cache, mixing: 0.6), of: student, aligned: true)
        let whole = try evaluate(
            try Distillation(from: teacher, temperature: temperature, mixing: 0.6), of: student, aligned: true)
        // Probabilities of half precision: 2^-11 of a log-probability of up to 12.
        #expect(abs((cached.loss.terms["soft"] ?? 0) - (whole.loss.terms["soft"] ?? 1)) < 0.01)
        #expect(cached.loss.terms["hard"] == whole.loss.terms["hard"])
    }

    @Test func fewerProbabilitiesBoundTheDivergenceFromBelow() throws {
        let (teacher, student) = (try trained(try small(seed: 2)), try small())
        let whole = try evaluate(try Distillation(from: teacher, temperature: 1, mixing: 1), of: student, aligned: true)
        var last = 0.0
        for k in [1, 4, 16, 64] {
            let (cache, path) = try cache(teacher, topK: k)
            defer { try? FileManager.default.removeItem(atPath: path) }
            let found = try evaluate(try CachedDistillation(from: cache, mixing: 1), of: student, aligned: true)
            #expect(found.loss.total < whole.loss.total + 0.01 && found.loss.total > last - 0.01, "\(k)")
            last = found.loss.total
            if k == 16 {
                try checkGradients(
                    try CachedDistillation(from: cache, mixing: 0.7), of: student, aligned: true, "cached")
            }
        }
    }

    @Test func rowsAreTheTeachersLikeliestTokens() throws {
        let teacher = try trained(try small(seed: 2))
        let (cache, path) = try cache(teacher, topK: 5)
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(cache.description.stretches == 2999 / 8 && cache.description.tokenizerName == ByteTokenizer.className)
        let corpus = try sampleText()
        let context = try Context(threads: 1)
        for stretch in [0, 13, cache.description.stretches - 1] {
            let known = try #require(cache.rows(from: [stretch * 8], length: 8))
            let inference = try teacher.makeInference(on: context)
            let ids = Array(corpus.tokens[stretch * 8..<stretch * 8 + 8])
            let hidden = try teacher.architecture.hidden(Tokens(ids), on: inference)
            let logits = try inference.logits(hidden, rows: 0..<8, head: teacher.architecture.head).elements
            for t in 0..<8 {
                let row = logits[t * 256..<(t + 1) * 256].map(Double.init)
                let top = row.max() ?? 0
                let logSum = top + log(row.reduce(0) { $0 + exp($1 - top) })
                let best = row.indices.sorted { row[$0] == row[$1] ? $0 < $1 : row[$0] > row[$1] }.prefix(5)
                #expect(known.classes[t * 5..<t * 5 + 5].map(Int.init) == Array(best))
                for (i, token) in best.enumerated() {
                    #expect(abs(Double(known.logProbabilities[t * 5 + i]) - (row[token] - logSum)) < 0.01)
                }
                let mass = best.reduce(0) { $0 + exp(row[$1] - logSum) }
                #expect(abs(Double(known.tails[t]) - (1 - mass)) < 0.002)
            }
        }
        #expect(cache.rows(from: [4], length: 8) == nil && cache.rows(from: [2992], length: 8) == nil)
        #expect(cache.rows(from: [0], length: 9) == nil && cache.rows(from: [-8], length: 8) == nil)
    }

    @Test func aStudentLearnsFromACache() throws {
        let teacher = try trained(try small(seed: 2))
        let (cache, path) = try cache(teacher, topK: 16, context: 16)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let trainer = try Trainer(
            try small(layers: 1), objective: try CachedDistillation(from: cache, mixing: 1),
            optimizer: .adamW(rate: 3e-3), microBatches: 2, on: try Context(threads: 2))
        let corpus = try sampleText()
        let batches = try corpus.batches(of: 4, context: 16, seed: 1).aligned
        let first = try trainer.step(batches[0])
        try trainer.run(batches, until: 40)
        let last = try trainer.step(batches[40])
        #expect((last.terms["soft"] ?? 1) < (first.terms["soft"] ?? 0) / 2, "\(first.terms) \(last.terms)")
        // Text that says nothing of its place is measured by itself.
        let held = try trainer.evaluate(on: corpus.prefix(200), rows: 2, context: 16)
        #expect(abs(held.loss - (try trainer.snapshot().loss(on: corpus.prefix(200), context: 16))) < 0.05)
    }

    @Test func otherTextsTokenizersAndCutsAreNamed() throws {
        let teacher = try small(seed: 2)
        let (cache, path) = try cache(teacher, topK: 2, context: 16)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let objective = try CachedDistillation(from: cache)
        func trainer(_ model: Model) throws -> Trainer {
            try Trainer(model, objective: objective, optimizer: .sgd(rate: 0.1), on: try Context(threads: 1))
        }
        let vocabulary = message { _ = try trainer(try small(vocabulary: 100)) }
        #expect(vocabulary.contains("256") && vocabulary.contains("100") && vocabulary.contains(path), "\(vocabulary)")
        let characters = try CharacterTokenizer(of: Array("abc".utf8))
        let tokenizer = message { _ = try trainer(try small().replacing(tokenizer: characters)) }
        #expect(tokenizer.contains(String(characters.digest, radix: 16)) && tokenizer.contains("hash"), "\(tokenizer)")
        let student = try trainer(try small())
        let shifted = message { _ = try student.step(try sampleText().batches(of: 2, context: 16, seed: 1)[0]) }
        #expect(shifted.contains("shifted") && shifted.contains("16"), "\(shifted)")
        let short = message { _ = try student.step(try sampleText().batches(of: 2, context: 8, seed: 1).aligned[0]) }
        #expect(short.contains("of 8"), "\(short)")
        let other = message {
            let text = try sampleText().split(0.5).train
            _ = try student.step(try text.batches(of: 2, context: 16, seed: 1).aligned[0])
        }
        #expect(other.contains("digest"), "\(other)")
    }

    @Test func filesThatAreNoCachesAreNamed() throws {
        let teacher = try small(seed: 2)
        let (_, path) = try cache(teacher, topK: 2)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        let cut = file("cut.safetensors")
        try bytes.prefix(bytes.count - 5).write(to: URL(fileURLWithPath: cut))
        defer { try? FileManager.default.removeItem(atPath: cut) }
        #expect(message { _ = try TeacherCache(contentsOf: cut) }.contains(cut))
        let model = file("model")
        try teacher.save(to: model)
        defer { try? FileManager.default.removeItem(atPath: model) }
        #expect(
            message { _ = try TeacherCache(contentsOf: model + "/model.safetensors") }.contains("not a teacher cache"))
        #expect(message { _ = try TeacherCache(contentsOf: cut + ".none") }.contains(".none"))
    }

    @Test func halvesRoundToNearest() {
        for (value, bits): (Float, UInt16) in [
            (0, 0), (-0.0, 0x8000), (1, 0x3c00), (-2, 0xc000), (65504, 0x7bff), (1e9, 0x7bff), (-.infinity, 0xfbff),
            (0x1p-24, 1), (0x1p-25, 0), (0x1.8p-24, 2), (0x1p-14, 0x400), (1 + 0x1p-11, 0x3c00),
            (1 + 0x1.8p-10, 0x3c02),
        ] {
            #expect(Half.bits(value) == bits, "\(value)")
        }
        for bits in stride(from: UInt16(0), to: 0x7c00, by: 37) { #expect(Half.bits(Half.float(bits)) == bits) }
    }

    @Test func alignedBatchesShowEveryStretchOnce() throws {
        let batches = try sampleText().batches(of: 11, context: 16, seed: 3).aligned
        let all = 2999 / 16
        var seen: [Int] = []
        for batch in batches.prefix(batches.perEpoch) { seen += batch.starts ?? [] }
        #expect(seen.prefix(all).sorted() == (0..<all).map { 16 * $0 })
        let batch = batches[5]
        let tokens = try sampleText().tokens
        for (row, start) in (batch.starts ?? []).enumerated() {
            #expect(Array(batch.tokens.ids[row * 16..<row * 16 + 16]) == Array(tokens[start..<start + 16]))
        }
        #expect(batches.aligned.source == batches.source && batches.source.isAligned)
    }
}
