import Foundation
import Testing

@testable import AlambicTokenizers

@Suite struct CharacterTokenizerTests {
    private func line(_ body: () throws -> Void) -> String {
        do {
            try body()
            return ""
        } catch { return "\(error)" }
    }

    @Test func numbersFollowUnicode() throws {
        let text = "bé\na🙂ab e\u{301}"
        let tokenizer = try CharacterTokenizer(of: Array(text.utf8))
        let expected = Array(Set(text.unicodeScalars)).sorted()
        #expect(tokenizer.characters == expected && tokenizer.vocabularySize == 8)
        let tokens = try tokenizer.encode(text)
        #expect(tokens.map { expected[Int($0)] } == Array(text.unicodeScalars))
        #expect(try tokenizer.decode(tokens) == Array(text.utf8))
        #expect(throws: TokenizerError.unknownToken(8, vocabularySize: 8)) { try tokenizer.decode([8]) }
        #expect(throws: TokenizerError.unknownToken(-1, vocabularySize: 8)) { try tokenizer.decode([-1]) }
    }

    @Test func whatHasNoTokenIsNamedWithItsPlace() throws {
        let tokenizer = try CharacterTokenizer(of: Array("abé".utf8))
        #expect(line { _ = try tokenizer.encode("aéö") }.contains("at byte 3: the character 'ö' (U+00F6)"))
        #expect(line { _ = try tokenizer.encode("a\nb") }.contains("at byte 1: the character U+000A"))
        for bytes: [UInt8] in [
            [0xC3], [0x80], [0xC0, 0x80], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF],
            [0xE2, 0x82], [0xF0, 0x80, 0x80, 0x80],
        ] {
            #expect(throws: TokenizerError.notUTF8(bytes[0], offset: 2)) {
                try CharacterTokenizer(of: Array("ab".utf8) + bytes)
            }
        }
        #expect(throws: TokenizerError.noText) { try CharacterTokenizer(of: []) }
    }

    @Test func filesBringItBack() throws {
        // Control characters, quotes, and characters that Swift holds equal to others.
        let text = "\0\t\n\r\"\\/\u{7F}\u{212B}\u{C5}\u{301}\u{2028}\u{FEFF}🙂"
        let tokenizer = try CharacterTokenizer(of: Array(text.utf8))
        let again = try Tokenizers.load(TokenizerFiles(tokenizer.files, path: "memory"))
        #expect(again as? CharacterTokenizer == tokenizer && again.digest == tokenizer.digest)
        #expect(try CharacterTokenizer(of: Array("ab".utf8)).digest != CharacterTokenizer(of: Array("ac".utf8)).digest)
    }

    @Test(arguments: ["", "{", "{}", #"{"characters": ""}"#, #"{"characters": "ba"}"#, #"{"characters": "aa"}"#])
    func aDamagedFileIsNamed(contents: String) throws {
        let files = TokenizerFiles([("characters.json", Array(contents.utf8))], path: "memory")
        #expect(line { _ = try CharacterTokenizer(files: files) }.contains("characters.json"))
    }
}
