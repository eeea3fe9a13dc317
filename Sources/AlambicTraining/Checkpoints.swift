import Foundation

/// Writes `checkpoint-<step>` directories as training goes on, and keeps the newest ones.
public final class Checkpoints: AfterStep {
    /// Where the checkpoints are.
    public let directory: String
    /// Steps between checkpoints.
    public let interval: Int
    /// How many to keep; older ones are deleted after a newer one is whole.
    public let kept: Int

    /// Checkpoints in `directory` every `interval` steps, of which the newest `kept` stay.
    public init(in directory: String, every interval: Int, keeping kept: Int = 2) {
        precondition(interval > 0 && kept > 0, "a checkpoint every \(interval) steps, keeping \(kept)")
        self.directory = directory
        self.interval = interval
        self.kept = kept
    }

    /// Writes a checkpoint of the whole step, with what constraints have made of the weights.
    public func stepIsOver(_ report: StepReport, of trainer: Trainer) throws(TrainingError) {
        if report.step.isMultiple(of: interval) { try save(trainer) }
    }

    /// Writes a checkpoint now, unless this step's exists, and deletes the oldest ones.
    @discardableResult
    public func save(_ trainer: Trainer) throws(TrainingError) -> String {
        let path = "\(directory)/checkpoint-\(trainer.step)"
        if trainer.lastCheckpoint != path { try trainer.save(to: path) }
        for step in Self.all(in: directory).dropLast(kept) where step != trainer.step {
            // What cannot be deleted costs space, not correctness.
            try? FileManager.default.removeItem(atPath: "\(directory)/checkpoint-\(step)")
        }
        return path
    }

    /// The steps of all checkpoints in a directory, in increasing order. A checkpoint gets its name when it is whole.
    static func all(in directory: String) -> [Int] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.compactMap { name in
            guard name.hasPrefix("checkpoint-"), let step = Int(name.dropFirst("checkpoint-".count)),
                FileManager.default.fileExists(atPath: "\(directory)/\(name)/trainer_state.json")
            else { return nil }
            return step
        }.sorted()
    }
}
