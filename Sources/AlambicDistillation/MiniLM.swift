import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTokenizers
import AlambicTraining

/// Learning how the teacher's last layer attends (Wang et al., MiniLM, 2020, section 3):
///
///     loss = KL of the self-attention distributions  softmax(Q Kᵀ / √d)
///          + KL of the value relations               softmax(V Vᵀ / √d)
///          + languageModel * CE(target, student)
///
/// each KL from the teacher's last layer to the student's, averaged over heads and positions, under the causal mask. Depths
/// and widths of the two models may differ: relations are [length, length] in both. With `relations` of queries, keys and
/// values with themselves and `heads` of its own it is MiniLMv2 (Wang et al. 2021).
///
/// The paper's loss stops at the last layer's attention, and leaves what comes after it to fine-tuning. A language model needs
/// its last feed-forward layer and its head at once: they learn from the text (`languageModel`; 0 leaves them as they are).
///
/// Reports give the terms `hard` and one for each relation, such as `query-key`. The relations are made by products of their
/// own, head by head: about the cost of one attention layer without its fused kernels.
public struct MiniLM: Objective {
    /// Who teaches.
    public var teacher: Model { taught.model }
    /// What is compared.
    public let relations: [AttentionRelation]
    /// How many relation heads both models are cut into.
    public let heads: Int
    /// The weight of the cross-entropy with the text.
    public let languageModel: Double
    private let taught: Teacher

    /// - Parameters:
    ///   - teacher: who teaches.
    ///   - relations: `query-key` and `value-value` by default, as in MiniLM.
    ///   - heads: relation heads, which must divide both widths; by default the teacher's attention heads.
    ///   - languageModel: the weight of the cross-entropy with the text, at least 0.
    public init(
        from teacher: Model, relations: [AttentionRelation] = [.queryKey, .valueValue], heads: Int? = nil,
        languageModel: Double = 1
    ) throws(TrainingError) {
        let heads = heads ?? teacher.architecture.heads
        guard !relations.isEmpty, Set(relations).count == relations.count else {
            throw .badSetting("MiniLM needs one relation or several, each once: \(relations.map(\.rawValue))")
        }
        guard heads > 0, teacher.architecture.width.isMultiple(of: heads) else {
            throw .badSetting(
                "\(heads) relation heads do not divide the teacher's width of \(teacher.architecture.width)")
        }
        guard languageModel >= 0, languageModel.isFinite else {
            throw .badSetting("the weight \(languageModel) of the language model is not a number of at least 0")
        }
        self.relations = relations
        self.heads = heads
        self.languageModel = languageModel
        taught = Teacher(teacher)
    }

    /// What a resumed run must agree with.
    public var settings: [String: String] {
        [
            "name": "minilm", "teacher": taught.digest, "heads": "\(heads)", "language_model": "\(languageModel)",
            "relations": relations.map(\.rawValue).joined(separator: " "),
        ]
    }

    /// Refuses a student with another tokenizer than the teacher's.
    public func check(tokenizer: (any Tokenizer)?) throws(TrainingError) { try taught.check(tokenizer) }

    /// Makes what computes the loss on one worker's context.
    public func lossFunction(for architecture: any Architecture, on context: Context) throws(TrainingError)
        -> any LossFunction
    {
        try taught.check(architecture)
        guard architecture.width.isMultiple(of: heads) else {
            throw .modelsDiffer(
                "\(heads) relation heads do not divide the student's width of \(architecture.width): give a number "
                    + "that divides it and the teacher's \(teacher.architecture.width)")
        }
        return Function(self, inference: try taught.inference(on: context))
    }

    private final class Function: LossFunction {
        let objective: MiniLM
        let inference: Inference

        init(_ objective: MiniLM, inference: Inference) { (self.objective, self.inference) = (objective, inference) }

        func loss(of microBatch: MicroBatch, on tape: Tape) throws(KernelError) -> Loss {
            let (architecture, teacher) = (microBatch.architecture, objective.teacher.architecture)
            let theirs = AttentionProbe(inference, layer: teacher.layers - 1)
            _ = try teacher.hidden(microBatch.tokens, on: theirs)
            let own = AttentionProbe(tape, layer: architecture.layers - 1)
            let hidden = try architecture.hidden(microBatch.tokens, on: own)
            guard let taught = theirs.qkv, let learned = own.qkv else {
                preconditionFailure("an architecture without attention in its last layer")
            }
            // With the weight 0, too: it is what held-out text is measured by.
            let hard = try tape.languageModelLoss(
                hidden: hidden, head: architecture.head, targets: microBatch.targets,
                scale: Float(objective.languageModel) * microBatch.scale)
            let losses = try tape.relationLoss(
                qkv: learned, teacher: taught, heads: objective.heads, relations: objective.relations,
                scale: microBatch.scale)
            var terms = ["hard": hard]
            for (relation, loss) in zip(objective.relations, losses) { terms[relation.rawValue] = loss }
            return Loss(objective.languageModel * hard + losses.reduce(0, +), terms: terms)
        }
    }
}

extension Objective where Self == MiniLM {
    /// Learning how a teacher attends; see ``MiniLM``.
    public static func miniLM(
        from teacher: Model, relations: [AttentionRelation] = [.queryKey, .valueValue], heads: Int? = nil,
        languageModel: Double = 1
    ) throws(TrainingError) -> MiniLM {
        try MiniLM(from: teacher, relations: relations, heads: heads, languageModel: languageModel)
    }
}
