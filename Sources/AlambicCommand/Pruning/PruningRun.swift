import Alambic
import Foundation

/// One run of `prune`: finds the sparsities, prunes and retrains, measures.
struct PruningRun {
    /// What the three losses are measured on at most.
    static let heldOutTokens = 1 << 16

    let model: Model
    let method: any PruningMethod
    let form: ElementForm
    let rounds: Int
    let steps: Int
    let train: Corpus
    let held: Corpus
    let options: TrainingOptions
    let products: MaskedProducts
    let directory: String
    let context: Context

    /// Does all of it and shows the result.
    func run(to goal: PruningGoal, teacher: Model?, _ arguments: Arguments) throws {
        let plan = try PruningPlan(goal, self)
        let dense = try loss(of: model)
        guard !plan.sparsities.isEmpty else { return try finishDense(plan, dense, arguments) }
        let cut = try loss(of: try deployed(prunedAtOnce(plan.sparsities)))
        let progress = Progress("pruning", total: steps)
        let pruned = try deployed(retrained(plan.sparsities, teacher, progress))
        try pruned.save(to: directory)
        let quality = try evaluation(of: pruned)
        progress.finish(String(format: "held out %.3f bits per byte", quality.bitsPerByte))
        var pairs: [(String, Any)] = [
            ("model", directory), ("parameters", pruned.parameterCount), ("nonzero", pruned.nonzeroCount),
            ("loss_dense", dense.loss), ("loss_pruned", cut.loss), ("loss", quality.loss),
            ("bits_per_byte_dense", dense.bitsPerByte), ("bits_per_byte", quality.bitsPerByte),
            ("bytes", Output.size(of: directory)),
        ]
        let reached = try plan.goal.reached(by: pruned, bytes: Output.size(of: directory), on: context)
        try show(pairs + reached.pairs, plan.layers(of: pruned), arguments)
        if let miss = reached.miss {
            throw CommandError.failed("\(directory) is saved, but misses the target: \(miss)")
        }
    }

    /// A model that meets the target as it is.
    private func finishDense(_ plan: PruningPlan, _ dense: Evaluation, _ arguments: Arguments) throws {
        Terminal.say("the target is met already, with dense weights: nothing is pruned")
        let model = try deployed(model)
        try model.save(to: directory)
        var pairs: [(String, Any)] = [
            ("model", directory), ("parameters", model.parameterCount), ("nonzero", model.nonzeroCount),
            ("loss_dense", dense.loss), ("loss", try loss(of: model).loss), ("bits_per_byte", dense.bitsPerByte),
            ("bytes", Output.size(of: directory)),
        ]
        pairs += try plan.goal.reached(by: model, bytes: Output.size(of: directory), on: context).pairs
        try show(pairs, [], arguments)
    }

    func show(_ pairs: [(String, Any)], _ layers: [PruningPlan.Layer], _ arguments: Arguments) throws {
        if arguments.has("json") {
            try Output.show(pairs + [("layers", layers.map(\.json))], as: arguments)
        } else {
            try Output.show(pairs, as: arguments)
            if !layers.isEmpty { try Output.write("\n" + PruningPlan.Layer.table(layers)) }
        }
    }

    /// The model in the form in which it is saved.
    func deployed(_ model: Model) throws -> Model {
        form == .int8 ? try model.quantized(.int8(), on: context) : model
    }

    /// The dense model with these sparsities, without any retraining.
    func prunedAtOnce(_ sparsities: [String: Sparsity]) throws -> Model {
        try Self.pruned(model, method, sparsities, context)
    }

    private static func pruned(
        _ model: Model, _ method: some PruningMethod, _ sparsities: [String: Sparsity], _ context: Context
    ) throws -> Model {
        try model.pruned(method, to: sparsities, on: context)
    }

    private func evaluation(of model: Model) throws -> Evaluation {
        try model.evaluate(on: held, on: context, cancellation: Interruption.cancellation)
    }

    private func loss(of model: Model) throws -> Evaluation { try evaluation(of: model) }

    private func retrained(
        _ sparsities: [String: Sparsity], _ teacher: Model?, _ progress: Progress
    ) throws -> Model {
        let trainer: Trainer
        if let teacher {
            let objective = try Distillation(from: teacher, temperature: 2, mixing: 0.7)
            trainer = try options.trainer(model, objective: objective, on: context)
        } else {
            trainer = try options.trainer(model, objective: LanguageModel(), on: context)
        }
        return try retrained(trainer, method, sparsities, progress)
    }

    private func retrained(
        _ trainer: Trainer, _ method: some PruningMethod, _ sparsities: [String: Sparsity], _ progress: Progress
    ) throws -> Model {
        let peak = options.optimizer.rate.peak
        return try trainer.pruned(
            method, to: sparsities, rounds: rounds, retraining: steps, on: train,
            rate: .cosine(peak: peak, warmup: min(20, steps / 10), over: steps, floor: peak / 50), rows: options.rows,
            context: options.context, seed: options.seed, products: products, cancellation: Interruption.cancellation
        ) { state in
            progress.update(
                state.report.step, rate: state.report.tokensPerSecond,
                note: String(format: "%.0f %% sparse, loss %.3f, ", state.sparsity * 100, state.report.loss)
                    + Self.sparseProducts(state))
        }
    }

    /// `sparse products in 12 of 24 matrices`.
    private static func sparseProducts(_ state: PruningProgress) -> String {
        let sparse = state.sparseProducts.count { !$0.products.isEmpty }
        return "sparse products in \(sparse) of \(state.sparseProducts.count) matrices"
    }
}

extension PruningGoal {
    /// What was asked for and what a model reaches, measured.
    /// `miss`: by how much it is more than 5 % off.
    func reached(
        by model: Model, bytes: Int, on context: Context
    ) throws -> (pairs: [(String, Any)], miss: String?) {
        switch self {
        case .sparsity: return ([], nil)
        case .bytes(let target):
            let miss = Double(bytes) > 1.05 * target ? "\(bytes) of \(Int(target)) bytes" : nil
            return ([("target_bytes", Int(target))], miss)
        case .tokensPerSecond(let target):
            // Other work on the machine only makes it slower: the best of a few counts.
            var rate = 0.0
            for _ in 0..<3 where rate < target { rate = max(rate, 1 / (try model.secondsPerToken(on: context))) }
            let miss = rate < 0.95 * target ? String(format: "%.1f of %.1f tokens/s", rate, target) : nil
            return ([("target_tokens_per_s", target), ("tokens_per_s", rate)], miss)
        }
    }
}
