import AlambicTestSupport
import Foundation
import Testing

@testable import AlambicFiles

/// Runs the `faultwriter` executable, which is built beside the test bundle.
struct FaultWriter {
    var status: Int32
    var wasKilled: Bool
    var output: String
    var error: String

    static let executable: URL? = builtExecutable("faultwriter")

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
