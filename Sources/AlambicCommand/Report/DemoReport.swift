import AlambicReport
import Foundation

/// What `alambic demo` measured; `report.json` is this, encoded.
struct DemoReport: Codable, Sendable {
    struct Corpus: Codable, Sendable {
        var source: String
        var files: Int
        var bytes: Int
        var heldOutBytes: Int
        enum CodingKeys: String, CodingKey {
            case source, files, bytes
            case heldOutBytes = "held_out_bytes"
        }
    }
    struct Machine: Codable, Sendable {
        var cpu: String
        var cores: Int
        var threads: Int
        var isa: [String]
    }
    struct Settings: Codable, Sendable {
        var context: Int
        var batch: Int
        var steps: Int
        var retrainSteps: Int
        var rounds: Int
        var sparsity: Double
        var temperature: Double
        var mixing: Double
        var seed: UInt64
        enum CodingKeys: String, CodingKey {
            case context, batch, steps, rounds, sparsity, temperature, mixing, seed
            case retrainSteps = "retrain_steps"
        }
    }
    struct Stage: Codable, Sendable {
        var name: String
        /// Optimizer steps of this model; a pruned or longer trained one counts those of the model it started from.
        var steps: Int
        var parameters: Int
        var nonzero: Int
        /// Size on disk of the saved model's directory.
        var bytes: Int
        /// On held-out text.
        var bitsPerByte: Double
        var prefillTokensPerSecond: Double
        var decodeTokensPerSecond: Double
        /// Wall time of this stage's training or compression, evaluation not included.
        var seconds: Double
        enum CodingKeys: String, CodingKey {
            case name, steps, parameters, nonzero, bytes, seconds
            case bitsPerByte = "bits_per_byte"
            case prefillTokensPerSecond = "prefill_tokens_per_s"
            case decodeTokensPerSecond = "decode_tokens_per_s"
        }
    }
    struct Curve: Codable, Sendable {
        var name: String
        var steps: [Int]
        /// Cross-entropy of the training batches against the text, in bits per byte.
        var bitsPerByte: [Double]
        enum CodingKeys: String, CodingKey {
            case name, steps
            case bitsPerByte = "bits_per_byte"
        }
    }
    struct Sample: Codable, Sendable {
        var stage: String
        var prompt: String
        var text: String
    }

    var corpus: Corpus
    var machine: Machine
    var settings: Settings
    var stages: [Stage] = []
    var curves: [Curve] = []
    var sample: Sample?
    var seconds: Double = 0

    func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }

    /// The table of the terminal, at most 80 columns wide.
    func table() -> String {
        let header = ["model", "steps", "nonzero", "size", "bits/B", "prefill", "decode", "took"]
        let rows = stages.map { stage in
            [
                stage.name, "\(stage.steps)", Self.count(stage.nonzero), Self.bytes(stage.bytes),
                String(format: "%.3f", stage.bitsPerByte), Self.count(Int(stage.prefillTokensPerSecond)),
                Self.count(Int(stage.decodeTokensPerSecond)), String(format: "%.0f s", stage.seconds),
            ]
        }
        let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            cells.enumerated().map { column, cell in
                let pad = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + pad : " ".prefix(column == 1 ? 1 : 0) + pad + cell
            }.joined(separator: " ")
        }
        let rule = String(repeating: "-", count: line(header).count)
        return ([line(header), rule] + rows.map(line)).joined(separator: "\n")
    }

    static func count(_ value: Int) -> String { Chart.count(value) }

    static func bytes(_ value: Int) -> String {
        value >= 10_000_000
            ? String(format: "%.1f MB", Double(value) / 1e6)
            : value >= 1_000_000
                ? String(format: "%.2f MB", Double(value) / 1e6) : String(format: "%.0f kB", Double(value) / 1e3)
    }

    func stage(_ name: String) -> Stage? { stages.first { $0.name == name } }

    /// What the numbers say, the disappointing part included.
    func findings() -> [String] {
        var lines: [String] = []
        if let scratch = stage("student-scratch"), let distilled = stage("student-distilled"),
            let teacher = stage("teacher")
        {
            let gain = scratch.bitsPerByte - distilled.bitsPerByte
            lines.append(
                String(
                    format:
                        "At %d steps the distilled student is %.3f bits per byte %@ than the one from scratch; the teacher is at %.3f.",
                    distilled.steps, abs(gain), gain >= 0 ? "better" : "worse", teacher.bitsPerByte)
                    + String(
                        format:
                            " It starts from every other layer of the teacher, the other from random weights; distilling took %.1f times as long.",
                        distilled.seconds / max(scratch.seconds, 0.001)))
        }
        if let pruned = stage("student-pruned"), let control = stage("student-distilled-longer") {
            let cost = pruned.bitsPerByte - control.bitsPerByte
            lines.append(
                String(
                    format:
                        "Pruning %.0f %% of the weights of every linear layer leaves it %.3f bits per byte %@ than the unpruned twin trained for as many steps.",
                    settings.sparsity * 100, abs(cost), cost >= 0 ? "worse" : "better")
                    + " It is stored sparse, and each matrix runs sparse where that is measured to be faster."
            )
        }
        if let pruned = stage("student-pruned"), let int8 = stage("student-int8"),
            let dense = stage("student-distilled")
        {
            lines.append(
                String(
                    format:
                        "int8 changes that by %+.3f bits per byte, takes %.0f %% of the dense student's bytes, prefills at %.2f times and decodes at %.2f times the speed of f32.",
                    int8.bitsPerByte - pruned.bitsPerByte, 100 * Double(int8.bytes) / Double(dense.bytes),
                    int8.prefillTokensPerSecond / max(pruned.prefillTokensPerSecond, 1),
                    int8.decodeTokensPerSecond / max(pruned.decodeTokensPerSecond, 1)))
        }
        return lines
    }
}
