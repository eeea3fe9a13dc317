import Alambic
import Foundation

/// Sanh, Debut, Chaumond and Wolf 2019: half of a language model's layers, trained with three losses.
struct DistilBERTPaper: Paper {
    static let name = "distilbert"
    static let citation =
        "Sanh, Debut, Chaumond, Wolf 2019, DistilBERT, a distilled version of BERT, arXiv:1910.01108, "
        + "Tables 1, 3 and 4"
    static let summary = "a language model of half the layers, and what its losses do"

    /// The models and the lengths of their training.
    struct Recipe: Codable {
        var layers = 6
        var width: Int
        var heads: Int
        var context: Int
        var rows: Int
        var teacherSteps: Int
        var teacherRate = 2e-3
        var steps: Int
        /// What every kind of student is tried with, on the first seed.
        var rates: [Double]

        var half: Int { layers / 2 }
        var parameters: String { "\(layers) \(width) \(heads) \(context) \(rows)" }
    }

    private func recipe(_ lab: Lab) -> Recipe {
        lab.choose(
            Recipe(
                width: 128, heads: 4, context: 128, rows: 16, teacherSteps: 3000, steps: 400,
                rates: [1e-3, 2e-3, 4e-3]),
            quick: Recipe(width: 32, heads: 2, context: 32, rows: 4, teacherSteps: 40, steps: 8, rates: [2e-3]))
    }

    /// What a student starts from, and what it learns from.
    enum Student: String, CaseIterable {
        case scratch, distilled
        case noSoft = "no-soft"
        case noCosine = "no-cosine"
        case noText = "no-text"
        case random = "random-start"
        case layersAlone = "layers-alone"

        /// Whether it starts from every other layer of the teacher.
        var copiesLayers: Bool { self != .scratch && self != .random }
        /// The weights of soft targets, text and cosine; nil for the text alone.
        var weights: TripleWeights? {
            switch self {
            case .scratch, .layersAlone: nil
            case .distilled, .random: .distilBERT
            case .noSoft: TripleWeights(soft: 0, hard: 2, cosine: 1)
            case .noCosine: TripleWeights(soft: 5, hard: 2, cosine: 0)
            case .noText: TripleWeights(soft: 5, hard: 0, cosine: 1)
            }
        }
        /// The row of Table 4, and the change of the GLUE score there.
        var ablation: (label: String, paper: String)? {
            switch self {
            case .scratch, .distilled: nil
            case .noSoft: ("no soft targets (cosine, text)", "-2.96")
            case .noCosine: ("no cosine", "-1.46")
            case .noText: ("no text", "-0.31")
            case .random: ("all three, random start", "-3.69")
            case .layersAlone: ("no teacher but its layers (text alone)", "not there")
            }
        }
    }

    /// How good a model became.
    struct Outcome: Codable {
        /// Nats for each character of the held-out text.
        var loss: Double
        /// The share of its characters that were the likeliest.
        var accuracy: Double
        var parameters: Int
        /// Held-out losses on the way, on a piece of it.
        var steps: [Double]
        var losses: [Double]
        var digest: String
    }

    func run(_ lab: Lab) throws -> PaperResult {
        let recipe = recipe(lab)
        let text = try CharacterText(lab)
        let (teacher, taught) = try teacher(recipe, text, lab)
        let rates = try chosenRates(recipe, text, teacher, lab)
        var outcomes: [Student: [Outcome]] = [:]
        for student in Student.allCases {
            outcomes[student] = try lab.seeds.map { seed in
                try outcome(student, recipe, rate: rates[student.copiesLayers] ?? 1e-3, text, teacher, seed, lab)
            }
        }
        let long = try lab.part("scratch-long", seed: 1, settings: settings(recipe, teacher, "long")) {
            let student = try random(recipe, layers: recipe.half, seed: 101, text)
            return try train(
                student, LanguageModel(), recipe, steps: recipe.teacherSteps, rate: recipe.teacherRate, seed: 1, text,
                lab
            ).outcome
        }
        let speed = try lab.part("speed", settings: settings(recipe, teacher, "speed").merging(lab.clock) { $1 }) {
            try measuredSpeed(of: teacher, and: try teacher.student(layers: recipe.half), text, lab)
        }
        let integers = try lab.part("integers", settings: settings(recipe, teacher, "integers")) {
            try IntegerTeacher(teacher, text, context: recipe.context, on: lab.context)
        }
        return try result(recipe, taught, outcomes, long, speed, integers, rates, lab)
    }

