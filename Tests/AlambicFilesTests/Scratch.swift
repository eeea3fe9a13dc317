import Foundation
import Testing

@testable import AlambicFiles

/// A directory of a test's own, removed at the end.
final class Scratch {
    let url: URL

    /// - Parameter inMemory: for tests that rewrite a file thousands of times, which ext4 sends to the disk each time.
    init(inMemory: Bool = false) throws {
        let memory = URL(fileURLWithPath: "/dev/shm", isDirectory: true)
        let isThere = inMemory && FileManager.default.isWritableFile(atPath: memory.path)
        let parent = isThere ? memory : FileManager.default.temporaryDirectory
        url = parent.appendingPathComponent("alambic-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    subscript(name: String) -> URL { url.appendingPathComponent(name) }

    /// Puts a file there without the code under test.
    @discardableResult
    func put(_ name: String, _ bytes: [UInt8]) throws -> URL {
        let file = self[name]
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
        return file
    }

    @discardableResult
    func put(_ name: String, _ text: String) throws -> URL { try put(name, Array(text.utf8)) }

    func text(_ name: String) throws -> String { String(decoding: try Data(contentsOf: self[name]), as: UTF8.self) }

    /// Everything below, by relative path, files with their contents; hidden ones too.
    func contents(of name: String = "") throws -> [String: String] {
        let root = name.isEmpty ? url : self[name]
        var result: [String: String] = [:]
        let names = try FileManager.default.subpathsOfDirectory(atPath: root.path)
        for path in names {
            var isDirectory: ObjCBool = false
            let full = root.appendingPathComponent(path)
            _ = FileManager.default.fileExists(atPath: full.path, isDirectory: &isDirectory)
            result[path] = isDirectory.boolValue ? "/" : String(decoding: try Data(contentsOf: full), as: UTF8.self)
        }
        return result
    }
}

/// The file error that `body` throws, with the promise that its description is one line.
func fileError(_ comment: Comment = "", _ body: () throws -> Void) -> FileError? {
    do {
        try body()
        Issue.record("no error was thrown: \(comment)")
        return nil
    } catch let error as FileError {
        #expect(!error.description.contains("\n"), comment)
        return error
    } catch {
        Issue.record("another error was thrown: \(error), \(comment)")
        return nil
    }
}

/// A small generator with a seed that a failure can print.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
