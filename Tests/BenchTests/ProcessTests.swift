import AlambicKernels
import Foundation
import Testing

@testable import bench

/// The executable itself: exit codes, and one line on standard error.
@Suite struct ProcessTests {
    private func run(_ words: [String]) throws -> (code: Int32, output: String, error: String) {
        let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
        let places = [
            bundle, Bundle.main.bundleURL, Bundle.main.bundleURL.deletingLastPathComponent(),
            package.appendingPathComponent(".build/debug").standardizedFileURL,
        ]
        let executable = places.map { $0.appendingPathComponent("bench") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
        let process = Process()
        let (out, error) = (Pipe(), Pipe())
        process.executableURL = try #require(executable, "bench is not built")
        process.arguments = words
        process.standardOutput = out
        process.standardError = error
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let output = String(decoding: out.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output, complaint)
    }

    @Test(
        "bad input ends with its code and one line",
        arguments: [
            (["nosuchcase"], 64), (["matmul", "--isa", "sse9"], 64), (["matmul", "--threads", "0"], 64),
            (["matmul", "--shapes", "0x1x1"], 64), (["matmul", "--shapes", "no/such/file"], 1),
            (["compare", "a"], 64), (["compare", "/no/a", "/no/b"], 1), (["matmul", "--out", "/no/such/folder/x"], 1),
            (["matmul-packed", "--shapes", "2000000000x2000000000x2000000000"], 1),
            (["sparse"], 64), (["sparse", "--table", "--threads", "0"], 64),
            (["sparse", "--table", "--shape", "2000000000x2000000000"], 1),
            (["sparse", "--table", "--out", "/no/such/folder/x"], 1),
        ] as [([String], Int32)])
    func badInput(words: [String], code: Int32) throws {
        let result = try run(words)
        #expect(result.code == code && result.output.isEmpty, "\(words): \(result)")
        let lines = result.error.split(separator: "\n")
        #expect(lines.count == 1 && lines[0].hasPrefix("bench: "), "\(words): \(result.error)")
    }

    @Test("a run leaves a file that compares with itself")
    func whole() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString + ".jsonl").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let result = try run([
            "matmul-packed", "--threads", "1", "--shapes", "17x33x64", "--repetitions", "5", "--output", "jsonl",
            "--out",
            path,
        ])
        // A busy machine may put a row above its limit (1), which is no failure of the file.
        #expect(result.code == 0 || result.code == 1, "\(result)")
        let file = try ResultFile(contentsOf: path)
        // 4-bit weights need K in whole groups; of 64, those of 32.
        #expect(file.measurements.count >= 7 && file.measurements.allSatisfy { $0.samplesNs.count == 5 })
        let compared = try run(["compare", path, path, "--fail-if-slower", "1%"])
        #expect(compared.code == 0 && compared.output.contains("without a clear difference"), "\(compared)")
    }

    @Test func listsItsCases() throws {
        let result = try run(["--list"])
        #expect(
            result.code == 0 && result.output.contains("matmul-decode s8s4g128") && result.output.contains("llama-1b"))
    }
}
