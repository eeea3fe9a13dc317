import Alambic
import Foundation

extension Subcommand {
    static let profile = Subcommand(
        name: "profile", summary: "where the time of a training step goes, operation by operation",
        usage: "--model PRESET|CONFIG.json [options]",
        options: [
            .value("model", "PRESET", "\(presetNames.joined(separator: ", ")), or a config.json (default gpt-nano)"),
            .value("vocabulary", "N", "vocabulary of presets that take the tokenizer's (default 256)"),
            .value("steps", "N", "steps to measure, after three that are not (default 5)"),
            .value("dropout", "X", "dropout rate of embeddings and residual branches (default: the model's)"),
            .value("svg", "FILE", "write the table as a picture too"),
            .flag("lines", "one line of JSON for each step, from the first on, and nothing else"),
        ] + TrainingOptions.step,
        notes: "Tokens are random. Fractions are of what this machine can do, measured in the same run.",
        run: { arguments in
            let context = try arguments.context()
            let name = arguments.string("model") ?? "gpt-nano"
            let configuration = try configuration(
                named: name, vocabulary: arguments.int("vocabulary", in: 2...1 << 24) ?? 256)
            let steps = try arguments.int("steps", in: 1...100_000) ?? 5
            let picture = arguments.string("svg")
            if let picture { try Output.prepareFile(picture) }
            let (trainer, options) = try prepared(configuration, arguments, on: context)
            if arguments.has("lines") {
                try StepMeasurement.writeLines(trainer, options, steps: steps)
                return
            }
            let measurement = try StepMeasurement(trainer, options, steps: steps)
            if let picture { try measurement.svg().write(toFile: picture, atomically: true, encoding: .utf8) }
            if arguments.has("json") {
                try Output.show(measurement.pairs, as: arguments)
            } else {
                try Output.write(measurement.table)
            }
        })

    /// A trainer, without the model that it has copied.
    private static func prepared(
        _ configuration: ModelConfiguration, _ arguments: Arguments, on context: Context
    ) throws -> (Trainer, TrainingOptions) {
        let model = try Model(configuration, seed: try arguments.seed())
        let options = try TrainingOptions(arguments, model: model)
        return (try options.trainer(model, objective: LanguageModel(), on: context), options)
    }
}
