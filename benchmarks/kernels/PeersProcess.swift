import Foundation

/// Why a peer gave no answer, in one line.
struct PeerFailure: Error, CustomStringConvertible {
    let description: String
}

/// How to start a competitor. `benchmarks/peers/README.md` states the protocol that it speaks.
struct PeerProgram: Sendable {
    /// What it is called until it has told its version.
    var name: String
    var executable: String
    var arguments: [String] = []
    /// Added to the environment that the process inherits.
    var environment: [String: String] = [:]
    /// Follows the version in tables.
    var suffix = ""
}

/// A running competitor: one line goes in, one line comes out, within a time limit.
final class PeerProcess {
    let program: PeerProgram
    private let process = Process()
    private let requests = Pipe()
    private let answers = Pipe()
    /// Reads what the peer writes to its standard error. The file has no name any more: it goes when both of us have gone.
    private let complaints: FileHandle
    private var buffer: [UInt8] = []
    /// Longer than any right answer.
    private static let longestLine = 1 << 20

    /// What an inherited environment may not decide: these select kernels and thread counts in the competitors.
    private static let withheld = ["OPENBLAS_", "OMP_", "GOMP_", "KMP_", "MKL_", "DNNL_", "ONEDNN_", "GLIBC_TUNABLES"]

    /// Starts it with so many threads, on the given hardware threads where `taskset` can do that.
    init(_ program: PeerProgram, threads: Int, units: [Int] = []) throws(PeerFailure) {
        self.program = program
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("bench-peer-\(UUID().uuidString).log")
        guard FileManager.default.createFile(atPath: log.path, contents: nil),
            let written = try? FileHandle(forWritingTo: log), let read = try? FileHandle(forReadingFrom: log)
        else { throw PeerFailure(description: "\(program.name): cannot write \(log.path)") }
        try? FileManager.default.removeItem(at: log)
        complaints = read
        // A peer that is gone is found by the failing write, not by a signal that would end this process.
        signal(SIGPIPE, SIG_IGN)
        var words = [program.executable] + program.arguments
        if units.count == threads, let taskset = Self.taskset {
            words = [taskset, "-c", units.map(String.init).joined(separator: ",")] + words
        }
        process.executableURL = URL(fileURLWithPath: words[0])
        process.arguments = Array(words.dropFirst())
        process.environment = Self.environment(of: program, threads: threads)
        process.standardInput = requests
        process.standardOutput = answers
        process.standardError = written
        for file in [requests.fileHandleForWriting, answers.fileHandleForReading, complaints] {
            _ = fcntl(file.fileDescriptor, F_SETFD, FD_CLOEXEC)
        }
        do {
            try process.run()
        } catch {
            throw PeerFailure(
                description: "\(program.name): cannot start \(program.executable): \(error.localizedDescription)")
        }
        try? written.close()
    }

    deinit { stop() }

    private static let taskset = ["/usr/bin/taskset", "/bin/taskset"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    static func environment(
        of program: PeerProgram, threads: Int, inherited: [String: String] = ProcessInfo.processInfo.environment
    ) -> [String: String] {
        var values = inherited.filter { key, _ in
            !withheld.contains { key.hasPrefix($0) }
        }
        for key in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] { values[key] = "\(threads)" }
        values["OMP_PROC_BIND"] = "true"
        values["PYTHONDONTWRITEBYTECODE"] = "1"
        return values.merging(program.environment) { $1 }
    }

    var isRunning: Bool { process.isRunning }

    /// Sends one line and waits for the answering one. A peer that misses its time is killed.
    func ask(_ request: String, within seconds: Double) throws(PeerFailure) -> String {
        let bytes = Array((request + "\n").utf8)
        let file = requests.fileHandleForWriting.fileDescriptor
        guard bytes.withUnsafeBytes({ write(file, $0.baseAddress, $0.count) }) == bytes.count else {
            throw gone(request)
        }
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: buffer[..<end], as: UTF8.self)
                buffer.removeSubrange(...end)
                return line
            }
            guard buffer.count < Self.longestLine else {
                kill()
                throw PeerFailure(
                    description: "\(program.name): answered '\(request)' with a line that does not end; stopped")
            }
            try receive(until: deadline, request, seconds)
        }
    }

    private func receive(
        until deadline: ContinuousClock.Instant, _ request: String, _ seconds: Double
    ) throws(PeerFailure) {
        let remaining = max(0, (deadline - .now) / .milliseconds(1))
        let file = answers.fileHandleForReading.fileDescriptor
        var waiting = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
        let ready = poll(&waiting, 1, Int32(min(remaining.rounded(.up), 1e9)))
        if ready < 0 && errno == EINTR { return }
        guard ready > 0 else {
            kill()
            throw PeerFailure(
                description: "\(program.name): no answer to '\(request)' within \(Int(seconds)) s; stopped")
        }
        var chunk = [UInt8](repeating: 0, count: 65536)
        let count = chunk.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
        if count < 0 && errno == EINTR { return }
        guard count > 0 else { throw gone(request) }
        buffer += chunk[..<count]
    }

    /// What is known of a peer that has ended by itself.
    private func gone(_ request: String) -> PeerFailure {
        kill()
        let text = String(decoding: complaints.availableData, as: UTF8.self)
        let last = text.split(whereSeparator: \.isNewline).last { !$0.allSatisfy(\.isWhitespace) }
        let how =
            process.terminationReason == .uncaughtSignal
            ? "signal \(process.terminationStatus)" : "exit \(process.terminationStatus)"
        return PeerFailure(
            description: "\(program.name): ended at '\(request)' (\(how))\(last.map { ": \($0.prefix(200))" } ?? "")")
    }

    private func kill() {
        if process.isRunning {
            // A peer that is ending by itself is left to it, so that its own exit code is what is reported.
            waitForEnd(seconds: 0.2)
            if process.isRunning { _ = Foundation.kill(process.processIdentifier, SIGKILL) }
        }
        process.waitUntilExit()
    }

    private func waitForEnd(seconds: Double) {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while process.isRunning && ContinuousClock.now < deadline { usleep(5000) }
    }

    /// Asks it to quit, and sees to it.
    func stop() {
        if process.isRunning {
            try? requests.fileHandleForWriting.close()
            waitForEnd(seconds: 1)
            kill()
        }
    }
}
