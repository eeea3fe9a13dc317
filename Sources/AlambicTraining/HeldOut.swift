import AlambicKernels
import AlambicModels
import AlambicTensor

// Measuring with the memory of training: no second copy of the weights, no other values than a step's.
extension Trainer {
    /// How well the model as it is now predicts a text, in the precision of the training, without dropout or stochastic
    /// depth. It takes no memory beyond that of a training step of this shape, and changes nothing that a later step
    /// depends on.
    ///
    /// Every token of the corpus but the first is predicted once, from those before it in the same stretch of `context`
    /// tokens.
    ///
    /// - Parameters:
    ///   - corpus: the text, tokenized as the model was trained.
    ///   - rows: stretches of a batch, as in training.
    ///   - context: tokens per stretch.
    ///   - cancellation: looked at between batches.
    public func evaluate(
        on corpus: Corpus, rows: Int, context length: Int, cancellation: Cancellation? = nil
    ) throws(TrainingError) -> Evaluation {
        precondition(rows > 0, "an evaluation with \(rows) stretches at a time")
        guard length > 0, length <= architecture.context else {
            throw .contextTooLong(context: length, limit: architecture.context)
        }
        guard corpus.tokens.count > 1 else {
            throw .badSetting("corpus '\(corpus.name)' has nothing to predict: give at least two tokens")
        }
        // Noted kernels do not look at tokens before they run, and leave out those that there are not.
        if let token = corpus.tokens.max(), Int(token) >= architecture.vocabulary {
            throw .vocabularyTooSmall(token: Int(token), vocabulary: architecture.vocabulary)
        }
        let clock = ContinuousClock()
        let start = clock.now
        for parameter in parameters {
            try kernels { () throws(KernelError) in try parameter.refresh(on: self.context) }
        }
        // A rate below half of 1/65536 drops nothing and keeps the operations, and with them their places in memory. What
        // else drops, the worker holds still.
        let still = dropout > 0 ? architecture.withDropout(1e-9) : architecture
        let share = (rows + microBatches - 1) / microBatches
        let predicted = corpus.tokens.count - 1
        var sum = 0.0
        var done = 0
        while done < predicted {
            if (cancellation?.isCancelled ?? false) || Task.isCancelled {
                throw .evaluationCancelled(tokens: done, of: predicted)
            }
            let batch = Self.microBatch(of: corpus, from: done, rows: share, context: length, still, seed)
            let counted = min(share * length, predicted - done)
            guard let loss = try reducer.loss(of: batch) else {
                // Whoever computes on several teams at once: with a copy of the weights.
                return try snapshot().evaluate(
                    on: corpus, context: length, rows: share, on: self.context, cancellation: cancellation)
            }
            // An objective of several terms calls the one against the text so.
            sum += (loss.terms["hard"] ?? loss.total) * Double(counted)
            done += counted
        }
        return Evaluation(
            tokens: predicted, bytes: corpus.bytesPerToken * Double(predicted), loss: sum / Double(predicted),
            seconds: (clock.now - start) / .seconds(1))
    }

    /// Whole rows from token `done` on; what is beyond the end of the corpus does not count.
    private static func microBatch(
        of corpus: Corpus, from done: Int, rows: Int, context: Int, _ architecture: any Architecture, _ seed: UInt64
    ) -> MicroBatch {
        let (tokens, count) = (corpus.tokens, rows * context)
        let begin = tokens.startIndex + done
        let known = min(count, tokens.endIndex - 1 - begin)
        let missing = count - known
        let ids = tokens.array(begin..<begin + known) + [Int32](repeating: 0, count: missing)
        let targets = tokens.array(begin + 1..<begin + 1 + known) + [Int32](repeating: -1, count: missing)
        return MicroBatch(
            tokens: Tokens(ids: ids, batch: rows, length: context), targets: targets, scale: 1, seed: seed, stream: 0,
            architecture: architecture)
    }
}

/// The loss on a bounded piece of held-out text, measured every so many steps: what ``MetricsLog`` writes as `held_loss`.
public final class HeldOutLoss {
    /// Steps between two measurements.
    public let interval: Int
    /// The steps after which it was measured, and the losses in nats per token.
    public private(set) var measured: [(step: Int, loss: Double)] = []
    private let corpus: Corpus
    private let rows: Int
    private let context: Int

    /// - Parameters:
    ///   - corpus: held-out text; its beginning is enough.
    ///   - interval: steps between two measurements.
    ///   - rows: stretches of a batch, as in training.
    ///   - context: tokens per stretch, as in training.
    public init(on corpus: Corpus, every interval: Int, rows: Int, context: Int) {
        precondition(interval > 0, "the held-out loss every \(interval) steps")
        (self.corpus, self.interval, self.rows, self.context) = (corpus, interval, rows, context)
    }

    /// The loss after this step, if it is one of those to measure after.
    func measure(after step: Int, of trainer: Trainer) throws(TrainingError) -> Double? {
        guard step.isMultiple(of: interval) else { return nil }
        let loss = try trainer.evaluate(on: corpus, rows: rows, context: context).loss
        measured.append((step, loss))
        return loss
    }
}
