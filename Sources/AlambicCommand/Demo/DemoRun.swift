import Alambic
import Foundation

/// The whole way at small size, on real text.
struct Demo {
    /// Text that every Debian or Ubuntu machine has.
    static let defaultCorpus = "/usr/share/common-licenses"

    /// Sizes and lengths of the run.
    struct Plan {
        var layers = 4
        var width = 128
        var heads = 4
        var context = 128
        var rows = 8
        /// Steps of each student. The teacher takes twice as many: it must know more than they do.
        var steps = 1500
        var retrainSteps = 3600
        var rounds = 3
        var sparsity = 0.8
        var temperature = 2.0
        var mixing = 0.7
        var dropout = 0.05
        var rate = 5e-3
        var retrainRate = 5e-3
        var seed: UInt64 = 1
    }

    let plan: Plan
    let text: TextFile
    let name: String
    let directory: String
    let context: Context
    let train: Corpus
    let held: Corpus

    init(plan: Plan, text: (TextFile, name: String), directory: String, on context: Context) throws {
        self.plan = plan
        (self.text, name) = text
        self.directory = directory
        self.context = context
        let corpus = try Corpus(text: text.0.bytes, tokenizer: ByteTokenizer(), name: name)
        let needed = 20 * plan.context
        guard corpus.tokens.count >= needed else {
            throw CommandError.failed(
                "corpus '\(name)' has \(corpus.tokens.count) bytes and the demo needs at least \(needed); give a longer text with --data"
            )
        }
        (train, held) = try corpus.split(0.9)
    }

    /// The text to work on, and what to call it.
    static func text(_ path: String?) throws -> (TextFile, name: String) {
        if let path {
            try Output.requireFile(path)
            return (try TextFile.read(URL(fileURLWithPath: path)), path)
        }
        guard FileManager.default.fileExists(atPath: defaultCorpus) else {
            throw CommandError.failed("this machine has no \(defaultCorpus); name a text file with --data FILE")
        }
        return (try TextFile.read(URL(fileURLWithPath: defaultCorpus)), defaultCorpus)
    }

    /// Runs every stage, saves every model, and writes the report after each stage.
    func run() throws -> DemoReport {
        let started = ContinuousClock.now
        var report = emptyReport()
        let teacherShape = ModelConfiguration.gpt(
            layers: plan.layers, width: plan.width, heads: plan.heads, context: plan.context,
            vocabulary: train.vocabulary, dropout: plan.dropout)
        let studentShape = ModelConfiguration.gpt(
            layers: plan.layers / 2, width: plan.width, heads: plan.heads, context: plan.context,
            vocabulary: train.vocabulary, dropout: 0)

        let lessons = 2 * plan.steps
        let teacherRun = try trainer(try Model(teacherShape, seed: plan.seed), LanguageModel(), steps: lessons)
        let teacher = try fit(teacherRun, "teacher", steps: lessons, into: &report)

        let scratchRun = try trainer(try Model(studentShape, seed: plan.seed &+ 1), LanguageModel(), steps: plan.steps)
        _ = try fit(scratchRun, "student-scratch", steps: plan.steps, into: &report)

        let objective = try Distillation(from: teacher, temperature: plan.temperature, mixing: plan.mixing)
        let start = try teacher.student(layers: plan.layers / 2).withDropout(0)
        let distilledRun = try trainer(start, objective, steps: plan.steps)
        let distilled = try fit(distilledRun, "student-distilled", steps: plan.steps, into: &report)

        let schedule = Schedule.cosine(
            peak: plan.retrainRate, warmup: plan.retrainSteps / 20, over: plan.retrainSteps,
            floor: plan.retrainRate / 50)
        let longer = try trainer(distilled, objective, schedule: schedule)
        _ = try fit(
            longer, "student-distilled-longer", steps: plan.retrainSteps, before: plan.steps, into: &report)

        let pruned = try prune(try trainer(distilled, objective, schedule: schedule), schedule, into: &report)
        try quantize(pruned, into: &report)

        report.sample = try sample(of: pruned.quantized(.int8(), on: context))
        report.seconds = (ContinuousClock.now - started).inSeconds
        try write(report)
        return report
    }