    // MARK: training

    private func teacher(_ recipe: Recipe, _ text: CharacterText, _ lab: Lab) throws -> (Model, Outcome) {
        let directory = try lab.file("teacher").path
        let settings = [
            "model": recipe.parameters, "steps": "\(recipe.teacherSteps)", "rate": "\(recipe.teacherRate)",
            "dtype": lab.dtype.rawValue,
        ]
        func trained() throws -> (model: Model, outcome: Outcome) {
            let start = try random(recipe, layers: recipe.layers, seed: 1, text)
            let found = try train(
                start, LanguageModel(), recipe, steps: recipe.teacherSteps, rate: recipe.teacherRate, seed: 1, text, lab
            )
            try found.model.save(to: directory)
            return found
        }
        let outcome = try lab.part("teacher", settings: settings) { try trained().outcome }
        // Its weights are beside its figures, unless somebody has taken them away.
        if let model = try? Model(contentsOf: directory), model.digest == outcome.digest { return (model, outcome) }
        lab.say("the teacher's weights are gone: training it again")
        return try trained()
    }

    /// The best rate of three on the first seed: for what starts from random weights, by the student from scratch, and for
    /// what starts from layers, by the distilled one.
    private func chosenRates(
        _ recipe: Recipe, _ text: CharacterText, _ teacher: Model, _ lab: Lab
    ) throws -> [Bool: Double] {
        var rates: [Bool: Double] = [:]
        for student in [Student.scratch, .distilled] {
            let tried = try recipe.rates.map { rate in
                (
                    rate: rate,
                    loss: try outcome(student, recipe, rate: rate, text, teacher, lab.seeds.first ?? 1, lab).loss
                )
            }
            rates[student.copiesLayers] = tried.min { $0.loss < $1.loss }?.rate
        }
        return rates
    }

    private func outcome(
        _ kind: Student, _ recipe: Recipe, rate: Double, _ text: CharacterText, _ teacher: Model, _ seed: UInt64,
        _ lab: Lab
    ) throws -> Outcome {
        let name = "\(kind.rawValue)-\(rate)"
        return try lab.part(name, seed: seed, settings: settings(recipe, teacher, "\(rate)")) {
            let student =
                kind.copiesLayers
                ? try teacher.student(layers: recipe.half)
                : try random(recipe, layers: recipe.half, seed: 100 + seed, text)
            guard let weights = kind.weights else {
                return try train(
                    student, LanguageModel(), recipe, steps: recipe.steps, rate: rate, seed: seed, text, lab
                ).outcome
            }
            let objective = try TripleDistillation(from: teacher, weights: weights)
            return try train(student, objective, recipe, steps: recipe.steps, rate: rate, seed: seed, text, lab)
                .outcome
        }
    }

    private func settings(_ recipe: Recipe, _ teacher: Model, _ what: String) -> [String: String] {
        [
            "model": recipe.parameters, "steps": "\(recipe.steps) \(recipe.teacherSteps)", "teacher": teacher.digest,
            "what": what,
        ]
    }

    private func random(_ recipe: Recipe, layers: Int, seed: UInt64, _ text: CharacterText) throws -> Model {
        try Model(
            .gpt(
                layers: layers, width: recipe.width, heads: recipe.heads, context: recipe.context,
                vocabulary: text.train.vocabulary), seed: seed, tokenizer: text.train.tokenizer)
    }

