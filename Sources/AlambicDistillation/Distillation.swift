import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// Learning from the whole distribution that a teacher predicts, not from the next token alone (Hinton, Vinyals and
/// Dean 2015, section 2):
///
///     loss = mixing * T² * KL(softmax(teacher / T) ‖ softmax(student / T)) + (1 - mixing) * CE(target, student)
///
/// T² keeps the size of the soft gradient, which shrinks as 1/T². The teacher sees every batch without dropout. Reports
/// give the terms `soft` (T² included) and `hard`.
public struct Distillation: Objective {
    /// Who teaches.
    public let teacher: Model
    /// Temperature and mixing.
    public let terms: DistillationTerms
    private let teacherDigest: String

    /// Distillation from `teacher` at `temperature` > 0, with the share `mixing` in 0...1 of the soft loss.
    public init(from teacher: Model, temperature: Double = 2, mixing: Double = 0.5) throws(TrainingError) {
        guard temperature > 0, temperature.isFinite else {
            throw .badSetting("the temperature \(temperature) is not positive")
        }
        guard (0...1).contains(mixing) else {
            throw .badSetting("the mixing \(mixing) of soft and hard loss is outside of 0...1")
        }
        self.teacher = teacher
        teacherDigest = teacher.digest
        terms = DistillationTerms(temperature: Float(temperature), mixing: Float(mixing))
    }

    /// What a resumed run must agree with.
    public var settings: [String: String] {
        [
            "name": "distillation", "temperature": "\(terms.temperature)", "mixing": "\(terms.mixing)",
            "teacher": teacherDigest,
        ]
    }

    /// Makes what computes the loss on one worker's context.
    public func lossFunction(for architecture: any Architecture, on context: Context) throws(TrainingError)
        -> any LossFunction
    {
        guard teacher.architecture.vocabulary == architecture.vocabulary else {
            throw .modelsDiffer(
                "the teacher has a vocabulary of \(teacher.architecture.vocabulary) tokens and the student of "
                    + "\(architecture.vocabulary): distillation needs the same tokens for both")
        }
        guard teacher.architecture.context >= architecture.context else {
            throw .modelsDiffer(
                "the teacher sees \(teacher.architecture.context) tokens and the student \(architecture.context): "
                    + "the student's context may not be longer")
        }
        do {
            return Function(
                terms: terms, teacher: teacher.architecture, inference: try teacher.makeInference(on: context))
        } catch {
            throw .kernel(error)
        }
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
        from teacher: Model, temperature: Double = 2, mixing: Double = 0.5
    ) throws(TrainingError) -> Distillation {
        try Distillation(from: teacher, temperature: temperature, mixing: mixing)
    }
}
