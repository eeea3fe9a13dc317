import Foundation
import Testing

@testable import AlambicFiles

@Suite struct TextFileTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    @Test func aDirectoryGivesItsFilesInOrderOnce() throws {
        for (name, text) in [
            ("b", "two "), ("a", "one "), ("B", "zero "), ("c", "one "), (".hidden", "no"), ("empty", ""),
        ] {
            try scratch.put("texts/\(name)", text)
        }
        try scratch.put("texts/sub/d", "deep")
        try FileManager.default.createSymbolicLink(atPath: scratch["texts/link"].path, withDestinationPath: "a")
        let text = try TextFile.read(scratch["texts"])
        #expect(String(decoding: text.bytes, as: UTF8.self) == "zero one two ")
        #expect(text.sources.map { ($0.path as NSString).lastPathComponent } == ["B", "a", "b"])
        #expect(text.sources.map(\.range) == [0..<5, 5..<9, 9..<13])
        #expect(text.duplicates.map { ($0 as NSString).lastPathComponent } == ["c"])
    }

    @Test func severalPathsFollowEachOther() throws {
        try scratch.put("x", "x")
        try scratch.put("d/y", "y")
        try FileManager.default.createSymbolicLink(atPath: scratch["link"].path, withDestinationPath: "x")
        let text = try TextFile.read([scratch["link"], scratch["d"], scratch["x"]])
        #expect(String(decoding: text.bytes, as: UTF8.self) == "xyx")
    }

    @Test func badPathsAreNamed() throws {
        #expect(fileError { _ = try TextFile.read(scratch["none"]) }?.kind == .missing)
        try scratch.put("empty", "")
        #expect(fileError { _ = try TextFile.read(scratch["empty"]) }?.kind == .empty)
        try FileManager.default.createDirectory(at: scratch["nothing/below"], withIntermediateDirectories: true)
        #expect(fileError { _ = try TextFile.read(scratch["nothing"]) }?.kind == .empty)
        #expect(fileError { _ = try TextFile.read([]) }?.kind == .missing)
        #expect(fileError { _ = try TextFile.read(URL(fileURLWithPath: "/dev/zero")) }?.kind == .notAFile)
        #expect(mkfifo(scratch["pipe"].path, 0o600) == 0)
        #expect(fileError { _ = try TextFile.read(scratch["pipe"]) }?.kind == .notAFile)
        #expect(symlink("loop", scratch["loop"].path) == 0)
        #expect(fileError { _ = try TextFile.read(scratch["loop"]) } != nil)
    }

    @Test func anUnreadableFileIsNamed() throws {
        try scratch.put("secret", "text")
        #expect(chmod(scratch["secret"].path, 0) == 0 && chmod(scratch.url.path, 0o755) == 0)
        let run = try FaultWriter(["--nobody", "read", scratch["secret"].path, ""])
        #expect(run.status == 1)
        #expect(
            run.error.hasPrefix("\(scratch["secret"].path): cannot open the file: Permission denied"), "\(run.error)")
        #expect(chmod(scratch["secret"].path, 0o644) == 0)
        #expect(try FaultWriter(["--nobody", "read", scratch["secret"].path, ""]).output == "4\n")
    }

    @Test func binaryFilesAreRefused() throws {
        try scratch.put("nul", [65, 66, 0, 67])
        let error = fileError { _ = try TextFile.read(scratch["nul"]) }
        #expect(error?.kind == .binary && error?.offset == 2)
        var random = SplitMix(seed: 1)
        try scratch.put("random", (0..<1000).map { _ in UInt8.random(in: 1...255, using: &random) })
        #expect(fileError { _ = try TextFile.read(scratch["random"]) }?.kind == .binary)
        try scratch.put("d/nul", [0])
        #expect(fileError { _ = try TextFile.read(scratch["d"]) }?.path == scratch["d/nul"].path)
        // German in Latin-1: not UTF-8, but text.
        try scratch.put(
            "latin1", Array("Gr".utf8) + [0xfc, 0xdf] + Array("e aus M".utf8) + [0xfc] + Array("nchen".utf8))
        #expect(try TextFile.read(scratch["latin1"]).bytes.count == 17)
    }

    @Test func invalidBytesAreCountedAsUnicodeSays() {
        /// Against the standard library's own decoder: as many U+FFFD as ill-formed parts, for single bad bytes.
        for text in ["", "abc", "äöü€😀", "\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}"] {
            #expect(TextFile.invalidUTF8Count(Array(text.utf8)) == 0, "\(text)")
        }
        let cases: [([UInt8], Int)] = [
            ([0x80], 1), ([0xc2], 1), ([0xc0, 0x80], 2), ([0xe0, 0x80, 0x80], 3), ([0xed, 0xa0, 0x80], 3),
            ([0xf4, 0x90, 0x80, 0x80], 4), ([0xf5], 1), ([0xe2, 0x82], 2), ([0xe2, 0x82, 0x41], 2), ([0xff, 0x41], 1),
        ]
        for (bytes, count) in cases { #expect(TextFile.invalidUTF8Count(bytes) == count, "\(bytes)") }
        for seed in 0..<2_000 {
            var random = SplitMix(seed: UInt64(seed))
            let bytes = (0..<Int.random(in: 0..<12, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let isValid = String(validating: bytes, as: UTF8.self) != nil
            #expect((TextFile.invalidUTF8Count(bytes) == 0) == isValid, "seed \(seed)")
        }
    }
}
