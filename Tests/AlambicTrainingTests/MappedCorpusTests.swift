import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTokenizers
import Foundation
import Testing

@testable import AlambicTraining

/// A corpus in a mapped file is the corpus that was written.
@Suite struct MappedCorpusTests {
    private func mapped(_ corpus: Corpus, in scratch: Scratch) throws -> Corpus {
        try corpus.write(to: scratch("x.tokens"))
        return try Corpus(mapping: scratch("x.tokens"))
    }

    @Test func isTheCorpusThatWasWritten() throws {
        let scratch = try Scratch()
        let text = try Tiny.corpus()
        let file = try mapped(text, in: scratch)
        #expect(file.tokens.isMapped && !text.tokens.isMapped)
        #expect(file.digest == text.digest && file.vocabulary == 256 && file.byteCount == text.byteCount)
        #expect(Array(file.tokens) == Array(text.tokens) && file.tokenizer is ByteTokenizer)
        let (one, two) = (try text.split(0.7), try file.split(0.7))
        for (a, b) in [(one.train, two.train), (one.held, two.held), (try text.prefix(9), try file.prefix(9))] {
            #expect(a.digest == b.digest && a.byteCount == b.byteCount && Array(a.tokens) == Array(b.tokens))
        }
        let (a, b) = (
            try one.train.batches(of: 3, context: 16, seed: 4), try two.train.batches(of: 3, context: 16, seed: 4)
        )
        #expect(a.source == b.source)
        for index in [0, 1, 50, 1000] {
            #expect(a[index].tokens == b[index].tokens && a[index].targets == b[index].targets, "batch \(index)")
        }
    }

    @Test func carriesItsTokenizer() throws {
        let scratch = try Scratch()
        let text = Array("so schön ist die Kür".utf8)
        let characters = try CharacterTokenizer(of: text)
        let file = try mapped(try Corpus(text: text, tokenizer: characters), in: scratch)
        #expect(file.tokenizer as? CharacterTokenizer == characters && file.byteCount == text.count)
        #expect(try file.tokenizer.decode(Array(file.tokens)) == text)
        #expect(
            try file.split(0.5).held.byteCount == Corpus(text: text, tokenizer: characters).split(0.5).held.byteCount)
        #expect(try Corpus(mapping: scratch("x.tokens"), tokenizer: characters).vocabulary == characters.vocabularySize)
    }

    @Test func anotherTokenizerIsRefused() throws {
        let scratch = try Scratch()
        let text = Array("abc abd".utf8)
        _ = try mapped(try Corpus(text: text, tokenizer: try CharacterTokenizer(of: text)), in: scratch)
        for other: any Tokenizer in [ByteTokenizer(), try CharacterTokenizer(of: Array("abe ".utf8))] {
            let error = #expect(throws: CorpusError.self) {
                try Corpus(mapping: scratch("x.tokens"), tokenizer: other)
            }
            let line = try #require(error).description
            #expect(line.contains("CharacterTokenizer (5 tokens") && line.contains("\(other.name) ("), "\(line)")
            #expect(!line.contains("\n"))
        }
    }

    @Test func filesThatAreNoneAreRefused() throws {
        let scratch = try Scratch()
        try "text".write(toFile: scratch("x"), atomically: true, encoding: .utf8)
        #expect(!Corpus.isTokenized(scratch("x")))
        for name in ["x", "nothing"] {
            let error = #expect(throws: CorpusError.self) { try Corpus(mapping: scratch(name)) }
            #expect(try #require(error).description.contains(scratch(name)))
        }
    }

    /// The tokens themselves are not checked when the file is opened; a step refuses the batch that holds a bad one.
    @Test func aDamagedTokenStopsTheStep() throws {
        let scratch = try Scratch()
        try Tiny.corpus(100).write(to: scratch("x.tokens"))
        let url = URL(fileURLWithPath: scratch("x.tokens"))
        var data = try Data(contentsOf: url)
        for place in 0..<100 { data[4096 + 2 * place + 1] = 0xFF }
        try data.write(to: url)
        let batches = try Corpus(mapping: scratch("x.tokens")).batches(of: 2, context: 16, seed: 1)
        let trainer = try ResumeTests.trainer()
        let error = #expect(throws: TrainingError.self) { try trainer.run(batches, until: 1) }
        #expect(try #require(error).description.contains("outside of the model's vocabulary"))
    }

    /// 16 context tokens, 4 rows, 4000 bytes: an epoch is 62 batches, so that step 7 is within the first.
    @Test func resumesInMidEpochBitForBit() throws {
        let scratch = try Scratch()
        try Tiny.corpus().write(to: scratch("x.tokens"))
        func batches() throws -> Batches {
            try Corpus(mapping: scratch("x.tokens")).batches(of: 4, context: 16, seed: 3)
        }
        #expect(try batches().perEpoch > 12)
        let whole = try ResumeTests.trainer()
        try whole.run(try batches(), until: 12)
        let first = try ResumeTests.trainer()
        try first.run(try batches(), until: 7)
        try first.save(to: scratch("c"))
        let second = try ResumeTests.trainer()
        try second.resume(from: scratch("c"))
        try second.run(try batches(), until: 12)
        #expect(Tiny.bits(second) == Tiny.bits(whole))
        // The run is that of the text, too, and may be resumed from it.
        let text = try ResumeTests.trainer()
        try text.resume(from: scratch("c"))
        try text.run(try Tiny.batches(), until: 12)
        #expect(Tiny.bits(text) == Tiny.bits(whole))
        let other = try ResumeTests.trainer()
        try other.resume(from: scratch("c"))
        let error = #expect(throws: TrainingError.self) {
            try other.run(try Tiny.corpus(shift: 1).batches(of: 4, context: 16, seed: 3), until: 12)
        }
        #expect(try #require(error).description.contains("the data's digest"))
    }

    @Test func theLoaderGivesTheBatches() throws {
        let scratch = try Scratch()
        for corpus in [try Tiny.corpus(), try mapped(try Tiny.corpus(), in: scratch)] {
            for rows in [4, 4100] {
                let batches = try corpus.batches(of: rows, context: 16, seed: 9)
                let loader = BatchLoader(batches)
                // In order, with jumps, and the same one again.
                for index in [0, 1, 2, 3, 10, 11, 11, 5, 6] {
                    let batch = loader.batch(index, last: index == 6)
                    #expect(batch.index == index && batch.tokens == batches[index].tokens, "batch \(index)")
                    #expect(batch.targets == batches[index].targets && batch.source == batches.source)
                }
                // One that was begun may be left.
                _ = BatchLoader(batches).batch(3, last: false)
            }
        }
    }
}
