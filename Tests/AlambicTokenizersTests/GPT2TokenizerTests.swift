import AlambicTestSupport
import Foundation
import Testing

@testable import AlambicTokenizers

@Suite struct GPT2TokenizerTests {
    static let corpus =
        "low low low lower lowest newer newest the the other then there's wider widest aa aaa aaaa é é éé 42"
    private let small = SmallVocabulary(learnedFrom: corpus, mergeCount: 40)

    private func load(_ files: [(name: String, contents: [UInt8])]) throws -> GPT2Tokenizer {
        try GPT2Tokenizer(files: TokenizerFiles(files, path: "memory"))
    }

    @Test func doesWhatTheSlowWayDoes() throws {
        let tokenizer = try load(small.files())
        #expect(tokenizer.vocabularySize == small.tokens.count + 1)
        for seed in UInt64(1)...60 {
            let text = drawnText(Int(seed) * 2, seed: seed)
            #expect(try tokenizer.encode(text) == small.naiveTokens(text), "seed \(seed): \(text.debugDescription)")
        }
        for text in ["", " ", "  ", " \n", "\n\n x", "a  ", "'", "'r", "don't 'tis", " 's", "x's  y", "a\u{301}'re"] {
            #expect(try tokenizer.encode(text) == small.naiveTokens(text), "\(text.debugDescription)")
        }
    }

    /// Pieces beyond the length that is scanned go through a heap.
    @Test func longPiecesAreMergedAlike() throws {
        let tokenizer = try load(small.files())
        for count in [46, 47, 48, 49, 50, 97, 1000] {
            for text in [
                String(repeating: "a", count: count), String(repeating: "lower", count: count / 5),
                String(repeating: "é", count: count / 2), String(repeating: " ", count: count) + "low",
            ] {
                #expect(try tokenizer.encode(text) == small.naiveTokens(text), "\(count): \(text)")
            }
        }
        let long = [UInt8](repeating: UInt8(ascii: "a"), count: 300_000)
        #expect(try tokenizer.decode(tokenizer.encode(long)) == long)
    }

