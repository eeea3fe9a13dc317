import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTokenizers
import AlambicTraining

/// Hinton's distillation from a ``TeacherCache`` instead of a teacher in memory:
///
///     loss = mixing * T² KL(top-k and tail) + (1 - mixing) * CE(target, student)
///
/// at the temperature that the cache was made with. With the cached classes K, their probabilities p and the tail
/// t = 1 - Σ_K p, the soft loss is that of K + 1 classes,
///
///     Σ_K p_j log(p_j / q_j) + t log(t / (1 - Σ_K q_j)) ≤ KL(p ‖ q),
///
/// a lower bound of the whole one: by the log-sum inequality, merging classes never increases a divergence. Equality holds
/// where student and teacher agree on the proportions within the tail, or k is the vocabulary. Log-probabilities are of half
/// precision: of relative error 2^-11.
///
/// Batches must be cut as the cache is: `corpus.batches(…).aligned`, of the corpus and with the context of the cache; others
/// are refused by name. Where batches say nothing of their place (held-out text), the loss is that of the text alone.
public struct CachedDistillation: Objective {
    /// What the teacher predicted.
    public let cache: TeacherCache
    /// The cache's temperature, and the mixing.
    public let terms: DistillationTerms

    /// Distillation from a cache, with the share `mixing` in 0...1 of the soft loss.
    public init(from cache: TeacherCache, mixing: Double = 0.5) throws(TrainingError) {
        self.cache = cache
        terms = try checkedTerms(temperature: cache.description.temperature, mixing: mixing, divergence: .forwardKL)
    }

    /// What a resumed run must agree with.
    public var settings: [String: String] {
        [
            "name": "cached distillation", "temperature": "\(terms.temperature)", "mixing": "\(terms.mixing)",
            "teacher": cache.description.teacher, "top_k": "\(cache.description.topK)",
        ]
    }

    /// Refuses a student with another tokenizer than the teacher's.
    public func check(tokenizer: (any Tokenizer)?) throws(TrainingError) {
        let made = cache.description
        guard let tokenizer, String(tokenizer.digest, radix: 16) != made.tokenizer else { return }
        throw .modelsDiffer(
            "teacher cache '\(cache.path)' was made with the tokenizer \(made.tokenizerName) (\(made.vocabulary) tokens, "
                + "hash \(made.tokenizer)) and the student's is \(described(tokenizer)): use the teacher's tokenizer")
    }

    /// Refuses batches of another text, or cut otherwise.
    public func check(source: BatchSource) throws(TrainingError) {
        let made = cache.description
        let corpus = source.data.split(separator: " ").first.map(String.init) ?? ""
        guard corpus == made.corpus else {
            throw .modelsDiffer(
                "teacher cache '\(cache.path)' was made from '\(made.corpusName)' (digest \(made.corpus)) and the batches "
                    + "are of a text with the digest \(corpus): make a cache of the text to train on")
        }
        guard source.context == made.context, source.isAligned else {
            throw .modelsDiffer(
                "teacher cache '\(cache.path)' has stretches of \(made.context) tokens and the batches have "
                    + "\(source.isAligned ? "aligned" : "shifted") ones of \(source.context): use aligned batches with a "
                    + "context of \(made.context)")
        }
    }

    /// Makes what computes the loss on one worker's context.
    public func lossFunction(for architecture: any Architecture, on context: Context) throws(TrainingError)
        -> any LossFunction
    {
        guard cache.description.vocabulary == architecture.vocabulary else {
            throw .modelsDiffer(
                "teacher cache '\(cache.path)' was made by a teacher with a vocabulary of \(cache.description.vocabulary) "
                    + "tokens and the student has one of \(architecture.vocabulary): distillation needs the same tokens"
            )
        }
        return Function(self)
    }

    private final class Function: LossFunction {
        let objective: CachedDistillation

        init(_ objective: CachedDistillation) { self.objective = objective }

        func loss(of microBatch: MicroBatch, on tape: Tape) throws(KernelError) -> Loss {
            let architecture = microBatch.architecture
            let hidden = try architecture.hidden(microBatch.tokens, on: tape)
            guard let starts = microBatch.starts else {
                let hard = try tape.languageModelLoss(
                    hidden: hidden, head: architecture.head, targets: microBatch.targets, scale: microBatch.scale)
                return Loss(hard, terms: ["hard": hard])
            }
            guard let known = objective.cache.rows(from: starts, length: microBatch.tokens.length) else {
                throw KernelError(
                    .badArgument, "teacher cache '\(objective.cache.path)' has no stretches that begin at \(starts)")
            }
            let losses = try tape.distillationLoss(
                hidden: hidden, head: architecture.head, targets: microBatch.targets, terms: objective.terms,
                scale: microBatch.scale, known: known)
            return Loss(losses.total, terms: ["soft": losses.soft, "hard": losses.hard])
        }
    }
}
