import Foundation
import Testing

@testable import AlambicFiles

@Suite struct TokenFileTests {
    private let scratch: Scratch
    private let files: [(name: String, contents: [UInt8])] = [
        ("tokenizer_config.json", Array("{}".utf8)), ("empty", []), ("é", [0, 255, 10]),
    ]

    init() throws { scratch = try Scratch(inMemory: true) }

    @discardableResult
    private func write(_ tokens: [Int32], vocabulary: Int, to name: String = "x.tokens") throws -> URL {
        try TokenFile.write(
            tokens, textBytes: 77, vocabulary: vocabulary, tokenizer: ("Some", 0xFEDC_BA98_7654_3210, files),
            to: scratch[name])
        return scratch[name]
    }

    private func read(_ file: TokenFile, _ range: Range<Int>) -> [Int32] {
        var tokens = [Int32](repeating: 0, count: range.count)
        tokens.withUnsafeMutableBufferPointer { file.copy(range, to: $0) }
        return tokens
    }

    private func line(_ url: URL) -> String {
        do {
            _ = try TokenFile(url)
            return ""
        } catch {
            #expect(!error.description.contains("\n"))
            return error.description
        }
    }

    @Test(arguments: [(1 << 16, 2), (1 << 16 + 1, 4), (1 << 31, 4)])
    func holdsWhatWasWritten(vocabulary: Int, tokenBytes: Int) throws {
        for count in [1, 2, 3, 4, 5, 1000, 1 << 18, 1 << 18 + 1, 600_001] {
            let largest = Int32(min(vocabulary - 1, Int(Int32.max)))
            let tokens = (0..<count).map { $0 == count / 2 ? largest : Int32($0 % 60_000) }
            let file = try TokenFile(try write(tokens, vocabulary: vocabulary))
            #expect(file.count == count && file.tokenBytes == tokenBytes && file.textBytes == 77)
            #expect(file.vocabulary == vocabulary && file.tokenizerName == "Some")
            #expect(file.tokenizerDigest == 0xFEDC_BA98_7654_3210)
            #expect(file.digest == TokenFile.digest(of: tokens, vocabulary: vocabulary))
            #expect(file.tokenizerFiles.map(\.name) == files.map(\.name))
            #expect(file.tokenizerFiles.map(\.contents) == files.map(\.contents))
            #expect(read(file, 0..<count) == tokens, "\(count)")
            #expect(file[count / 2] == largest && file[count - 1] == tokens[count - 1])
            #expect(read(file, count / 2..<count) == Array(tokens[(count / 2)...]))
        }
        #expect(TokenFile.isOne(scratch["x.tokens"]))
    }

    /// Whatever byte of the header changes, and whatever bit of it, the file is refused.
    @Test func everyByteOfTheHeaderIsChecked() throws {
        let url = try write([1, 2, 3], vocabulary: 300)
        let bytes = [UInt8](try Data(contentsOf: url))
        #expect(bytes.count == 4096 + 8 + files.reduce(0) { $0 + 12 + $1.name.utf8.count + $1.contents.count })
        for place in Array(0..<140) + [200, 4095] {
            for change: UInt8 in [1, 0x80, 0xFF] {
                var damaged = bytes
                damaged[place] ^= change
                let size = damaged.count
                #expect(throws: FileError.self, "byte \(place)") {
                    try TokenFileHeader(damaged.prefix(4096), fileSize: size, path: "x")
                }
            }
        }
        var damaged = bytes
        damaged[17] ^= 1
        #expect(line(try scratch.put("y", damaged)).contains("the header is damaged"))
        damaged = bytes
        damaged[8] = 2
        #expect(line(try scratch.put("y", damaged)).contains("another version"))
        damaged = bytes
        damaged[4096 + 10] ^= 1
        #expect(line(try scratch.put("y", damaged)).contains("tokenizer's files are damaged"))
    }

    /// A header whose checksum is right, with a number that makes no sense.
    @Test func everyNumberOfTheHeaderHasARange() throws {
        let good = TokenFileHeader(
            tokenBytes: 2, count: 4, textBytes: 9, vocabulary: 256, tokenizerDigest: 1, digest: 2, filesSize: 0,
            filesDigest: 3, tokenizerName: "x")
        #expect(try TokenFileHeader(good.bytes, fileSize: 4104, path: "x") == good)
        let changes: [(inout TokenFileHeader) -> Void] = [
            { $0.tokenBytes = 3 }, { $0.tokenBytes = 0 }, { $0.tokenBytes = 8 }, { $0.count = 0 }, { $0.count = -1 },
            { $0.count = .max }, { $0.textBytes = 0 }, { $0.vocabulary = 0 }, { $0.vocabulary = 1 << 40 },
            { $0.filesSize = -1 }, { $0.filesSize = 1 << 50 }, { $0.count = 5 }, { $0.filesSize = 1 },
        ]
        for (index, change) in changes.enumerated() {
            var changed = good
            change(&changed)
            let bytes = changed.bytes
            #expect(throws: FileError.self, "change \(index)") {
                try TokenFileHeader(bytes, fileSize: 4104, path: "x")
            }
        }
    }

    @Test func anotherLengthIsRefused() throws {
        let url = try write([1, 2, 3], vocabulary: 300)
        let bytes = [UInt8](try Data(contentsOf: url))
        for count in [0, 1, 7, 8, 100, 4095, 4096, 4097, 4102, bytes.count - 1] {
            #expect(!line(try scratch.put("y", Array(bytes[..<count]))).isEmpty, "\(count) bytes")
        }
        #expect(line(try scratch.put("y", Array(bytes.dropLast()))).contains("cut off: expected \(bytes.count) bytes"))
        #expect(line(try scratch.put("y", bytes + [0])).contains("something after the end"))
    }

    @Test func foreignFilesAreRefused() throws {
        #expect(line(try scratch.put("y", "just a text")).contains("not a tokenized corpus"))
        #expect(!TokenFile.isOne(scratch["y"]) && !TokenFile.isOne(scratch["nothing"]) && !TokenFile.isOne(scratch.url))
        #expect(line(try scratch.put("y", "")).contains("not a tokenized corpus"))
        #expect(line(scratch.url).contains("directory"))
        #expect(line(scratch["nothing"]).contains("cannot open"))
    }

    /// Only a damaged file has such tokens; they must not become negative, which means "nothing to learn".
    @Test func tokensBeyondInt32AreNoTokens() throws {
        let url = try write([1, 2, 3], vocabulary: 1 << 20)
        var bytes = [UInt8](try Data(contentsOf: url))
        bytes.replaceSubrange(4100..<4104, with: [0xFF, 0xFF, 0xFF, 0xFF])
        let file = try TokenFile(try scratch.put("y", bytes))
        #expect(read(file, 0..<3) == [1, .max, 3] && file[1] == .max)
    }

    @Test func aFailedWriteLeavesWhatWasThere() throws {
        let url = try write([1, 2, 3], vocabulary: 300)
        let before = try Data(contentsOf: url)
        let full: @Sendable (String) throws(FileError) -> Void = { step throws(FileError) in
            guard step == "fsync" else { return }
            throw FileError(.full, path: "x", "no space", fix: "make some")
        }
        #expect(throws: FileError.self) {
            try FaultPoint.$hook.withValue(full) { _ = try write([4, 5, 6], vocabulary: 300) }
        }
        #expect(try Data(contentsOf: url) == before)
    }
}
