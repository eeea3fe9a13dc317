import AlambicFiles
import Foundation

/// Appends one line of JSON for every step to a file: `step`, `loss`, `rate`, `gradient_norm`, `tokens_per_s`.
public final class MetricsLog: AfterStep {
    /// The file.
    public let path: String
    private let file: FileHandle

    /// Opens the file, keeping the lines of steps up to `step`: a resumed run writes the others again.
    public init(_ path: String, keepingUpTo step: Int = 0) throws(TrainingError) {
        self.path = path
        do {
            let url = URL(fileURLWithPath: path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            let old = FileManager.default.contents(atPath: path) ?? Data()
            try AtomicFile.write(Self.lines(of: old, upTo: step), to: url)
            file = try FileHandle(forWritingTo: url)
            try file.seekToEnd()
        } catch {
            throw .badSetting("cannot write metrics to '\(path)': \(error)")
        }
    }

    deinit { try? file.close() }

    private static func lines(of data: Data, upTo step: Int) -> [UInt8] {
        var kept: [UInt8] = []
        guard step > 0 else { return kept }
        for line in data.split(separator: UInt8(ascii: "\n")) {
            // A line cut short by a crash does not parse and goes.
            guard let json = try? JSON(parsing: line, path: "metrics"), let number = json["step"]?.int, number <= step
            else { continue }
            kept += line
            kept.append(UInt8(ascii: "\n"))
        }
        return kept
    }

    /// Does its work after the update.
    public func afterStep(_ report: StepReport, of trainer: Trainer) throws(TrainingError) {
        do {
            try file.write(contentsOf: Data((report.json.line + "\n").utf8))
        } catch {
            throw .badSetting("cannot write metrics to '\(path)': \(error)")
        }
    }
}
