import AlambicTokenizers
import Foundation
import Testing

@testable import AlambicTraining

@Suite struct CorpusTests {
    private func corpus(_ count: Int) throws -> Corpus {
        try Corpus(text: (0..<count).map { UInt8(32 + $0 % 90) }, tokenizer: .bytes)
    }

    @Test func readsAndSplits() throws {
        let corpus = try Corpus(text: Array("0123456789".utf8), tokenizer: .bytes)
        #expect(corpus.vocabulary == 256)
        #expect(corpus.byteCount == 10)
        #expect(corpus.tokens.count == 10)
        let (train, held) = try corpus.split(0.8)
        #expect(Array(train.tokens) == Array("01234567".utf8).map(Int32.init))
        #expect(Array(held.tokens) == Array("89".utf8).map(Int32.init))
        #expect(train.byteCount == 8 && held.byteCount == 2)
        let digests: Set<UInt64> = [corpus.digest, train.digest, held.digest]
        #expect(digests.count == 3)
        for fraction in [0, 1, -1, 2, Double.nan] {
            #expect(throws: CorpusError.self) { try corpus.split(fraction) }
        }
    }

    @Test func joinsFilesInOrder() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("corpus-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (a, b) = (folder.appendingPathComponent("a").path, folder.appendingPathComponent("b").path)
        try "one".write(toFile: a, atomically: true, encoding: .utf8)
        try "two".write(toFile: b, atomically: true, encoding: .utf8)
        let corpus = try Corpus(contentsOf: [b, a], tokenizer: .bytes, name: "both")
        #expect(Array(corpus.tokens) == Array("twoone".utf8).map(Int32.init))
        #expect(try Corpus(contentsOf: a, tokenizer: .bytes).byteCount == 3)
    }

    @Test func badInputIsNamed() throws {
        #expect(throws: CorpusError.empty("text")) { try Corpus(text: [], tokenizer: .bytes) }
        func message(_ body: () throws -> Corpus) -> String {
            do {
                _ = try body()
                return ""
            } catch { return "\(error)" }
        }
        #expect(message { try Corpus(text: [65, 66, 0, 67], tokenizer: .bytes) }.contains("NUL"))
        #expect(
            message { try Corpus(text: [UInt8](repeating: 0x9F, count: 50), tokenizer: .bytes) }.contains("not text"))
        #expect(message { try Corpus(contentsOf: "/nowhere/at/all.txt", tokenizer: .bytes) }.contains("/nowhere"))
        #expect(throws: CorpusError.tooShort("text", tokens: 8, needed: 9)) {
            try corpus(8).batches(of: 1, context: 8, seed: 1)
        }
    }

    @Test func targetsFollowTheirTokens() throws {
        let corpus = try corpus(1000)
        let batches = try corpus.batches(of: 3, context: 7, seed: 5)
        for index in [0, 1, 17, 400] {
            let batch = batches[index]
            #expect(batch.tokens.batch == 3 && batch.tokens.length == 7 && batch.index == index)
            for row in 0..<3 {
                for position in 0..<6 {
                    let next = batch.tokens.ids[row * 7 + position + 1]
                    #expect(batch.targets[row * 7 + position] == next)
                }
                // The text counts up from 32 to 121 again and again.
                let last = batch.tokens.ids[row * 7 + 6]
                let next: Int32 = last == 121 ? 32 : last + 1
                #expect(batch.targets[row * 7 + 6] == next)
            }
        }
    }

    @Test func anEpochVisitsEveryStretchOnce() throws {
        // 41 tokens: 10 stretches of 4, from the first token on, since there is no stretch to spare.
        let text = (0..<41).map { UInt8(40 + $0) }
        let batches = try Corpus(text: text, tokenizer: .bytes).batches(of: 2, context: 4, seed: 9)
        #expect(batches.perEpoch == 5)
        for epoch in 0..<3 {
            let starts: [Int32] = (0..<5).flatMap { index in
                let batch = batches[epoch * 5 + index]
                return [batch.tokens.ids[0], batch.tokens.ids[4]]
            }
            let expected = (0..<10).map { Int32(40 + 4 * $0) }
            #expect(starts.sorted() == expected, "epoch \(epoch)")
        }
    }

    @Test func batchesAreAFunctionOfTheirIndex() throws {
        let batches = try corpus(5000).batches(of: 4, context: 16, seed: 2)
        let first = Array(batches.prefix(30))
        let later = Array(batches.starting(at: 20).prefix(10))
        for (a, b) in zip(first[20...], later) {
            #expect(a.tokens == b.tokens && a.targets == b.targets && a.index == b.index)
        }
        let other = try corpus(5000).batches(of: 4, context: 16, seed: 3)
        #expect(other[0].tokens != first[0].tokens)
        #expect(other.source != batches.source)
    }

    @Test func aCorpusOfOneStretchWorks() throws {
        let batches = try corpus(9).batches(of: 2, context: 8, seed: 1)
        #expect(batches.perEpoch == 1)
        #expect(batches[3].tokens.ids.count == 16)
    }
}