    @Test func anyBytesComeBack() throws {
        let tokenizer = try load(small.files())
        for seed in UInt64(1)...40 {
            var random = SplitMix(seed: seed)
            let bytes = random.integers(Int(seed * seed), in: UInt8.min...UInt8.max)
            #expect(try tokenizer.decode(tokenizer.encode(bytes)) == bytes, "seed \(seed)")
            let text = Array(drawnText(200, seed: seed).utf8)
            #expect(try tokenizer.decode(tokenizer.encode(text)) == text, "seed \(seed)")
        }
        for token in [-1, Int32(small.tokens.count + 1), .max] {
            #expect(throws: TokenizerError.unknownToken(token, vocabularySize: small.tokens.count + 1)) {
                try tokenizer.decode([0, token])
            }
        }
    }

    @Test func specialTokensAreKnownByTheirText() throws {
        let tokenizer = try load(small.files())
        let end = Int32(small.tokens.count)
        #expect(tokenizer.token(ofSpecial: SmallVocabulary.special) == end)
        let text = "low <|endoftext|>low<|endoftext|><|endoftext <|endoftext|>"
        let parts = try ["low ", "low", "<|endoftext "].map { try tokenizer.encode($0) }
        #expect(try tokenizer.encode(text) == parts[0] + [end] + parts[1] + [end] + parts[2] + [end])
        #expect(try tokenizer.decode(tokenizer.encode(text)) == Array(text.utf8))
        #expect(try tokenizer.encodeOrdinary(Array(text.utf8)) == small.naiveTokens(text))
    }

    @Test func partsGiveTheTokensOfTheWhole() throws {
        let tokenizer = try load(small.files())
        for seed in UInt64(1)...20 {
            let bytes = Array(drawnText(400, seed: seed).utf8)
            let whole = tokenizer.encode(bytes)
            for size in [1, 7, 100, 10_000] {
                var last = 0
                let tokens = try tokenizer.encode(bytes, partSize: size) { last = $0 }
                #expect(tokens == whole && last == bytes.count, "seed \(seed), parts of \(size)")
            }
        }
    }

    @Test func allKindsOfFilesMakeTheSameTokenizer() throws {
        let tokenizer = try load(small.files())
        let saved = tokenizer.files
        for files in [
            small.files("encoder.json", "vocab.bpe"), saved,
            [(name: "tokenizer.json", contents: try small.tokenizerJSON(pairs: true))],
            [(name: "tokenizer.json", contents: try small.tokenizerJSON(pairs: false))],
        ] {
            let again = try load(files)
            #expect(again.digest == tokenizer.digest, "\(files.map(\.name))")
            #expect(again.files.map(\.contents) == saved.map(\.contents), "\(files.map(\.name))")
        }
        #expect(try Tokenizers.load(TokenizerFiles(saved, path: "memory")) is GPT2Tokenizer)
        // GPT-2's own directory names no class.
        let bare =
            saved.dropFirst() + [(name: "tokenizer_config.json", contents: Array(#"{"model_max_length": 8}"#.utf8))]
        #expect(try Tokenizers.load(TokenizerFiles(Array(bare), path: "memory")) is GPT2Tokenizer)
        let other = try load(SmallVocabulary(learnedFrom: Self.corpus, mergeCount: 12).files())
        #expect(other.digest != tokenizer.digest)
    }

    @Test(arguments: [
        ("merges.txt", "#version: 0.2\nq\n", "merge 1"), ("merges.txt", "#version: 0.2\nzz zz\n", "merge 1"),
        ("vocab.json", "[]", "not a JSON object"), ("vocab.json", #"{"a": 0} x"#, "not a JSON object"),
        ("vocab.json", #"{"a": -1}"#, "numbered from 0"), ("vocab.json", #"{"\ud83d": 0}"#, "not a JSON object"),
        ("vocab.json", #"{"a": 0"#, "not a JSON object"),
        ("vocab.json", #"{"a": 0, "a": 1}"#, "token"), ("vocab.json", #"{"a": 0, "b": 0}"#, "each once"),
        ("vocab.json", "{}", "whole numbers"),
        ("vocab.json", #"{"a": "b"}"#, "whole numbers"), ("vocab.json", #"{"a": 1}"#, "numbered from 0"),
        ("vocab.json", #"{"a": 0}"#, "no token for byte"), ("vocab.json", #"{"a": 0, "漢": 1}"#, "no token for byte"),
    ])
    func damagedFilesAreNamed(name: String, contents: String, says: String) throws {
        let files = small.files().map { $0.name == name ? (name: name, contents: Array(contents.utf8)) : $0 }
        let error = #expect(throws: TokenizerError.self) { try load(files) }
        let line = try #require(error).description
        #expect(line.contains(name) && line.contains(says) && !line.contains("\n"), "\(line)")
    }

    @Test func whatIsNotGPT2IsRefused() throws {
        let json = try small.tokenizerJSON(pairs: true, prefixSpace: true)
        let error = #expect(throws: TokenizerError.self) { try load([(name: "tokenizer.json", contents: json)]) }
        #expect(try #require(error).description.contains("not supported"))
        #expect(throws: TokenizerError.self) { try load([]) }
    }
}

/// GPT-2's own vocabulary, and ids that others computed.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["ALAMBIC_DATA"] != nil, "needs ALAMBIC_DATA"))
struct GPT2ReferenceTests {
    private let folder: URL
    private let tokenizer: GPT2Tokenizer

    init() throws {
        folder = URL(fileURLWithPath: try #require(ProcessInfo.processInfo.environment["ALAMBIC_DATA"]))
        tokenizer = try GPT2Tokenizer(directory: folder.appendingPathComponent("gpt2_bpe"))
    }

    @Test func idsAreTheReferences() throws {
        struct Reference: Decodable {
            let text: String
            let tokenIDs: [Int32]
            enum CodingKeys: String, CodingKey {
                case text
                case tokenIDs = "token_ids"
            }
        }
        let data = try Data(contentsOf: folder.appendingPathComponent("gpt2_bpe/gpt2_encoded_tokens.json"))
        let reference = try JSONDecoder().decode(Reference.self, from: data)
        #expect(try tokenizer.encode(reference.text) == reference.tokenIDs)
        #expect(try tokenizer.text(reference.tokenIDs) == reference.text)
        #expect(tokenizer.vocabularySize == 50257 && tokenizer.token(ofSpecial: "<|endoftext|>") == 50256)
        #expect(try tokenizer.encode("Hello<|endoftext|> world") == [15496, 50256, 995])
    }

    @Test func tinyShakespeareHasItsPublishedCounts() throws {
        let text = [UInt8](try Data(contentsOf: folder.appendingPathComponent("tinyshakespeare/input.txt")))
        let cut = text.count * 9 / 10
        #expect(tokenizer.encode(Array(text[..<cut])).count == 301_966)
        #expect(tokenizer.encode(Array(text[cut...])).count == 36_059)
        let whole = tokenizer.encode(text)
        #expect(try tokenizer.decode(whole) == text)
        #expect(try tokenizer.encode(text, partSize: 10_000) { _ in } == whole)
        let characters = try CharacterTokenizer(of: text)
        #expect(characters.vocabularySize == 65)
        #expect(try characters.decode(characters.encode(text)) == text)
    }

    @Test func savedFilesAreTheOriginals() throws {
        let files = Dictionary(uniqueKeysWithValues: tokenizer.files.map { ($0.name, $0.contents) })
        let original = try Data(contentsOf: folder.appendingPathComponent("gpt2_bpe/vocab.bpe"))
        #expect(files["merges.txt"] == [UInt8](original))
        let json = try Data(contentsOf: folder.appendingPathComponent("gpt2_bpe/tokenizer.json"))
        let other = try GPT2Tokenizer(files: TokenizerFiles([("tokenizer.json", [UInt8](json))], path: "memory"))
        let again = try GPT2Tokenizer(files: TokenizerFiles(tokenizer.files, path: "memory"))
        #expect(Set([tokenizer.digest, other.digest, again.digest]).count == 1)
    }
}
