import Alambic
import Foundation

/// The kinds of pruning that have no rounds: at once with a calibration, in the course of training, and of whole units.
extension PruningRun {
    func run(_ choice: PruningChoice, to goal: PruningGoal, teacher: Model?, _ arguments: Arguments) throws {
        if case .rounds = choice { return try run(to: goal, teacher: teacher, arguments) }
        let sparsity = try choice.sparsity(goal, arguments)
        let dense = try model.evaluate(on: held, on: context, cancellation: Interruption.cancellation)
        let progress = Progress("training", total: max(steps, 1))
        var cut: Model?
        let result: Model
        switch choice {
        case .rounds: return
        case .gradual, .movement:
            guard steps > 0 else {
                throw CommandError.usage(
                    "--method \(arguments.string("method") ?? "") prunes while it trains: give it steps")
            }
            var isGlobal = false
            if case .sparsity(_, .global) = goal { isGlobal = true }
            result = try pruned(choice, sparsity.fraction, isGlobal, teacher, arguments, progress)
        case .calibrated(let method):
            let once = try calibrated(method, sparsity, arguments)
            cut = once
            result = steps > 0 ? try retrained(once, teacher, progress) : once
        case .structured(let unit):
            let once = try smaller(unit, sparsity.fraction, arguments)
            cut = once
            // A model that was pruned before has zeros, which stay.
            result = steps > 0 ? try retrained(once, teacher, progress) : once
        }
        try finish(try deployed(result), dense, try cut.map { try deployed($0) }, progress, arguments)
    }

    private func finish(
        _ pruned: Model, _ dense: Evaluation, _ cut: Model?, _ progress: Progress, _ arguments: Arguments
    ) throws {
        try pruned.save(to: directory)
        func evaluation(_ model: Model) throws -> Evaluation {
            try model.evaluate(on: held, on: context, cancellation: Interruption.cancellation)
        }
        let quality = try evaluation(pruned)
        progress.finish(String(format: "held out %.3f bits per byte", quality.bitsPerByte))
        var pairs: [(String, Any)] = [
            ("model", directory), ("parameters", pruned.parameterCount), ("nonzero", pruned.nonzeroCount),
            ("loss_dense", dense.loss),
        ]
        if let cut { pairs.append(("loss_pruned", try evaluation(cut).loss)) }
        pairs += [
            ("loss", quality.loss), ("bits_per_byte_dense", dense.bitsPerByte), ("bits_per_byte", quality.bitsPerByte),
            ("bytes", Output.size(of: directory)),
        ]
        try show(pairs, PruningPlan.layers(of: pruned), arguments)
    }

    private func calibrated(
        _ method: some CalibratedPruningMethod, _ sparsity: Sparsity, _ arguments: Arguments
    ) throws -> Model {
        let tokens = try arguments.int("calibration-tokens", in: 1...1 << 30) ?? 1 << 16
        let calibration = try Calibration(train, context: options.context, tokens: tokens)
        let progress = Progress("pruning", total: model.architecture.layers)
        let paths = model.prunablePaths()
        let result = try model.pruned(
            method, to: Dictionary(paths.map { ($0, sparsity) }) { first, _ in first }, readingOn: calibration,
            on: context, cancellation: Interruption.cancellation,
            progress: { done, _ in progress.update(done) }, notice: { Terminal.say($0) })
        progress.finish("\(paths.count) matrices")
        return result
    }

    private func smaller(_ unit: StructuredUnit, _ share: Double, _ arguments: Arguments) throws -> Model {
        let name = try arguments.choice("score", from: ["taylor", "magnitude"], default: "taylor")
        let scores =
            name == "magnitude"
            ? try model.unitMagnitudes(unit)
            : try model.unitTaylorScores(
                unit, on: train, batches: 32, rows: min(4, options.rows), length: options.context, seed: options.seed,
                context: context, cancellation: Interruption.cancellation)
        return try model.removing(share, by: scores)
    }

    private func pruned(
        _ choice: PruningChoice, _ share: Double, _ isGlobal: Bool, _ teacher: Model?, _ arguments: Arguments,
        _ progress: Progress
    ) throws -> Model {
        let trainer = try trainer(of: model, teacher)
        // The last quarter of the steps trains with the last mask.
        let interval = try arguments.int("mask-interval", in: 1...1_000_000) ?? max(1, steps / 50)
        let schedule = try GradualSchedule(
            to: share, start: 0, every: interval, times: max(1, steps * 3 / 4 / interval))
        if case .movement = choice {
            let movement = try MovementPruning(
                of: trainer, on: schedule, rate: try arguments.double("score-rate", in: 1e-12...1e12) ?? 1)
            trainer.afterStep.append(movement)
            _ = try trained(trainer, progress)
            return try movement.finish()
        }
        let pruning = GradualPruning(
            of: trainer, on: schedule, distribution: isGlobal ? .global : .perLayer, products: products)
        trainer.afterStep.append(pruning)
        _ = try trained(trainer, progress)
        return try pruning.model()
    }

    /// The survivors of a pruned model, trained on.
    private func retrained(_ pruned: Model, _ teacher: Model?, _ progress: Progress) throws -> Model {
        let trainer = try trainer(of: pruned, teacher)
        let pruner = Pruner(of: trainer, by: .magnitude, products: products)
        try pruner.prune(with: try pruned.zeroMasks())
        _ = try trained(trainer, progress)
        return try pruner.model()
    }

    private func trainer(of model: Model, _ teacher: Model?) throws -> Trainer {
        let trainer: Trainer
        if let teacher {
            let objective = try Distillation(from: teacher, temperature: 2, mixing: 0.7)
            trainer = try options.trainer(model, objective: objective, on: context)
        } else {
            trainer = try options.trainer(model, objective: LanguageModel(), on: context)
        }
        let peak = options.optimizer.rate.peak
        trainer.optimizer.rate = .cosine(peak: peak, warmup: min(20, steps / 10), over: steps, floor: peak / 50)
        return trainer
    }

    private func trained(_ trainer: Trainer, _ progress: Progress) throws -> Trainer {
        let batches = try train.batches(of: options.rows, context: options.context, seed: options.seed)
        try trainer.run(batches, until: steps, cancellation: Interruption.cancellation) { report in
            progress.update(
                report.step, rate: report.tokensPerSecond, note: String(format: "loss %.3f", report.loss))
        }
        return trainer
    }
}

extension PruningPlan {
    /// What became of every matrix, measured in the weights.
    static func layers(of model: Model) -> [Layer] {
        zip(model.architecture.parameters, model.weights).compactMap { description, weight in
            guard description.kind == .matrix else { return nil }
            return Layer(
                path: description.path, outputs: description.shape.rows, inputs: description.shape.columns,
                sparsity: 1 - Double(weight.nonzeroCount) / Double(max(weight.count, 1)), increase: nil)
        }
    }
}
