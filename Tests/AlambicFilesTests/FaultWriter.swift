import Foundation
import Testing

@testable import AlambicFiles

/// Runs the `faultwriter` executable, which is built beside the test bundle.
struct FaultWriter {
    var status: Int32
    var wasKilled: Bool
    var output: String
    var error: String

    static let executable: URL? = {
        let candidates = [CommandLine.arguments[0], Bundle.main.bundlePath, Bundle.main.executablePath ?? ""]
        for candidate in candidates {
            var directory = URL(fileURLWithPath: candidate)
            for _ in 0..<4 {
                let url = directory.appendingPathComponent("faultwriter")
                if FileManager.default.isExecutableFile(atPath: url.path) { return url }
                directory.deleteLastPathComponent()
            }
        }
        // A test runner outside of the build directory: the source file knows the package.
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let url = package.appendingPathComponent(".build/debug/faultwriter")
        return FileManager.default.isExecutableFile(atPath: url.path) ? url : nil
    }()

    static func start(_ arguments: [String]) throws -> (process: Process, output: Pipe, error: Pipe) {
        let process = Process()
        process.executableURL = try #require(executable, "the faultwriter executable is not built")
        process.arguments = arguments
        let (output, error) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = error
        try process.run()
        return (process, output, error)
    }

    init(_ arguments: [String]) throws {
        let (process, output, error) = try Self.start(arguments)
        self.output = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        self.error = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        status = process.terminationStatus
        wasKilled = process.terminationReason == .uncaughtSignal
    }
}
