import Foundation
import Synchronization
import Testing

@testable import AlambicFiles

/// A write's steps, counted; from a chosen one on it fails.
final class Faults: Sendable {
    private let count = Atomic(0)
    private let failing: Int
    let names = Mutex<[String]>([])

    init(failingAt step: Int = .max) { failing = step }

    @Sendable private func reach(_ step: String) throws(FileError) {
        names.withLock { $0.append(step) }
        if count.add(1, ordering: .relaxed).newValue == failing {
            throw FileError(.full, path: "injected", "step \(step)", fix: "none")
        }
    }

    func run(_ body: () throws -> Void) throws {
        try FaultPoint.$hook.withValue(reach, operation: body)
    }
}

/// Whether a tmpfs of some kilobytes can be mounted here.
enum TinyDisk {
    static func run(_ arguments: [String]) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    static func withMount<R>(kilobytes: Int, _ body: (URL) throws -> R) throws -> R? {
        let scratch = try Scratch()
        guard run(["mount", "-t", "tmpfs", "-o", "size=\(kilobytes)k", "tmpfs", scratch.url.path]) else { return nil }
        defer { _ = run(["umount", scratch.url.path]) }
        return try body(scratch.url)
    }

    static let isAvailable: Bool = getuid() == 0 && ((try? withMount(kilobytes: 64) { _ in true }) ?? nil) == true
}

