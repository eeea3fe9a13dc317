import Alambic
import Foundation

/// One run of `train`, `distill` or `finetune`: from the memory plan to the report.
struct TrainingRun {
    static let options: [Option] = [
        .flag("resume", "continue from the newest checkpoint in --out"),
        .value("checkpoint-every", "N", "steps between checkpoints (default 500)"),
        .value("evaluate-every", "N", "steps between measurements of the held-out loss (default: a tenth of all)"),
        .value("memory", "GB", "the most memory that the plan may take (default: what the machine has left)"),
    ]

    let title: String
    let options: TrainingOptions
    let directory: String
    private let resuming: Bool
    private let checkpointInterval: Int
    private let heldOutInterval: Int
    private let memoryLimit: Int?
    /// Whether stretches begin at multiples of the context, as a teacher's cache needs it.
    private let aligned: Bool

    init(_ arguments: Arguments, _ options: TrainingOptions, title: String, aligned: Bool = false) throws {
        self.title = title
        self.aligned = aligned
        self.options = options
        resuming = arguments.has("resume")
        checkpointInterval = try arguments.int("checkpoint-every", in: 1...1_000_000_000) ?? 500
        heldOutInterval =
            try arguments.int("evaluate-every", in: 1...1_000_000_000) ?? max(1, options.steps / 10)
        memoryLimit = try arguments.double("memory", in: 1e-6...1e6).map { Int($0 * 1e9) }
        directory = try arguments.outputDirectory()
    }

    /// Trains to the end with progress, metrics, checkpoints, and leaves the model with a report beside it.
    ///
    /// - Parameter save: what to leave in the directory instead of the model.
    /// - Returns: what to show of it.
    func run(
        _ trainer: Trainer, on corpus: Corpus, save: ((String) throws -> Void)? = nil
    ) throws -> [(String, Any)] {
        let latest = try checkpoint()
        let (train, held) = try options.split(corpus)
        try requireRoom(for: trainer)
        let plan = try trainer.memoryPlan(rows: options.rows, context: options.context)
        Terminal.say(plan.description)
        let shifted = try train.batches(of: options.rows, context: options.context, seed: options.seed)
        let batches = aligned ? shifted.aligned : shifted
        if let latest {
            try trainer.resume(from: latest)
            Terminal.say("resuming after step \(trainer.step) from \(latest)")
        }
        trainer.arithmeticPeak = try arithmeticPeak(options.dtype, on: trainer.context)
        let checkpoints = Checkpoints(in: directory, every: checkpointInterval)
        let metrics = try MetricsLog("\(directory)/metrics.jsonl", keepingUpTo: trainer.step)
        if held.tokens.count > 1 {
            metrics.heldOut = HeldOutLoss(
                on: try held.prefix(heldOutTokens), every: heldOutInterval, rows: options.rows,
                context: options.context)
        }
        trainer.afterStep = [metrics, checkpoints]
        let progress = TrainingProgress(title, total: options.steps, before: trainer.step)
        try trainer.run(
            batches, until: options.steps, saving: checkpoints, cancellation: Interruption.cancellation,
            progress: progress.update)
        if let save { try save(directory) } else { try trainer.saveModel(to: directory) }
        let quality = try trainer.evaluate(
            on: held, rows: options.rows, context: options.context, cancellation: Interruption.cancellation)
        let report = try TrainingReport(
            title: title, trainer: trainer, corpus: corpus, quality: quality, plan: plan,
            metrics: "\(directory)/metrics.jsonl")
        try report.html().write(toFile: "\(directory)/report.html", atomically: true, encoding: .utf8)
        progress.finish(report.summary)
        return [("model", directory)] + report.pairs + [("bytes", Output.size(of: directory))]
    }

    /// A few batches, whatever the text's size: a look that costs little beside the training between two of them.
    private var heldOutTokens: Int { max(8192, 4 * options.rows * options.context) + 1 }

    /// The checkpoint to go on from, if that is what was asked for.
    private func checkpoint() throws -> String? {
        let latest = Trainer.latestCheckpoint(in: directory)
        if let latest, !resuming {
            throw CommandError.failed(
                "'\(latest)' is of an earlier run: add --resume, remove it, or choose another --out")
        }
        if resuming && latest == nil {
            throw CommandError.failed(
                "nothing to resume: '\(directory)' has no checkpoint-<step>; leave --resume out")
        }
        return latest
    }

    /// Says before the first step that memory is too small, and with which settings it would not be.
    private func requireRoom(for trainer: Trainer) throws {
        guard trainer.step < options.steps else { return }
        try trainer.checkFits(rows: options.rows, context: options.context, within: memoryLimit)
    }
}
