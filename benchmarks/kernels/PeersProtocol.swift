import Foundation

/// What a competitor is asked to do, in the words of the protocol.
struct PeerRequest: Sendable, Equatable {
    var work: PeerWork
    var shape: BenchShape
    var threads: Int
    /// Sets of weights to rotate over come to at least this many bytes; nil when the case is warm.
    var coldBytes: Int?

    var line: String {
        let extents = shape.extents.map(String.init).joined(separator: " ")
        return "prepare \(work.rawValue) \(extents) \(threads)" + (coldBytes.map { " cold \($0)" } ?? "")
    }

    static func == (a: Self, b: Self) -> Bool { a.line == b.line }
}

/// The works that peers know. A case of `bench` is compared with the peers that do the same work.
enum PeerWork: String, CaseIterable, Sendable {
    /// Weights N x K, which may be packed ahead.
    case f32, bf16, f16, s8
    /// Both operands as they are: A B, A Bᵀ, Aᵀ B.
    case f32NN = "f32-nn"
    case f32NT = "f32-nt"
    case f32TN = "f32-tn"
    /// f32 rows quantized on the way, int8 product, f32 out.
    case dynamicS8 = "dynamic-s8"
    /// Weights of 8 bits, and of 4 bits in groups, with float activations outside.
    case w8
    case int4Groups32 = "int4-g32"
    case int4Groups128 = "int4-g128"
    /// Weights of f32 of which 80, 90 or 95 % are zero, as compressed sparse rows.
    case csr80 = "csr-80"
    case csr90 = "csr-90"
    case csr95 = "csr-95"

    /// The work that a case's name and type stand for, nil when no peer does it.
    init?(case name: String, dtype: String) {
        if name.hasPrefix("csr-") && dtype == "f32" {
            self.init(rawValue: name)
            return
        }
        guard name.hasPrefix("matmul") else { return nil }
        let text = "\(name) \(dtype)".lowercased()
        let isPlain = !text.contains("packed") && !text.contains("decode") && !text.contains("linear")
        if text.contains("s4") || text.contains("int4") || text.contains("u4") {
            self = text.contains("32") && !text.contains("128") ? .int4Groups32 : .int4Groups128
        } else if text.contains("dynamic") {
            self = .dynamicS8
        } else if text.contains("s8") {
            self =
                text.contains("weight") || text.contains("w8") || text.contains("f32") || text.contains("bf16")
                ? .w8 : .s8
        } else if text.contains("bf16") {
            self = .bf16
        } else if text.contains("f16") {
            self = .f16
        } else if text.contains("f32") {
            let words = text.split { !$0.isLetter && !$0.isNumber }
            self = !isPlain ? .f32 : words.contains("nt") ? .f32NT : words.contains("tn") ? .f32TN : .f32NN
        } else {
            return nil
        }
    }
}

/// A competitor that answers: what the lines of the protocol mean.
final class Peer {
    private let process: PeerProcess
    /// Name and version, such as "torch 2.13.0+cpu".
    let version: String

    /// The time for everything up to the first answer: importing torch takes seconds.
    static let secondsToStart = 120.0
    /// Making weights, packing them in several ways, checking and trying each.
    static let secondsToPrepare = 300.0

    init(
        _ program: PeerProgram, threads: Int, units: [Int] = [], within seconds: Double = secondsToStart
    ) throws(PeerFailure) {
        process = try PeerProcess(program, threads: threads, units: units)
        let answer = try process.ask("version", within: seconds)
        guard !answer.isEmpty, answer.count < 200, !answer.hasPrefix("error") else {
            process.stop()
            throw PeerFailure(description: "\(program.name): '\(answer.prefix(80))' is not a version")
        }
        version = answer + program.suffix
    }

    var isRunning: Bool { process.isRunning }

    enum Preparation: Equatable {
        /// Ready; the text says which of its ways the peer took.
        case ready(String)
        case unsupported(String)
        /// The peer itself found its result wrong, or the request malformed.
        case refused(String)
    }

    func prepare(
        _ request: PeerRequest, within seconds: Double = secondsToPrepare
    ) throws(PeerFailure) -> Preparation {
        let answer = try process.ask(request.line, within: seconds)
        let words = answer.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
        let rest = words.count > 1 ? String(words[1]) : ""
        switch words.first {
        case "ok": return .ready(rest)
        case "unsupported": return .unsupported(rest)
        case "error": return .refused(rest)
        default: throw garbage(answer, request.line)
        }
    }

    /// Nanoseconds of each of `count` runs.
    func run(_ count: Int, within seconds: Double) throws(PeerFailure) -> [Int] {
        let request = "run \(count)"
        let answer = try process.ask(request, within: seconds)
        let samples = answer.split(separator: " ").map { Int($0) ?? 0 }
        guard samples.count == count, samples.allSatisfy({ $0 > 0 }) else { throw garbage(answer, request) }
        return samples
    }

    func stop() { process.stop() }

    /// What it says does not belong to the protocol: nothing after it can be trusted.
    private func garbage(_ answer: String, _ request: String) -> PeerFailure {
        process.stop()
        let shown = answer.prefix(80)
        return PeerFailure(description: "\(version): answered '\(request)' with '\(shown)'; stopped")
    }
}