    /// AdamW, a warm-up of a tenth of the steps and a cosine to a tenth of the rate: the same for all but for the rate.
    private func train(
        _ model: Model, _ objective: some Objective, _ recipe: Recipe, steps: Int, rate: Double, seed: UInt64,
        _ text: CharacterText, _ lab: Lab
    ) throws -> (model: Model, outcome: Outcome) {
        let trainer = try Trainer(
            model, objective: objective,
            optimizer: .adamW(
                rate: .cosine(peak: rate, warmup: max(1, steps / 10), over: steps, floor: rate / 10), weightDecay: 0.1),
            dropout: 0, dtype: lab.dtype, seed: seed, on: lab.context)
        let batches = try text.train.batches(of: recipe.rows, context: recipe.context, seed: seed)
        var curve: (steps: [Double], losses: [Double]) = ([], [])
        for step in 0..<steps {
            try trainer.step(batches[step])
            guard (step + 1).isMultiple(of: max(1, steps / 8)) else { continue }
            curve.steps.append(Double(step + 1))
            curve.losses.append(try trainer.snapshot().loss(on: text.piece, context: recipe.context))
        }
        let result = try trainer.snapshot()
        let outcome = Outcome(
            loss: try result.evaluate(on: text.held, context: recipe.context, on: lab.context).loss,
            accuracy: try accuracy(of: result, text, recipe, lab), parameters: result.parameterCount,
            steps: curve.steps, losses: curve.losses, digest: result.digest)
        lab.say("\(steps) steps at \(rate): held-out loss \(decimal(outcome.loss, 4))")
        return (result, outcome)
    }

    // MARK: measuring

    /// How many characters of a piece of held-out text were the likeliest.
    private func accuracy(of model: Model, _ text: CharacterText, _ recipe: Recipe, _ lab: Lab) throws -> Double {
        let inference = try model.makeInference(on: lab.context)
        let (tokens, length, vocabulary) = (text.piece.tokens, recipe.context, text.piece.vocabulary)
        var (right, all) = (0, 0)
        for first in stride(from: tokens.startIndex, to: tokens.endIndex - length, by: length) {
            let hidden = try model.architecture.hidden(Tokens(tokens.array(first..<first + length)), on: inference)
            let logits = try inference.logits(hidden, rows: 0..<length, head: model.architecture.head)
            let values = logits.span
            for t in 0..<length {
                var best = 0
                for j in 1..<vocabulary where values[t * vocabulary + j] > values[t * vocabulary + best] { best = j }
                if Int(tokens[first + t + 1]) == best { right += 1 }
            }
            all += length
        }
        return Double(right) / Double(max(1, all))
    }

    /// Seconds that both take for the same text, one sequence at a time as in the paper: medians, taken in turn.
    struct Speed: Codable {
        var teacher: Double
        var student: Double
        var ratio: Double { teacher / student }
    }

    private func measuredSpeed(
        of teacher: Model, and student: Model, _ text: CharacterText, _ lab: Lab
    ) throws -> Speed {
        var (slow, fast): ([Double], [Double]) = ([], [])
        for _ in 0..<lab.choose(7, quick: 2) {
            slow.append(try teacher.evaluate(on: text.piece, rows: 1, on: lab.context).seconds)
            fast.append(try student.evaluate(on: text.piece, rows: 1, on: lab.context).seconds)
        }
        return Speed(teacher: slow.sorted()[slow.count / 2], student: fast.sorted()[fast.count / 2])
    }
}

/// Tiny Shakespeare in characters: nine tenths to learn from, one to measure on.
struct CharacterText {
    let train: Corpus
    let held: Corpus
    /// The beginning of the held-out text, for what is measured often.
    let piece: Corpus

    init(_ lab: Lab) throws {
        let path = lab.data.appendingPathComponent("tinyshakespeare/input.txt")
        let text = try TextFile.read(path)
        let corpus = try Corpus(text: text, tokenizer: try CharacterTokenizer(of: text.bytes), name: path.path)
        (train, held) = try corpus.split(0.9)
        piece = try held.prefix(lab.choose(16385, quick: 1025))
    }
}
