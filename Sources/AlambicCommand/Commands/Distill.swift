import Alambic
import Foundation

extension Subcommand {
    static let distill = Subcommand(
        name: "distill", summary: "train a smaller model on what a larger one predicts",
        usage:
            "(--teacher DIR | --teacher-cache FILE) --data FILE (--student PRESET|CONFIG.json | --layers N) --out DIR [options]",
        options: [
            .value("teacher", "DIR", "the model that teaches"),
            .value(
                "teacher-cache", "FILE", "what it predicted, by alambic cache-teacher; then no teacher is in memory"),
            .value("data", "FILE", "text, or tokens of alambic tokenize; the last tenth is held out"),
            .value(
                "student", "PRESET",
                "a student from random weights: \(presetNames.joined(separator: ", ")), or a config.json"),
            .value("init", "DIR", "a student that starts from the weights of a model, for --teacher-cache"),
            .value("layers", "N", "a student of N of the teacher's layers, evenly spaced (default: half of them)"),
            .value("out", "DIR", "where the student, checkpoints, metrics.jsonl and report.html go"),
            .value("loss", "NAME", DistillationChoice.help),
            .value("temperature", "X", "softens both distributions (default 2; of a cache: its own)"),
            .value("mixing", "X", "share of the soft loss, from 0 to 1 (default 0.7)"),
        ] + TrainingRun.options + TrainingOptions.options,
        notes: """
            Loss: mixing T² D(teacher/T, student/T) + (1 - mixing) cross-entropy (Hinton et al. 2015), D being
            KL(teacher ‖ student) (kl), KL(student ‖ teacher) (reverse-kl), the generalised Jensen-Shannon divergence
            (jsd:BETA, Agarwal et al. 2024) or half the squared distance of the logits (logits). triple: 5 soft + 2
            cross-entropy + 1 cosine of the last hidden states (DistilBERT, Sanh et al. 2019). minilm: the last layer's
            attention and value relations + cross-entropy (Wang et al. 2020). See docs/Distillation.md.
            """,
        run: { arguments in
            let (trainer, run, corpus, teacher) = try prepared(arguments)
            let results = try run.run(trainer, on: corpus)
            try Output.show(results + teacher.map { ("teacher_parameters", $0 as Any) }, as: arguments)
        })

    /// Everything up to the first step, and the number of the teacher's parameters. The student's model that the trainer
    /// has copied does not outlive this.
    private static func prepared(_ arguments: Arguments) throws -> (Trainer, TrainingRun, Corpus, [Int]) {
        let context = try arguments.context()
        let choice = try DistillationChoice(arguments)
        if let path = arguments.string("teacher-cache") { return try prepared(arguments, choice, cache: path, context) }
        if arguments.string("init") != nil {
            throw CommandError.usage("--init goes with --teacher-cache; --teacher starts students by --layers")
        }
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
                layers: try arguments.int("layers", in: 1...max(1, all)) ?? max(1, all / 2)
            ).replacing(tokenizer: corpus.tokenizer)
        }
        let options = try TrainingOptions(arguments, model: student)
        let run = try TrainingRun(arguments, options, title: "distilling")
        let trainer = try choice.trainer(student, from: teacher, options, on: context)
        return (trainer, run, corpus, [teacher.parameterCount])
    }

    /// The same from what a teacher predicted.
    private static func prepared(
        _ arguments: Arguments, _ choice: DistillationChoice, cache path: String, _ context: Context
    ) throws -> (Trainer, TrainingRun, Corpus, [Int]) {
        for other in ["teacher", "layers", "temperature"] where arguments.string(other) != nil {
            throw CommandError.usage("--teacher-cache and --\(other) exclude each other")
        }
        guard choice.loss == .soft(.forwardKL) else {
            throw CommandError.usage("--teacher-cache has the loss kl alone; found --loss \(choice.name)")
        }
        let cache = try TeacherCache(contentsOf: path)
        let student: Model
        let corpus: Corpus
        switch (arguments.string("student"), arguments.string("init")) {
        case (let name?, nil):
            corpus = try arguments.corpus()
            student = try Model(
                try configuration(named: name, vocabulary: cache.description.vocabulary), seed: try arguments.seed(),
                tokenizer: corpus.tokenizer)
        case (nil, _?):
            student = try arguments.model("init")
            corpus = try arguments.corpus(for: student)
        default: throw CommandError.usage("--teacher-cache needs a student: --student PRESET or --init DIR")
        }
        try arguments.requireVocabulary(of: student, for: corpus)
        let length = cache.description.context
        let options = try TrainingOptions(arguments, model: student)
        guard options.context == length else {
            throw CommandError.failed(
                "teacher cache '\(path)' has stretches of \(length) tokens and a step has \(options.context): "
                    + "use --context \(length), or make another cache")
        }
        let run = try TrainingRun(arguments, options, title: "distilling", aligned: true)
        let objective = try CachedDistillation(from: cache, mixing: choice.mixing)
        try objective.check(tokenizer: corpus.tokenizer)
        let trainer = try options.trainer(student, objective: objective, on: context)
        return (trainer, run, corpus, [])
    }
}

/// What `--loss`, `--temperature` and `--mixing` say.
struct DistillationChoice {
    enum Loss: Equatable { case soft(Divergence), triple, miniLM }

    static let help = "kl, reverse-kl, jsd:BETA with BETA between 0 and 1, logits, triple or minilm (default kl)"

    let name: String
    let loss: Loss
    let temperature: Double
    let mixing: Double

    init(_ arguments: Arguments) throws(CommandError) {
        temperature = try arguments.double("temperature", in: 1e-3...1e3) ?? 2
        mixing = try arguments.double("mixing", in: 0...1) ?? 0.7
        name = arguments.string("loss") ?? "kl"
        loss = try Self.loss(named: name)
        if loss == .triple || loss == .miniLM, arguments.string("mixing") != nil {
            throw .usage("--mixing does not belong to --loss \(name)")
        }
        if loss == .miniLM || loss == .soft(.matchedLogits), arguments.string("temperature") != nil {
            throw .usage("--temperature does not belong to --loss \(name)")
        }
    }

    private static func loss(named name: String) throws(CommandError) -> Loss {
        switch name {
        case "kl": return .soft(.forwardKL)
        case "reverse-kl": return .soft(.reverseKL)
        case "logits": return .soft(.matchedLogits)
        case "triple": return .triple
        case "minilm": return .miniLM
        default: break
        }
        let parts = name.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.first == "jsd" else { throw .usage("unknown loss '\(name)'; known: \(help)") }
        guard parts.count == 2, let beta = Float(parts[1]), beta > 0, beta < 1 else {
            throw .usage("--loss jsd:BETA takes a number between 0 and 1, such as jsd:0.5; found '\(name)'")
        }
        return .soft(.jensenShannon(beta: beta))
    }

    func trainer(
        _ student: Model, from teacher: Model, _ options: TrainingOptions, on context: Context
    ) throws -> Trainer {
        switch loss {
        case .soft(let divergence):
            let objective = try Distillation(
                from: teacher, temperature: temperature, mixing: mixing, divergence: divergence)
            return try options.trainer(student, objective: objective, on: context)
        case .triple:
            let objective = try TripleDistillation(from: teacher, temperature: temperature)
            return try options.trainer(student, objective: objective, on: context)
        case .miniLM:
            return try options.trainer(student, objective: try MiniLM(from: teacher), on: context)
        }
    }
}
