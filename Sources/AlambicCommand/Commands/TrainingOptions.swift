import Alambic
import Foundation

/// What `train`, `distill` and `prune` have in common: batches, optimizer, checkpoints.
struct TrainingOptions {
    static let options: [Option] =
        [
            .value("steps", "N", "optimizer steps (default 1000)")
        ] + step + [
            .value("rate", "X", "peak learning rate; rises over a warm-up, falls along a cosine (default 1e-3)"),
            .value("weight-decay", "X", "decoupled weight decay of adamw (default 0.1)"),
            .value("clip", "X", "largest gradient norm (default 1)"),
            .value("dropout", "X", "dropout rate of embeddings and residual branches (default: the model's)"),
        ]

    /// What a single step depends on.
    static let step: [Option] = [
        .value("batch", "N", "sequences per step (default 32)"),
        .value("context", "N", "tokens per sequence (default: all that the model can see)"),
        .value("micro-batches", "N", "parts to compute a batch in, to save memory (default 1)"),
        .value("dtype", "TYPE", "\(names(TrainingDType.self)): what products compute with (default f32)"),
        .value("recompute", "WHAT", "\(names(Recomputation.self)): compute again instead of keeping (default none)"),
        .value("optimizer", "NAME", "\(Optimizers.names.joined(separator: ", ")) (default adamw)"),
    ]

    private static func names<Choice: RawRepresentable & CaseIterable>(_: Choice.Type) -> String
    where Choice.RawValue == String {
        Choice.allCases.map(\.rawValue).joined(separator: ", ")
    }

    let steps: Int
    let rows: Int
    let context: Int
    let microBatches: Int
    let dtype: TrainingDType
    let recomputation: Recomputation
    let optimizer: any Optimizer
    let clipping: Double
    let dropout: Double?
    let seed: UInt64

    init(_ arguments: Arguments, model: Model, rate defaultRate: Double = 1e-3) throws {
        let steps = try arguments.int("steps", in: 1...100_000_000) ?? 1000
        self.steps = steps
        rows = try arguments.int("batch", in: 1...1_000_000) ?? 32
        microBatches = try arguments.int("micro-batches", in: 1...1_000_000) ?? 1
        guard rows.isMultiple(of: microBatches) else {
            throw CommandError.usage("--batch \(rows) cannot be cut into --micro-batches \(microBatches) equal parts")
        }
        dtype = try arguments.choice("dtype", default: .f32)
        recomputation = try arguments.choice("recompute", default: .none)
        let limit = model.architecture.context
        let context = try arguments.int("context", in: 1...1 << 30) ?? limit
        guard context <= limit else {
            throw CommandError.failed(
                "--context \(context) is longer than the model's context of \(limit); use at most \(limit)")
        }
        self.context = context
        let name = try arguments.choice("optimizer", from: Optimizers.names, default: "adamw")
        let rate = try arguments.double("rate", in: 1e-12...1e3) ?? defaultRate
        let decay = try arguments.double("weight-decay", in: 0...100)
        if decay != nil && name != "adamw" {
            throw CommandError.usage("--weight-decay belongs to the optimizer adamw; found --optimizer \(name)")
        }
        let schedule = Schedule.cosine(peak: rate, warmup: min(100, steps / 10), over: steps, floor: rate / 10)
        optimizer = try Optimizers.named(
            name, rate: schedule, settings: name == "adamw" ? ["weightDecay": decay ?? 0.1] : [:])
        clipping = try arguments.double("clip", in: 1e-9...1e9) ?? 1
        dropout = try arguments.double("dropout", in: 0...0.99)
        seed = try arguments.seed()
    }

    /// A trainer with these settings, of all weights or of adapters.
    func trainer(
        _ model: consuming Model, objective: some Objective, adapters: LoRA? = nil, on machineContext: Context
    ) throws -> Trainer {
        try makeTrainer(consume model, objective, optimizer, adapters, machineContext)
    }

    private func makeTrainer(
        _ model: consuming Model, _ objective: some Objective, _ optimizer: some Optimizer, _ adapters: LoRA?,
        _ context: Context
    ) throws -> Trainer {
        try Trainer(
            consume model, objective: objective, optimizer: optimizer, clipping: clipping, dropout: dropout,
            microBatches: microBatches, dtype: dtype, recomputation: recomputation, adapters: adapters,
            seed: seed, on: context)
    }

    /// What the last tenth of a corpus is measured with at most: a large one would take longer than the training.
    private static let mostHeldOut = 1 << 18

    /// What to train on, which must fill a batch, and the last tenth, held out, or the beginning of it.
    func split(_ corpus: Corpus) throws -> (train: Corpus, held: Corpus) {
        let (train, held) = try corpus.split(0.9)
        let (tokens, overflow) = rows.multipliedReportingOverflow(by: context)
        guard !overflow, train.tokens.count > tokens else {
            throw CommandError.failed(
                "corpus '\(corpus.name)' has \(train.tokens.count) tokens to train on, and a batch of \(rows) sequences of "
                    + "\(context) tokens and one to follow needs more: give a longer text, or a smaller --batch or --context"
            )
        }
        return (train, try held.prefix(Self.mostHeldOut))
    }
}
