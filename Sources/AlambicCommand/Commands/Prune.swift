import Alambic
import Foundation

extension Subcommand {
    static let prune = Subcommand(
        name: "prune", summary: "remove weights, neurons, heads or layers and retrain the rest",
        usage: "--model DIR (--sparsity S | --target-bytes X | --target-tokens-per-s X) --data FILE --out DIR",
        options: [
            .value("model", "DIR", "the model to prune"),
            .value("method", "NAME", "\(PruningChoice.names.joined(separator: ", ")) (default magnitude)"),
        ] + PruningGoal.options + [
            .value("data", "FILE", "text, or tokens of alambic tokenize, to retrain on; the last tenth is held out"),
            .value("out", "DIR", "where the pruned model goes"),
            .value("scheme", "NAME", "f32 or int8: what the saved model's weights are (default f32)"),
            .value("rounds", "N", "magnitude: prune and retrain this many times (default 4)"),
            .value("retrain-steps", "N", "training steps in all (default 400; wanda and sparsegpt 0)"),
            .value(
                "products", "NAME",
                "all but movement: how products treat removed weights: measured, sparse or dense (default measured)"),
            .value("teacher", "DIR", "retrain on what this model predicts instead of on the text alone"),
            .value("rate", "X", "peak learning rate while retraining (default 5e-4)"),
        ] + PruningChoice.options + TrainingOptions.options.filter { $0.name != "steps" && $0.name != "rate" },
        notes: """
            Magnitude pruning and retraining after Han et al. 2015. With a target, sparsity is dealt out to the layers by what
            each costs on this machine and by how much the loss rises when it alone is pruned. The losses shown are those of the
            dense model, of the model cut at once, and of the retrained one. The result is stored sparse (sparse-bitmask),
            but for matrices that are smaller dense, and runs sparse where that is measured to be faster: see `alambic inspect`.
            Retraining in f32 skips removed weights in the products where that is measured to be faster: losses agree within
            rounding; for the same bits every time choose sparse or dense products.
            gradual and movement prune while they train: the sparsity rises along a cubic over three quarters of the steps (Zhu
            and Gupta 2017; Sanh et al. 2020). wanda and sparsegpt prune at once, on inputs that the layers are given while the
            model reads a part of the data (Sun et al. 2024; Frantar and Alistarh 2023), also N:M. neurons, heads and layers
            remove the share of whole units whose loss is least to first order (Molchanov et al. 2017, Michel et al. 2019), the
            same number in every layer: the saved model has smaller matrices. docs/Pruning.md explains all of them.
            """,
        run: { arguments in
            let context = try arguments.context()
            let choice = try PruningChoice(arguments)
            let form = try arguments.choice("scheme", default: ElementForm.f32)
            let goal = try PruningGoal(arguments, form: form)
            if case .rounds = choice {} else { _ = try choice.sparsity(goal, arguments) }
            let rounds = try arguments.int("rounds", in: 1...1000) ?? 4
            let steps = try arguments.int("retrain-steps", in: 0...100_000_000) ?? choice.defaultSteps
            try choice.check(steps: steps, arguments)
            let model = try arguments.model("model")
            let corpus = try arguments.corpus(for: model)
            let options = try TrainingOptions(arguments, model: model, rate: 5e-4)
            let products = try products(arguments)
            let directory = try arguments.outputDirectory()
            let (train, held) = try options.split(corpus)
            let teacher = try arguments.string("teacher").map { _ in try arguments.model("teacher") }
            let run = PruningRun(
                model: model, method: choice.method, form: form, rounds: rounds, steps: steps, train: train,
                held: try held.prefix(PruningRun.heldOutTokens), options: options, products: products,
                directory: directory, context: context)
            try run.run(choice, to: goal, teacher: teacher, arguments)
        })

    private static func products(_ arguments: Arguments) throws -> MaskedProducts {
        switch try arguments.choice("products", from: ["measured", "sparse", "dense"], default: "measured") {
        case "sparse": .sparse(.all)
        case "dense": .dense
        default: .measured
        }
    }
}
