import Alambic
import Foundation

extension Subcommand {
    static let distill = Subcommand(
        name: "distill", summary: "train a smaller model on what a larger one predicts",
        usage: "--teacher DIR --data FILE (--student PRESET|CONFIG.json | --layers N) --out DIR [options]",
        options: [
            .value("teacher", "DIR", "the model that teaches"),
            .value("data", "FILE", "text, or tokens of alambic tokenize; the last tenth is held out"),
            .value(
                "student", "PRESET",
                "a student from random weights: \(presetNames.joined(separator: ", ")), or a config.json"),
            .value("layers", "N", "a student of N of the teacher's layers, evenly spaced (default: half of them)"),
            .value("out", "DIR", "where the student, checkpoints, metrics.jsonl and report.html go"),
            .value("temperature", "X", "softens both distributions (default 2)"),
            .value("mixing", "X", "share of the soft loss, from 0 to 1 (default 0.7)"),
        ] + TrainingRun.options + TrainingOptions.options,
        notes: "Loss: mixing T² KL(teacher/T ‖ student/T) + (1 - mixing) cross-entropy (Hinton et al. 2015).",
        run: { arguments in
            let (trainer, run, corpus, teacher) = try prepared(arguments)
            let results = try run.run(trainer, on: corpus)
            try Output.show(results + [("teacher_parameters", teacher)], as: arguments)
        })

    /// Everything up to the first step, and the number of the teacher's parameters. The student's model that the trainer
    /// has copied does not outlive this.
    private static func prepared(_ arguments: Arguments) throws -> (Trainer, TrainingRun, Corpus, Int) {
        let context = try arguments.context()
        let temperature = try arguments.double("temperature", in: 1e-3...1e3) ?? 2
        let mixing = try arguments.double("mixing", in: 0...1) ?? 0.7
        let teacher = try arguments.model("teacher")
        let corpus = try arguments.corpus(for: teacher)
        let student: Model
        if let name = arguments.string("student") {
            if arguments.string("layers") != nil {
                throw CommandError.usage("--student and --layers exclude each other")
            }
            student = try Model(
                try configuration(named: name, vocabulary: teacher.architecture.vocabulary),
                seed: try arguments.seed(), tokenizer: corpus.tokenizer)
            try arguments.requireVocabulary(of: student, for: corpus)
        } else {
            let all = teacher.architecture.layers
            student = try teacher.student(
                layers: try arguments.int("layers", in: 1...max(1, all)) ?? max(1, all / 2))
        }
        let options = try TrainingOptions(arguments, model: student)
        let run = try TrainingRun(arguments, options, title: "distilling")
        let objective = try Distillation(from: teacher, temperature: temperature, mixing: mixing)
        let trainer = try options.trainer(student, objective: objective, on: context)
        return (trainer, run, corpus, teacher.parameterCount)
    }
}
