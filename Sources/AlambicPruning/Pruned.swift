import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTraining

/// How a pruning run is going.
public struct PruningProgress: Sendable {
    /// The round, counted from 1, and how many there are.
    public let round: Int
    /// How many rounds there are.
    public let rounds: Int
    /// The sparsity of this round, over all matrices that are pruned.
    public let sparsity: Double
    /// The retraining step just done.
    public let report: StepReport
    /// Which products of every prunable matrix skip weights that are gone.
    public let sparseProducts: [(path: String, products: SparseProducts)]
}

extension Trainer {
    /// A pruned copy of the trainer's model, retrained after every round of pruning (Han et al. 2015, figure 2: train
    /// connectivity, prune connections, train weights, iterated). The trainer and its model stay as they are.
    ///
    /// - Parameters:
    ///   - method: which weights to give up.
    ///   - sparsity: how many, in the end, of every matrix, and in which pattern.
    ///   - rounds: prune and retrain this many times, sparser each time.
    ///   - steps: retraining steps in all, shared out evenly to the rounds.
    ///   - corpus: what to retrain on, with the trainer's objective.
    ///   - schedule: how the sparsity rises.
    ///   - rate: the learning rate over all retraining steps; by default half of the trainer's peak, falling to a
    ///     twentieth of it along a cosine.
    ///   - rows: sequences per batch; by default as many as the trainer's last batch had, or 32.
    ///   - context: tokens per sequence; by default as in the trainer's last batch, or all that the model can see.
    ///   - seed: of the order of the data.
    ///   - except: matrices to leave alone, by a part of their path.
    ///   - products: what products of retraining do with weights that are gone.
    ///   - cancellation: looked at between steps.
    ///   - progress: called after every retraining step.
    /// - Returns: the model, with pruned matrices stored sparse.
    public func pruned(
        _ method: some PruningMethod = .magnitude, to sparsity: Sparsity, rounds: Int = 4, retraining steps: Int,
        on corpus: Corpus, schedule: SparsitySchedule = .cubic, rate: Schedule? = nil, rows: Int? = nil,
        context: Int? = nil, seed: UInt64 = 1, except: [String] = [],
        products: MaskedProducts = .dense, cancellation: Cancellation? = nil,
        progress: (PruningProgress) -> Void = { _ in }
    ) throws -> Model {
        try sparsity.validate()
        let paths = architecture.prunable(except: except).map { parameters[$0].path }
        return try pruned(
            method, to: Dictionary(paths.map { ($0, sparsity) }) { first, _ in first }, rounds: rounds,
            retraining: steps, on: corpus, schedule: schedule, rate: rate, rows: rows, context: context, seed: seed,
            products: products, cancellation: cancellation, progress: progress)
    }

    /// The same with a sparsity for each path: a distribution over the layers. Other matrices stay dense.
    public func pruned(
        _ method: some PruningMethod = .magnitude, to sparsities: [String: Sparsity], rounds: Int = 4,
        retraining steps: Int, on corpus: Corpus, schedule: SparsitySchedule = .cubic, rate: Schedule? = nil,
        rows: Int? = nil, context: Int? = nil, seed: UInt64 = 1, products: MaskedProducts = .dense,
        cancellation: Cancellation? = nil, progress: (PruningProgress) -> Void = { _ in }
    ) throws -> Model {
        guard rounds > 0, steps >= 0 else {
            throw TrainingError.badSetting("\(rounds) rounds with \(steps) retraining steps: use at least one round")
        }
        try architecture.check(sparsities, prunable: architecture.prunable(except: []))
        var optimizer = self.optimizer
        let peak = optimizer.rate.peak / 2
        optimizer.rate = rate ?? .cosine(peak: peak, warmup: min(20, steps / 10), over: steps, floor: peak / 10)
        let retrainer = try retrainer(optimizer: optimizer)
        let pruner = Pruner(of: retrainer, by: method, products: products)
        let rows = rows ?? source?.rows ?? 32
        let context = context ?? source?.context ?? architecture.context
        let batches = try corpus.batches(of: rows, context: context, seed: seed)
        for round in 1...rounds {
            let now = sparsities.mapValues { schedule.sparsity(round: round, of: rounds, target: $0) }
            try pruner.prune(to: now, tokens: rows * context)
            let sparsity = meanFraction(now)
            let sparseProducts = pruner.sparseProducts
            try retrainer.run(batches, until: steps * round / rounds, cancellation: cancellation) { report in
                progress(
                    PruningProgress(
                        round: round, rounds: rounds, sparsity: sparsity, report: report,
                        sparseProducts: sparseProducts))
            }
        }
        return try pruner.model()
    }

    /// The share that goes of all weights of these matrices.
    private func meanFraction(_ sparsities: [String: Sparsity]) -> Double {
        var (gone, total) = (0.0, 0.0)
        for parameter in parameters {
            guard let sparsity = sparsities[parameter.path] else { continue }
            gone += sparsity.fraction * Double(parameter.shape.count)
            total += Double(parameter.shape.count)
        }
        return gone / max(total, 1)
    }
}