    private func trainer(_ model: Model, _ objective: some Objective, steps: Int) throws -> Trainer {
        let schedule = Schedule.cosine(
            peak: plan.rate, warmup: min(100, steps / 10), over: steps, floor: plan.rate / 50)
        return try trainer(model, objective, schedule: schedule)
    }

    private func trainer(_ model: Model, _ objective: some Objective, schedule: Schedule) throws -> Trainer {
        try Trainer(
            model, objective: objective, optimizer: .adamW(rate: schedule, weightDecay: 0.1), seed: plan.seed,
            on: context)
    }

    /// Trains to the end and measures the result.
    private func fit(
        _ trainer: Trainer, _ name: String, steps: Int, before: Int = 0, into report: inout DemoReport
    ) throws -> Model {
        let progress = Progress(name, total: steps)
        var curve = CurveBuilder(name: name, first: before)
        let batches = try train.batches(of: plan.rows, context: plan.context, seed: plan.seed &+ UInt64(before))
        let (_, seconds) = try timed {
            try trainer.run(batches, until: steps, cancellation: Interruption.cancellation) { step in
                curve.add(step)
                progress.update(
                    step.step, rate: step.tokensPerSecond, note: String(format: "loss %.3f", curve.hardLoss(of: step)))
            }
        }
        let model = try trainer.snapshot()
        report.curves.append(curve.curve)
        try measure(model, name, steps: before + steps, seconds: seconds, progress: progress, into: &report)
        return model
    }

    private func prune(_ trainer: Trainer, _ schedule: Schedule, into report: inout DemoReport) throws -> Model {
        let name = "student-pruned"
        let progress = Progress(name, total: plan.retrainSteps)
        var curve = CurveBuilder(name: name, first: plan.steps)
        let (pruned, seconds) = try timed {
            try trainer.pruned(
                Magnitude(), to: .unstructured(plan.sparsity), rounds: plan.rounds, retraining: plan.retrainSteps,
                on: train, rate: schedule, rows: plan.rows, context: plan.context,
                seed: plan.seed &+ UInt64(plan.steps), cancellation: Interruption.cancellation
            ) { state in
                curve.add(state.report)
                progress.update(
                    state.report.step, rate: state.report.tokensPerSecond,
                    note: String(
                        format: "%.0f %% sparse, loss %.3f", state.sparsity * 100, curve.hardLoss(of: state.report)))
            }
        }
        report.curves.append(curve.curve)
        try measure(
            pruned, name, steps: plan.steps + plan.retrainSteps, seconds: seconds, progress: progress, into: &report)
        return pruned
    }

    private func quantize(_ pruned: Model, into report: inout DemoReport) throws {
        let progress = Progress("student-int8", total: 1)
        let (small, seconds) = try timed { try pruned.quantized(.int8(), on: context) }
        try measure(
            small, "student-int8", steps: plan.steps + plan.retrainSteps, seconds: seconds, progress: progress,
            into: &report)
    }
}

/// Collects a training curve in bits per byte, averaged over stretches of steps so that it can be read.
private struct CurveBuilder {
    private(set) var curve: DemoReport.Curve
    private var sum = 0.0
    private var count = 0
    private let first: Int
    private static let stretch = 20

    init(name: String, first: Int) {
        curve = .init(name: name, steps: [], bitsPerByte: [])
        self.first = first
    }

    /// The cross-entropy against the text, whatever else the objective holds.
    func hardLoss(of report: StepReport) -> Double { report.terms["hard"] ?? report.loss }

    mutating func add(_ report: StepReport) {
        sum += hardLoss(of: report) / log(2)
        count += 1
        guard count == Self.stretch else { return }
        curve.steps.append(first + report.step)
        curve.bitsPerByte.append(sum / Double(count))
        (sum, count) = (0, 0)
    }
}
