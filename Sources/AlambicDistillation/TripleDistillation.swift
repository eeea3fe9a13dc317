import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTokenizers
import AlambicTraining

/// How much each term of ``TripleDistillation`` counts.
public struct TripleWeights: Sendable, Hashable {
    /// Of the soft targets, L_ce.
    public var soft: Double
    /// Of the text, L_mlm in the paper, the next token here.
    public var hard: Double
    /// Of the directions of the last hidden states, L_cos.
    public var cosine: Double

    /// The weights that DistilBERT was trained with: 5, 2 and 1 (its published training command).
    public static let distilBERT = TripleWeights(soft: 5, hard: 2, cosine: 1)

    /// Weights of at least 0, not all of them 0.
    public init(soft: Double, hard: Double, cosine: Double) {
        (self.soft, self.hard, self.cosine) = (soft, hard, cosine)
    }
}

/// DistilBERT's triple loss (Sanh, Debut, Chaumond and Wolf 2019, section 2):
///
///     loss = a T² KL(softmax(teacher / T) ‖ softmax(student / T)) + b CE(target, student) + c (1 - cos(h_student, h_teacher))
///
/// with h the last hidden states, of equal width in both models. It goes with a student that starts from every other layer
/// of the teacher: `teacher.student(layers:)`. The weights are not shares: 5, 2 and 1 make gradients eight times those of a
/// mean, which clipping and Adam do not see.
///
/// Reports give the terms `soft` (T² included), `hard` and `cosine`, each without its weight.
public struct TripleDistillation: Objective {
    /// Who teaches.
    public var teacher: Model { taught.model }
    /// The weights of the terms.
    public let weights: TripleWeights
    /// What softens both distributions.
    public let temperature: Double
    private let taught: Teacher

    /// The triple loss at `temperature` > 0.
    public init(
        from teacher: Model, weights: TripleWeights = .distilBERT, temperature: Double = 2
    ) throws(TrainingError) {
        let all = [weights.soft, weights.hard, weights.cosine]
        guard all.allSatisfy({ $0 >= 0 && $0.isFinite }), all.contains(where: { $0 > 0 }) else {
            throw .badSetting("the weights \(all) of the triple loss are not numbers of at least 0, some of them above")
        }
        _ = try checkedTerms(temperature: temperature, mixing: 0, divergence: .forwardKL)
        self.weights = weights
        self.temperature = temperature
        taught = Teacher(teacher)
    }

    /// What a resumed run must agree with.
    public var settings: [String: String] {
        [
            "name": "triple", "temperature": "\(temperature)", "teacher": taught.digest,
            "weights": "\(weights.soft) \(weights.hard) \(weights.cosine)",
        ]
    }

    /// Refuses a student with another tokenizer than the teacher's.
    public func check(tokenizer: (any Tokenizer)?) throws(TrainingError) { try taught.check(tokenizer) }

    /// Makes what computes the loss on one worker's context.
    public func lossFunction(for architecture: any Architecture, on context: Context) throws(TrainingError)
        -> any LossFunction
    {
        try taught.check(architecture)
        guard weights.cosine == 0 || teacher.architecture.width == architecture.width else {
            throw .modelsDiffer(
                "the teacher's hidden states have \(teacher.architecture.width) elements and the student's "
                    + "\(architecture.width): the cosine needs the same width, or the weight 0")
        }
        return Function(self, inference: try taught.inference(on: context))
    }

    private final class Function: LossFunction {
        let objective: TripleDistillation
        let inference: Inference

        init(_ objective: TripleDistillation, inference: Inference) {
            (self.objective, self.inference) = (objective, inference)
        }

        func loss(of microBatch: MicroBatch, on tape: Tape) throws(KernelError) -> Loss {
            let (weights, teacher) = (objective.weights, objective.teacher.architecture)
            let architecture = microBatch.architecture
            let taught = try teacher.hidden(microBatch.tokens, on: inference)
            let hidden = try architecture.hidden(microBatch.tokens, on: tape)
            // Both terms at the vocabulary are one kernel: (a + b) (m soft + (1 - m) hard) with m = a / (a + b).
            let both = weights.soft + weights.hard
            var (soft, hard) = (0.0, 0.0)
            if weights.soft > 0 {
                let terms = DistillationTerms(
                    temperature: Float(objective.temperature), mixing: Float(weights.soft / both))
                let (inference, head) = (inference, teacher.head)
                let losses = try tape.distillationLoss(
                    hidden: hidden, head: architecture.head, targets: microBatch.targets, terms: terms,
                    scale: Float(both) * microBatch.scale
                ) { rows, target throws(KernelError) in
                    _ = try inference.logits(taught, rows: rows, head: head, into: target)
                }
                (soft, hard) = (losses.soft, losses.hard)
            } else {
                hard = try tape.languageModelLoss(
                    hidden: hidden, head: architecture.head, targets: microBatch.targets,
                    scale: Float(both) * microBatch.scale)
            }
            var cosine = 0.0
            if weights.cosine > 0 {
                cosine = try tape.cosineLoss(
                    hidden: hidden, teacher: taught, scale: Float(weights.cosine) * microBatch.scale)
            }
            return Loss(
                weights.soft * soft + weights.hard * hard + weights.cosine * cosine,
                terms: ["soft": soft, "hard": hard, "cosine": cosine])
        }
    }
}

extension Objective where Self == TripleDistillation {
    /// DistilBERT's loss; see ``TripleDistillation``.
    public static func tripleDistillation(
        from teacher: Model, weights: TripleWeights = .distilBERT, temperature: Double = 2
    ) throws(TrainingError) -> TripleDistillation {
        try TripleDistillation(from: teacher, weights: weights, temperature: temperature)
    }
}
