import Foundation
import Testing

@testable import AlambicTokenizers

@Suite struct ByteTokenizerTests {
    @Test func everyByteIsItsOwnToken() throws {
        let bytes = [UInt8](0...255)
        let tokens = ByteTokenizer().encode(bytes)
        #expect(tokens == (0..<256).map { Int32($0) })
        #expect(try ByteTokenizer().decode(tokens) == bytes)
        #expect(ByteTokenizer().vocabularySize == 256)
        #expect(try ByteTokenizer().encode("é") == [0xc3, 0xa9])
    }

    @Test func textThatEndsInsideACharacterIsShownWithAReplacement() throws {
        let tokens = Array(try ByteTokenizer().encode("aé").dropLast())
        #expect(try ByteTokenizer().text(tokens) == "a\u{FFFD}")
    }

    @Test(arguments: [-1, 256, Int32.max, Int32.min])
    func aNumberOutsideTheVocabularyIsAnError(token: Int32) {
        #expect(throws: TokenizerError.unknownToken(token, vocabularySize: 256)) {
            try ByteTokenizer().decode([65, token])
        }
    }

    @Test func aModelDirectoryKnowsItsTokenizer() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("alambic-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let config = directory.appendingPathComponent("tokenizer_config.json")

        func line(_ comment: Comment) -> String {
            do {
                _ = try Tokenizers.load(modelDirectory: directory)
                Issue.record("no error: \(comment)")
                return ""
            } catch {
                #expect(!error.description.contains("\n"), comment)
                return error.description
            }
        }
        #expect(line("none").contains("tokenizer_config.json"))
        for (name, contents) in ByteTokenizer().files {
            try Data(contents).write(to: directory.appendingPathComponent(name))
        }
        #expect(try Tokenizers.load(modelDirectory: directory) is ByteTokenizer)
        try Data(#"{"tokenizer_class": "ReformerTokenizerFast"}"#.utf8).write(to: config)
        #expect(
            line("unknown").contains(
                "'ReformerTokenizerFast' is not supported: expected ByteTokenizer or CharacterTokenizer or GPT2Tokenizer"
            ))
        try Data("{".utf8).write(to: config)
        #expect(line("cut").contains("not a JSON object"))
        try Data("{}".utf8).write(to: config)
        #expect(line("no key").contains("tokenizer_class"))
        try FileManager.default.removeItem(at: config)
        try FileManager.default.createDirectory(at: config, withIntermediateDirectories: false)
        #expect(line("directory").contains("is a directory"))
    }
}
