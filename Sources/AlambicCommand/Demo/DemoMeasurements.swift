import Alambic
import Foundation

extension Demo {
    /// Saves the model, measures it, adds its row and rewrites the report, so that an interrupted demo has one too.
    func measure(
        _ model: Model, _ name: String, steps: Int, seconds: Double, progress: Progress, into report: inout DemoReport
    ) throws {
        let path = "\(directory)/\(name)"
        try model.save(to: path)
        let quality = try model.evaluate(
            on: held, context: min(plan.context, held.tokens.count - 1), on: context,
            cancellation: Interruption.cancellation)
        let stage = DemoReport.Stage(
            name: name, steps: steps, parameters: model.parameterCount, nonzero: model.nonzeroCount,
            bytes: Output.size(of: path), bitsPerByte: quality.bitsPerByte,
            prefillTokensPerSecond: try prefillRate(of: model), decodeTokensPerSecond: try decodeRate(of: model),
            seconds: seconds)
        report.stages.append(stage)
        try write(report)
        progress.finish(
            String(format: "%.3f bits per byte, %@", stage.bitsPerByte, DemoReport.bytes(stage.bytes)))
    }

    /// Tokens per second of reading whole contexts, the median of several.
    private func prefillRate(of model: Model) throws -> Double {
        let inference = try model.makeInference(on: context)
        let length = min(plan.context, held.tokens.count)
        let rows = max(1, min(8, held.tokens.count / length))
        let tokens = Tokens(ids: Array(held.tokens.prefix(rows * length)), batch: rows, length: length)
        var rates: [Double] = []
        for repetition in 0..<8 {
            let (_, seconds) = try timed {
                let hidden = try model.architecture.hidden(tokens, on: inference)
                _ = try inference.losses(hidden, head: model.architecture.head, targets: tokens.ids)
            }
            if repetition > 0 { rates.append(Double(rows * length) / seconds) }
        }
        return rates.sorted()[rates.count / 2]
    }

    /// Tokens per second of making one token after the other, the median of several runs.
    private func decodeRate(of model: Model) throws -> Double {
        let weights = try model.runnableWeights(on: context)
        let prompt = Array(held.tokens.prefix(8))
        let count = max(1, plan.context - prompt.count)
        var rates: [Double] = []
        for repetition in 0..<4 {
            let session = try Session(model, weights: weights, on: context)
            var logits = try session.append(prompt)
            let (_, seconds) = try timed {
                for _ in 0..<count { logits = try session.append([Sampling.greedy.draw(logits, uniform: 0)]) }
            }
            if repetition > 0 { rates.append(Double(count) / seconds) }
        }
        return rates.sorted()[rates.count / 2]
    }

    /// A continuation of the held-out text's beginning.
    func sample(of model: Model) throws -> DemoReport.Sample {
        let prompt = String(
            decoding: held.tokens.prefix(min(48, plan.context / 2)).map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self
        )
        let text: String = try model.generate(
            after: prompt, tokens: 400, sampling: Sampling(temperature: 0.8, topP: 0.95, seed: plan.seed), on: context)
        return .init(stage: "student-int8", prompt: prompt, text: text)
    }

    func emptyReport() -> DemoReport {
        let machine = context.machine
        return DemoReport(
            corpus: .init(
                source: name, files: text.sources.count, bytes: text.bytes.count, heldOutBytes: held.byteCount),
            machine: .init(
                cpu: machine.name, cores: machine.cores, threads: context.threads,
                isa: "\(context.isa)".split(separator: "+").map(String.init)),
            settings: .init(
                context: plan.context, batch: plan.rows, steps: plan.steps, retrainSteps: plan.retrainSteps,
                rounds: plan.rounds, sparsity: plan.sparsity, temperature: plan.temperature, mixing: plan.mixing,
                seed: plan.seed))
    }

    func write(_ report: DemoReport) throws {
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try AtomicFile.write([UInt8](try report.json()), to: URL(fileURLWithPath: "\(directory)/report.json"))
            try AtomicFile.write(report.html(), to: URL(fileURLWithPath: "\(directory)/report.html"))
        } catch {
            throw CommandError.failed("cannot write the report to '\(directory)': \(reason(error))")
        }
    }
}