@Suite struct AtomicFileTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    @Test func writesAndReplacesAndKeepsPermissions() throws {
        let file = scratch["a"]
        try AtomicFile.write("one", to: file)
        #expect(try scratch.contents() == ["a": "one"])
        #expect(chmod(file.path, 0o640) == 0)
        try AtomicFile.write("two", to: file)
        #expect(try scratch.contents() == ["a": "two"])
        #expect(try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int == 0o640)
    }

    @Test(arguments: [1, 7, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
    func piecesOfEverySizeArriveInOrder(piece: Int) throws {
        let bytes = (0..<(4 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        try AtomicFile.write(to: scratch["a"]) { file in
            try bytes.withUnsafeBytes { all in
                var at = 0
                while at < all.count {
                    // Tiny pieces only at the beginning; then the rest at once.
                    let next = piece <= 7 && at > 1 << 16 ? all.count : min(all.count, at + piece + at % 3)
                    try file.write(UnsafeRawBufferPointer(rebasing: all[at..<next]))
                    #expect(file.position == next)
                    at = next
                }
            }
        }
        #expect(try Data(contentsOf: scratch["a"]) == Data(bytes))
    }

    @Test func theFileIsSynchronizedBeforeItGetsItsNameAndTheNameAfter() throws {
        let faults = Faults()
        try faults.run { try AtomicFile.write("text", to: scratch["a"]) }
        #expect(faults.names.withLock { $0 } == ["create", "write", "fsync", "rename", "fsync"])
    }

    @Test func afterAFailureAtAnyStepTheOldFileIsThereAndNothingElse() throws {
        try AtomicFile.write("old", to: scratch["a"])
        for step in 1...4 {
            let error = fileError("step \(step)") {
                try Faults(failingAt: step).run { try AtomicFile.write("new", to: scratch["a"]) }
            }
            #expect(error?.kind == .full)
            #expect(try scratch.contents() == ["a": "old"], "step \(step)")
        }
    }

    @Test func anErrorOfTheCallersLeavesTheOldFile() throws {
        struct Mine: Error {}
        try AtomicFile.write("old", to: scratch["a"])
        #expect(throws: Mine.self) {
            try AtomicFile.write(to: scratch["a"]) { file in
                try file.write("half of the ne")
                throw Mine()
            }
        }
        #expect(try scratch.contents() == ["a": "old"])
    }

    @Test func aLinkStaysALink() throws {
        try AtomicFile.write("old", to: scratch["real"])
        try FileManager.default.createSymbolicLink(atPath: scratch["link"].path, withDestinationPath: "real")
        try AtomicFile.write("new", to: scratch["link"])
        #expect(try scratch.text("real") == "new")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: scratch["link"].path) == "real")
    }

    @Test func impossibleDestinationsAreNamed() throws {
        try scratch.put("file", "x")
        try FileManager.default.createDirectory(at: scratch["directory"], withIntermediateDirectories: false)
        #expect(fileError { try AtomicFile.write("x", to: scratch["directory"]) }?.kind == .notAFile)
        let missing = fileError { try AtomicFile.write("x", to: scratch["no/such"]) }
        #expect(missing?.kind == .missing)
        #expect(missing?.fix.contains("create the directory") == true)
        #expect(fileError { try AtomicFile.write("x", to: scratch["file/below"]) }?.kind == .notADirectory)
        let device = fileError { try AtomicFile.write("x", to: URL(fileURLWithPath: "/dev/null")) }
        #expect(device?.kind == .notAFile)
        #expect(fileError { try AtomicFile.write("x", to: URL(fileURLWithPath: "/")) }?.kind == .notAFile)
        let long = String(repeating: "n", count: 300)
        #expect(fileError { try AtomicFile.write("x", to: scratch[long]) } != nil)
        #expect(try scratch.contents() == ["file": "x", "directory": "/"])
    }

    @Test func concurrentWritersLeaveOneWholeFile() async throws {
        let file = scratch["a"]
        let texts = (0..<16).map { String(repeating: "\($0) ", count: 10_000) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for text in texts { group.addTask { try AtomicFile.write(text, to: file) } }
            try await group.waitForAll()
        }
        #expect(texts.contains(try scratch.text("a")))
        #expect(try scratch.contents().count == 1)
    }

    @Test func whatACrashLeftIsRemovedButNotWhatALivingWriterHolds() throws {
        let stale = ".a.alambic-0123456789abcdef.tmp"
        let others = [".b.alambic-0123456789abcdef.tmp", ".a.alambic-0123.tmp", ".a.alambic-0123456789abcdeg.tmp"]
        for name in [stale] + others { try scratch.put(name, "x") }
        let living = try Temporary(in: scratch.url.path, for: "a", directory: false)
        try AtomicFile.write("text", to: scratch["a"])
        let names = Set(try scratch.contents().keys)
        #expect(names == Set(others + ["a", (living.path as NSString).lastPathComponent]))
    }

    @Test func aWriterThatIsKilledAtAnyStepLosesNothing() throws {
        try AtomicFile.write("old", to: scratch["a"])
        var survivors: Set<String> = []
        var step = 0
        while true {
            step += 1
            let run = try FaultWriter(["--kill-at", "\(step)", "file", scratch["a"].path, "new"])
            let text = try scratch.text("a")
            #expect(["old", "new"].contains(text), "killed at step \(step)")
            survivors.insert(text)
            guard run.wasKilled else { break }
        }
        #expect(step == 6)
        #expect(survivors == ["old", "new"])
        #expect(try scratch.contents() == ["a": "new"], "the last run removes what the killed ones left")
    }

    @Test func aFileAtItsSizeLimitIsAnErrorAndLeavesTheOldOne() throws {
        try AtomicFile.write("old", to: scratch["a"])
        let run = try FaultWriter(
            ["--file-limit", "1000", "file", scratch["a"].path, String(repeating: "x", count: 1001)])
        #expect(run.status == 1)
        #expect(run.error.contains("File too large; raise the file size limit"), "\(run.error)")
        #expect(run.error.split(separator: "\n").count == 1)
        #expect(try scratch.contents() == ["a": "old"])
    }

    @Test func aDirectoryWithoutRightsIsNamed() throws {
        // Others may look but not write, also when the tests run as root.
        #expect(chmod(scratch.url.path, getuid() == 0 ? 0o755 : 0o555) == 0)
        defer { chmod(scratch.url.path, 0o755) }
        let run = try FaultWriter(["--nobody", "file", scratch["a"].path, "x"])
        #expect(run.status == 1)
        #expect(run.error.contains("\(scratch["a"].path): cannot write in"), "\(run.error)")
        #expect(run.error.contains("Permission denied"))
    }

    @Test(.enabled(if: TinyDisk.isAvailable, "mounting a small disk needs root"))
    func aFullDiskIsAnErrorAndLeavesTheOldFile() throws {
        try TinyDisk.withMount(kilobytes: 64) { disk in
            let file = disk.appendingPathComponent("a")
            try AtomicFile.write("old", to: file)
            let error = fileError { try AtomicFile.write([UInt8](repeating: 1, count: 1 << 20), to: file) }
            #expect(error?.kind == .full)
            #expect(error?.path == file.path)
            #expect(error?.fix.contains("free some space") == true)
            #expect(try String(contentsOf: file, encoding: .utf8) == "old")
            #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path) == ["a"])
        }
    }
}
