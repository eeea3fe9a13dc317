import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTokenizers
import AlambicTraining

/// Learning from the whole distribution that a teacher predicts, not from the next token alone (Hinton, Vinyals and
/// Dean 2015, section 2):
///
///     loss = mixing * T² * D(softmax(teacher / T), softmax(student / T)) + (1 - mixing) * CE(target, student)
///
/// D is KL(teacher ‖ student), unless another ``Divergence`` is asked for. T² keeps the size of the soft gradient, which
/// shrinks as 1/T²; ``Divergence/matchedLogits`` has no temperature. The teacher sees every batch without dropout. Reports
/// give the terms `soft` (T² included) and `hard`.
public struct Distillation: Objective {
    /// Who teaches.
    public var teacher: Model { taught.model }
    /// Temperature, mixing and divergence.
    public let terms: DistillationTerms
    private let taught: Teacher

    /// Distillation from `teacher` at `temperature` > 0, with the share `mixing` in 0...1 of the soft loss.
    public init(
        from teacher: Model, temperature: Double = 2, mixing: Double = 0.5, divergence: Divergence = .forwardKL
    ) throws(TrainingError) {
        terms = try checkedTerms(temperature: temperature, mixing: mixing, divergence: divergence)
        taught = Teacher(teacher)
    }

    /// What a resumed run must agree with.
    public var settings: [String: String] {
        var settings = [
            "name": "distillation", "temperature": "\(terms.temperature)", "mixing": "\(terms.mixing)",
            "teacher": taught.digest,
        ]
        // Checkpoints from before there was a choice say nothing.
        if terms.divergence != .forwardKL { settings["divergence"] = "\(terms.divergence)" }
        return settings
    }

    /// Refuses a student with another tokenizer than the teacher's.
    public func check(tokenizer: (any Tokenizer)?) throws(TrainingError) { try taught.check(tokenizer) }

    /// Makes what computes the loss on one worker's context.
    public func lossFunction(for architecture: any Architecture, on context: Context) throws(TrainingError)
        -> any LossFunction
    {
        try taught.check(architecture)
        return Function(
            terms: terms, teacher: teacher.architecture, inference: try taught.inference(on: context))
    }

    private final class Function: LossFunction {
        let terms: DistillationTerms
        let teacher: any Architecture
        let inference: Inference

        init(terms: DistillationTerms, teacher: any Architecture, inference: Inference) {
            self.terms = terms
            self.teacher = teacher
            self.inference = inference
        }

        func loss(of microBatch: MicroBatch, on tape: Tape) throws(KernelError) -> Loss {
            let architecture = microBatch.architecture
            let taught = try teacher.hidden(microBatch.tokens, on: inference)
            let hidden = try architecture.hidden(microBatch.tokens, on: tape)
            let (inference, head) = (inference, teacher.head)
            let losses = try tape.distillationLoss(
                hidden: hidden, head: architecture.head, targets: microBatch.targets, terms: terms,
                scale: microBatch.scale
            ) { rows, target throws(KernelError) in
                _ = try inference.logits(taught, rows: rows, head: head, into: target)
            }
            return Loss(losses.total, terms: ["soft": losses.soft, "hard": losses.hard])
        }
    }
}

extension Objective where Self == Distillation {
    /// Learning from a teacher; see ``Distillation``.
    public static func distillation(
        from teacher: Model, temperature: Double = 2, mixing: Double = 0.5, divergence: Divergence = .forwardKL
    ) throws(TrainingError) -> Distillation {
        try Distillation(from: teacher, temperature: temperature, mixing: mixing, divergence: divergence)
    }
}
