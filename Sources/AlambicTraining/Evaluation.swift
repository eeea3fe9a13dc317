import AlambicKernels
import AlambicModels
import AlambicTensor
import Foundation

/// How well a model predicts a text.
public struct Evaluation: Sendable {
    /// The number of tokens predicted.
    public let tokens: Int
    /// The number of bytes of text that they stand for.
    public let bytes: Double
    /// Mean cross-entropy in nats per token.
    public let loss: Double
    /// Wall-clock time.
    public let seconds: Double

    /// `exp(loss)`.
    public var perplexity: Double { exp(loss) }
    /// Cross-entropy in bits per byte of text: comparable between tokenizers.
    public var bitsPerByte: Double { loss * Double(tokens) / (log(2) * bytes) }
    /// Tokens per second.
    public var tokensPerSecond: Double { Double(tokens) / max(seconds, 1e-9) }
}

extension Model {
    /// Predicts every token of a corpus but the first from those before it in the same stretch of `context` tokens.
    ///
    /// - Parameters:
    ///   - corpus: the text, tokenized as the model was trained.
    ///   - context: tokens per stretch; by default all that the model can see.
    ///   - rows: stretches at a time, fewer where memory is short. It does not change the result.
    ///   - machineContext: where kernels run.
    ///   - cancellation: looked at between batches.
    ///   - progress: called with the share done, from 0 to 1.
    public func evaluate(
        on corpus: Corpus, context: Int? = nil, rows: Int = 16, on machineContext: Context = .default,
        cancellation: Cancellation? = nil, progress: (Double) -> Void = { _ in }
    ) throws(TrainingError) -> Evaluation {
        let length = context ?? architecture.context
        guard length > 0, length <= architecture.context else {
            throw .contextTooLong(context: length, limit: architecture.context)
        }
        guard corpus.tokens.count > 1 else {
            throw .badSetting("corpus '\(corpus.name)' has nothing to predict: give at least two tokens")
        }
        if let token = corpus.tokens.max(), Int(token) >= architecture.vocabulary {
            throw .vocabularyTooSmall(token: Int(token), vocabulary: architecture.vocabulary)
        }
        let clock = ContinuousClock()
        let start = clock.now
        let inference = try kernels { () throws(KernelError) in try makeInference(on: machineContext) }
        let rows = try rowsThatFit(rows, context: min(length, corpus.tokens.count - 1))
        let (tokens, first) = (corpus.tokens, corpus.tokens.startIndex)
        let predicted = tokens.count - 1
        var sum = 0.0
        var done = 0
        while done < predicted {
            if (cancellation?.isCancelled ?? false) || Task.isCancelled {
                throw .evaluationCancelled(tokens: done, of: predicted)
            }
            // Whole stretches as long as there are any, then what is left as a short one.
            let stretch = min(length, predicted - done)
            let batch = max(1, min(rows, (predicted - done) / stretch))
            let begin = first + done
            let ids = tokens.array(begin..<begin + batch * stretch)
            let targets = tokens.array(begin + 1..<begin + 1 + batch * stretch)
            let losses = try kernels { () throws(KernelError) in
                let hidden = try architecture.hidden(
                    Tokens(ids: ids, batch: batch, length: stretch), on: inference)
                return try inference.losses(hidden, head: architecture.head, targets: targets)
            }
            // One chain of sums over all tokens: its bits do not depend on where batches begin.
            for loss in losses { sum += Double(loss) }
            done += batch * stretch
            progress(Double(done) / Double(predicted))
        }
        let elapsed = (clock.now - start).components
        return Evaluation(
            tokens: predicted, bytes: corpus.bytesPerToken * Double(predicted), loss: sum / Double(predicted),
            seconds: Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18)
    }

    /// How many stretches to take at a time: no more than half of the memory that is left holds, and at least one.
    private func rowsThatFit(_ rows: Int, context: Int) throws(TrainingError) -> Int {
        guard let available = MemoryBudget.available() else { return rows }
        let estimate = MemoryEstimate(architecture)
        let one = estimate.inferenceBytes(rows: 1, context: context)
        guard one <= available else {
            throw .doesNotFit(rows: 1, context: context, needed: one, available: available)
        }
        return min(rows, estimate.inferenceRows(in: available / 2, context: context))
    }

    /// The mean cross-entropy on a corpus, in nats per token.
    public func loss(on corpus: Corpus, context: Int? = nil) throws(TrainingError) -> Double {
        try evaluate(on: corpus, context: context).loss
    }
}
