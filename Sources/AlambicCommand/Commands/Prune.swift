import Alambic
import Foundation

extension Subcommand {
    static let prune = Subcommand(
        name: "prune", summary: "remove weights in rounds and retrain the rest",
        usage: "--model DIR --sparsity S --data FILE --out DIR [options]",
        options: [
            .value("model", "DIR", "the model to prune"),
            .value("method", "NAME", "\(PruningMethods.names.joined(separator: ", ")) (default magnitude)"),
            .value("sparsity", "S", "share of each matrix to remove, from 0 to 1"),
            .value("data", "FILE", "text, or tokens of alambic tokenize, to retrain on; the last tenth is held out"),
            .value("out", "DIR", "where the pruned model goes"),
            .value("rounds", "N", "prune and retrain this many times (default 4)"),
            .value("retrain-steps", "N", "retraining steps in all (default 400)"),
            .value(
                "products", "NAME",
                "what retraining's products do with removed weights: measured, sparse or dense (default measured)"),
            .value("teacher", "DIR", "retrain on what this model predicts instead of on the text alone"),
            .value("rate", "X", "peak learning rate while retraining (default 5e-4)"),
        ] + TrainingOptions.options.filter { $0.name != "steps" && $0.name != "rate" },
        notes: """
            Per-layer magnitude pruning and retraining after Han et al. 2015. The result is stored sparse
            (sparse-bitmask) and computed dense in this version: a smaller file, not a faster model. Retraining
            in f32 skips removed weights in the products where that is faster on this machine (measured): losses
            agree within rounding. For the same bits on every machine choose sparse or dense.
            """,
        run: { arguments in
            let context = try arguments.context()
            let method = try PruningMethods.named(
                try arguments.choice("method", from: PruningMethods.names, default: "magnitude"))
            let sparsity = try sparsity(arguments)
            let rounds = try arguments.int("rounds", in: 1...1000) ?? 4
            let steps = try arguments.int("retrain-steps", in: 0...100_000_000) ?? 400
            let model = try arguments.model("model")
            let corpus = try arguments.corpus(for: model)
            let options = try TrainingOptions(arguments, model: model, rate: 5e-4)
            let products = try products(arguments)
            let directory = try arguments.outputDirectory()
            let (train, held) = try options.split(corpus)
            let trainer: Trainer
            if arguments.string("teacher") != nil {
                let objective = try Distillation(from: try arguments.model("teacher"), temperature: 2, mixing: 0.7)
                trainer = try options.trainer(model, objective: objective, on: context)
            } else {
                trainer = try options.trainer(model, objective: LanguageModel(), on: context)
            }
            let progress = Progress("pruning", total: steps)
            let pruned = try prune(trainer, method, sparsity, rounds, steps, products, train, options, progress)
            try pruned.save(to: directory)
            let quality = try pruned.evaluate(on: held, on: context, cancellation: Interruption.cancellation)
            progress.finish(String(format: "held out %.3f bits per byte", quality.bitsPerByte))
            try Output.show(
                [
                    ("model", directory), ("parameters", pruned.parameterCount), ("nonzero", pruned.nonzeroCount),
                    ("bits_per_byte", quality.bitsPerByte), ("bytes", Output.size(of: directory)),
                ], as: arguments)
        })

    private static func sparsity(_ arguments: Arguments) throws -> Double {
        _ = try arguments.required("sparsity", "the share of weights to remove, such as 0.8")
        return try arguments.double("sparsity", in: 0...1) ?? 0
    }

    private static func products(_ arguments: Arguments) throws -> MaskedProducts {
        switch try arguments.choice("products", from: ["measured", "sparse", "dense"], default: "measured") {
        case "sparse": .sparse(.all)
        case "dense": .dense
        default: .measured
        }
    }

    private static func prune(
        _ trainer: Trainer, _ method: some PruningMethod, _ sparsity: Double, _ rounds: Int, _ steps: Int,
        _ products: MaskedProducts, _ train: Corpus, _ options: TrainingOptions, _ progress: Progress
    ) throws -> Model {
        let peak = options.optimizer.rate.peak
        return try trainer.pruned(
            method, to: .unstructured(sparsity), rounds: rounds, retraining: steps, on: train,
            rate: .cosine(peak: peak, warmup: min(20, steps / 10), over: steps, floor: peak / 50), rows: options.rows,
            context: options.context, seed: options.seed, products: products,
            cancellation: Interruption.cancellation
        ) { state in
            progress.update(
                state.report.step, rate: state.report.tokensPerSecond,
                note: String(format: "%.0f %% sparse, loss %.3f, ", state.sparsity * 100, state.report.loss)
                    + sparseProducts(state))
        }
    }

    /// `sparse products in 12 of 24 matrices`.
    private static func sparseProducts(_ state: PruningProgress) -> String {
        let sparse = state.sparseProducts.count { !$0.products.isEmpty }
        return "sparse products in \(sparse) of \(state.sparseProducts.count) matrices"
    }
}
