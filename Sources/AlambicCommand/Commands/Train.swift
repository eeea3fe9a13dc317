import Alambic
import Foundation

extension Subcommand {
    static let train = Subcommand(
        name: "train", summary: "train a language model on a text",
        usage: "--data FILE --model PRESET|CONFIG.json --out DIR [options]",
        options: [
            .value("data", "FILE", "text, or tokens of alambic tokenize; the last tenth is held out"),
            .value("tokenizer", "NAME", "for text: \(TokenizerChoice.help) (default: that of --init, or bytes)"),
            .value("model", "PRESET", "\(presetNames.joined(separator: ", ")), or a config.json (default gpt-nano)"),
            .value("out", "DIR", "where the model, checkpoints, metrics.jsonl and report.html go"),
            .value("init", "DIR", "start from this model instead of from random weights"),
        ] + TrainingRun.options + TrainingOptions.options,
        notes: "Example: alambic train --data input.txt --model gpt-nano --steps 2000 --out model",
        run: { arguments in
            let (trainer, run, corpus) = try prepared(arguments)
            try Output.show(try run.run(trainer, on: corpus), as: arguments)
        })

    /// Everything up to the first step. The model that the trainer has copied does not outlive this.
    private static func prepared(_ arguments: Arguments) throws -> (Trainer, TrainingRun, Corpus) {
        let context = try arguments.context()
        let corpus: Corpus
        let model: Model
        if arguments.string("init") != nil {
            if arguments.string("model") != nil {
                throw CommandError.usage("--init and --model exclude each other")
            }
            let start = try arguments.model("init")
            corpus = try arguments.corpus(for: start)
            model = start.replacing(tokenizer: corpus.tokenizer)
        } else {
            corpus = try arguments.corpus()
            model = try Model(
                try configuration(named: arguments.string("model") ?? "gpt-nano", vocabulary: corpus.vocabulary),
                seed: try arguments.seed(), tokenizer: corpus.tokenizer)
            try arguments.requireVocabulary(of: model, for: corpus)
        }
        let options = try TrainingOptions(arguments, model: model)
        let run = try TrainingRun(arguments, options, title: "training")
        return (try options.trainer(model, objective: LanguageModel(), on: context), run, corpus)
    }
}

/// The named configurations, in the order of the help.
let presetNames = ModelConfiguration.presets.map(\.name)

/// A preset's configuration, with the tokenizer's vocabulary, or that of a `config.json`.
func configuration(named name: String, vocabulary: Int) throws -> ModelConfiguration {
    if presetNames.contains(name) { return try ModelConfiguration.named(name, vocabulary: vocabulary) }
    guard name.hasSuffix(".json") || FileManager.default.fileExists(atPath: name) else {
        throw CommandError.usage(
            "unknown preset '\(name)'; known: \(presetNames.joined(separator: ", ")), or the path of a config.json")
    }
    return try ModelConfiguration(contentsOf: URL(fileURLWithPath: name))
}
