import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// Movement pruning (Sanh, Wolf and Rush 2020, "Movement pruning: adaptive sparsity by fine-tuning"): weights that training moves
/// away from zero stay, however small they are; those that it moves towards zero go, however large.
///
/// Every weight has a score of its own, learned beside it. With M the mask of the highest scores of a matrix, W' = W ⊙ M is what
/// the forward pass sees, and (section 4, equations 2 to 4; straight-through for the choice of M)
///
///     ∂L/∂S = ∂L/∂W' ⊙ W,     ∂L/∂W = ∂L/∂W' ⊙ M,     S <- S - η_S ∂L/∂S = -η_S Σ_t ∂L/∂W' ⊙ W.
///
/// Scores change for weights that are hidden, too, so that these can come back. The share rises by the cubic
/// ``GradualSchedule`` (section 5), whose `every` only says when its last step is: scores, and masks, change at every step.
///
/// ```swift
/// let movement = try MovementPruning(of: trainer, on: GradualSchedule(to: 0.9, start: 0, every: 10, times: 60))
/// trainer.afterStep.append(movement)
/// try trainer.run(batches, until: 800)
/// let sparse = try movement.finish()
/// ```
///
/// Limits: for fine-tuning a trained model, which is what it is good at; from scratch, or at low sparsity, magnitude is as good
/// (section 6). Weights that are hidden have no gradient, but decoupled weight decay and momentum still move them. Gradients are
/// gathered as they are, before clipping. One worker: with several the order of a sum would depend on time. Checkpoints have the
/// scores: a run resumes in a trainer to which the same `MovementPruning` was appended before.
public final class MovementPruning: AfterStep {
    /// How sparse, when.
    public let schedule: GradualSchedule
    /// η_S.
    public let rate: Double
    /// The matrices by their places in the walk.
    private var scores: [Int: MovementScores] = [:]
    private let trainer: Trainer

    /// Scores of zero for all matrices of a trainer but those whose path contains one of `except`.
    ///
    /// - Parameter rate: η_S, the learning rate of the scores.
    /// - Throws: `.badSetting` for a rate that is no positive number, replicas, or matrices that have a transform already.
    public init(
        of trainer: Trainer, on schedule: GradualSchedule, rate: Double = 1, except: [String] = []
    ) throws(TrainingError) {
        precondition(trainer.adapters == nil, "weights beside adapters are frozen: prune the model of `snapshot()`")
        guard rate > 0, rate.isFinite else {
            throw .badSetting("a learning rate of \(rate) for scores: use a positive number")
        }
        guard trainer.concurrency == 1 else {
            throw .badSetting(
                "movement pruning sums gradients of \(trainer.concurrency) replicas in no fixed order: use one")
        }
        (self.trainer, self.schedule, self.rate) = (trainer, schedule, rate)
        for index in trainer.architecture.prunable(except: except) {
            let parameter = trainer.parameters[index]
            guard parameter.transform == nil else {
                throw .badSetting("\(parameter.path) has a mask or another transform already")
            }
            do { scores[index] = try MovementScores(parameter.shape) } catch { throw .kernel(error) }
            scores[index]?.sparsity = schedule.sparsity(at: trainer.step)
        }
        for (index, score) in scores {
            score.pruning = self
            trainer.parameters[index].transform = score
        }
    }

    /// What a resumed run must agree with.
    public var settings: [String: String] {
        let (s, shares) = (schedule, "\(schedule.initial) to \(schedule.final)")
        return [
            "movement.rate": "\(rate)",
            "movement.schedule": "\(shares) from step \(s.start), every \(s.interval), \(s.times) times",
        ]
    }

    /// The scores, as `movement.<path>`.
    public var state: [String: Tensor] {
        scores.reduce(into: [:]) { $0["movement.\(trainer.parameters[$1.key].path)"] = $1.value.scores }
    }

    /// Whether the scores move after each step, and are part of the trainer's checkpoints.
    var isAttached: Bool { trainer.afterStep.contains { $0 === self } }

    /// Hides as many weights as the last step before the checkpoint did.
    public func resumed(_ trainer: Trainer) {
        for score in scores.values { score.sparsity = schedule.sparsity(at: trainer.step) }
    }

    /// The scores of a matrix, by its path.
    public func scores(of path: String) -> MovementScores? {
        scores.first { trainer.parameters[$0.key].path == path }?.value
    }

    /// Moves the scores by what the step has gathered.
    public func afterStep(_ report: StepReport, of trainer: Trainer) throws(TrainingError) {
        for score in scores.values {
            score.step(rate: Float(rate))
            score.sparsity = schedule.sparsity(at: trainer.step)
        }
    }

    /// Makes the masks final: hidden weights become zero, with what the optimizer remembers of them, and training may go on with the
    /// masks as they are.
    ///
    /// - Returns: the model, with pruned matrices stored sparse.
    public func finish() throws(TrainingError) -> Model {
        var masks: [String: Mask] = [:]
        do {
            for (index, score) in scores { masks[trainer.parameters[index].path] = try score.currentMask() }
        } catch {
            throw .kernel(error)
        }
        for index in scores.keys { trainer.parameters[index].transform = nil }
        scores = [:]
        trainer.afterStep.removeAll { $0 === self }
        let pruner = Pruner(of: trainer, by: .magnitude)
        try pruner.prune(with: masks)
        return try pruner.model()
    }
}
