import AlambicTensor

/// What a model reads so that the inputs of its layers can be seen: sequences of a text, evenly spread over it.
public struct Calibration: Sendable {
    /// The sequences.
    public let tokens: Tokens

    /// About `count` tokens of a corpus in sequences of `context` tokens, at least one sequence.
    ///
    /// - Throws: `badSetting` for a corpus shorter than one sequence.
    public init(_ corpus: Corpus, context: Int, tokens count: Int = 65536) throws(TrainingError) {
        let all = corpus.tokens
        guard context > 0, all.count >= context else {
            throw .badSetting(
                "corpus '\(corpus.name)' has \(all.count) tokens, and one sequence to calibrate on has \(context): "
                    + "give more text or a shorter context")
        }
        let sequences = max(1, min(count, all.count) / context)
        let stretch = all.count / sequences
        var ids: [Int32] = []
        ids.reserveCapacity(sequences * context)
        for i in 0..<sequences {
            let start = all.startIndex + i * stretch
            ids.append(contentsOf: all[start..<start + context])
        }
        tokens = Tokens(ids: ids, batch: sequences, length: context)
    }
}
