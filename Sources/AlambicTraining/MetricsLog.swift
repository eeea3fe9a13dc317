import AlambicFiles
import Foundation

/// Appends one line of JSON for every step to a file: `step`, `loss`, `rate`, `gradient_norm`, `tokens_per_s`, `seconds`,
/// `utilization` where the peak is known, `loss_<term>` where the loss has several, `held_loss` where it was measured.
public final class MetricsLog: AfterStep {
    /// The file.
    public let path: String
    /// What measures the loss on held-out text after some of the steps.
    public var heldOut: HeldOutLoss?
    private let step: Int
    private var file: FileHandle?

    /// A log that keeps the lines of steps up to `step`: a resumed run writes the others again. The file is as it was
    /// until the first step is done; that it can be written is checked now.
    public init(_ path: String, keepingUpTo step: Int = 0) throws(TrainingError) {
        self.path = path
        self.step = step
        let files = FileManager.default
        var isDirectory: ObjCBool = false
        // The file, or the nearest directory above it that exists.
        var place = URL(fileURLWithPath: path)
        while !files.fileExists(atPath: place.path, isDirectory: &isDirectory), place.pathComponents.count > 1 {
            place.deleteLastPathComponent()
        }
        guard isDirectory.boolValue == !files.fileExists(atPath: path) else {
            throw .badSetting(
                "cannot write metrics to '\(path)': '\(place.path)' is a \(isDirectory.boolValue ? "directory" : "file")"
            )
        }
        guard files.isWritableFile(atPath: place.path) else {
            throw .badSetting("cannot write metrics to '\(path)': no permission to write '\(place.path)'")
        }
    }

    deinit { try? file?.close() }

    private func open() throws -> FileHandle {
        let url = URL(fileURLWithPath: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        let old = FileManager.default.contents(atPath: path) ?? Data()
        try AtomicFile.write(Self.lines(of: old, upTo: step), to: url)
        let opened = try FileHandle(forWritingTo: url)
        try opened.seekToEnd()
        file = opened
        return opened
    }

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
        var line = report.json.line
        if let loss = try heldOut?.measure(after: report.step, of: trainer) {
            line = "\(line.dropLast()),\"held_loss\":\(JSON.number(loss).line)}"
        }
        do {
            try (file ?? open()).write(contentsOf: Data((line + "\n").utf8))
        } catch {
            throw .badSetting("cannot write metrics to '\(path)': \(error)")
        }
    }
}
