import Foundation
import Testing

/// One run of the `alambic` executable, which is built beside the test bundle.
struct Run: CustomStringConvertible {
    let words: [String]
    let code: Int32
    let output: String
    let error: String

    var description: String { "alambic \(words.joined(separator: " ")) → \(code)\n\(output)\n\(error)" }

    /// The one line of standard error that explains a failure, its length aside.
    var complaint: String? {
        let lines = error.split(separator: "\n").filter { $0.hasPrefix("alambic: ") }
        return lines.count == 1 ? String(lines[0]) : nil
    }

    /// Runs to the end, or until `signal` is sent after `seconds`.
    init(
        _ words: [String], environment: [String: String] = [:], signal: Int32? = nil, after seconds: Double = 0,
        in directory: URL? = nil
    ) throws {
        let process = Process()
        let (out, err) = (Pipe(), Pipe())
        process.executableURL = try #require(Self.executable, "the alambic executable is not built")
        process.arguments = words
        if let directory { process.currentDirectoryURL = directory }
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = out
        process.standardError = err
        process.standardInput = FileHandle.nullDevice
        try process.run()
        if let signal {
            Thread.sleep(forTimeInterval: seconds)
            kill(process.processIdentifier, signal)
        }
        // Both pipes are emptied at the same time, so that neither fills up and stops the process.
        let reader = Reader(err.fileHandleForReading)
        output = String(decoding: out.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        error = reader.text()
        process.waitUntilExit()
        code = process.terminationStatus
        self.words = words
    }

    static var executablePath: String? { executable?.path }

    private static let executable: URL? = {
        let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
        let places = [
            bundle, Bundle.main.bundleURL, Bundle.main.bundleURL.deletingLastPathComponent(),
            package.appendingPathComponent(".build/debug").standardizedFileURL,
        ]
        return places.map { $0.appendingPathComponent("alambic") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }()

    private final class Reader: @unchecked Sendable {
        private var data = Data()
        private let done = DispatchSemaphore(value: 0)
        init(_ file: FileHandle) {
            DispatchQueue.global().async {
                self.data = file.readDataToEndOfFile()
                self.done.signal()
            }
        }
        func text() -> String {
            done.wait()
            return String(decoding: data, as: UTF8.self)
        }
    }
}

/// A folder of its own for one test, removed at its end, with a small text in it.
final class Scratch {
    let url: URL
    var text: String { path("text.txt") }

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("alambic-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        let sentence = "The quick brown fox jumps over the lazy dog, and the dog does not mind. "
        try write(Array(String(repeating: sentence, count: 150).utf8), to: "text.txt")
        let tiny = """
            {"model_type": "gpt2", "n_layer": 2, "n_embd": 16, "n_head": 2, "n_positions": 32, "vocab_size": 256}
            """
        try write(Array(tiny.utf8), to: "tiny.json")
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    func write(_ bytes: [UInt8], to name: String) throws { try Data(bytes).write(to: url.appendingPathComponent(name)) }

    func bytes(_ name: String) throws -> Data { try Data(contentsOf: url.appendingPathComponent(name)) }

    /// A model trained for a few steps.
    func model(_ name: String = "model", steps: Int = 2) throws -> String {
        let run = try Run([
            "train", "--data", text, "--model", path("tiny.json"), "--steps", "\(steps)", "--batch", "4", "--out",
            path(name),
        ])
        try #require(run.code == 0, "\(run)")
        return path(name)
    }
}
