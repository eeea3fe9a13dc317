import AlambicModels
import AlambicTensor
import AlambicTraining

/// Pruning in the course of training (Zhu and Gupta 2017): every so many steps the masks are made anew, sparser by the cubic
/// ``GradualSchedule``, and training goes on between.
///
/// ```swift
/// let pruning = try GradualPruning(of: trainer, on: GradualSchedule(to: 0.9, start: 200, every: 20, times: 50))
/// trainer.afterStep.append(pruning)
/// ```
///
/// What is gone stays gone. A learning rate that is still high while weights go, and a stretch of training behind the last mask,
/// are what the paper recommends (section 3).
public final class GradualPruning: AfterStep {
    /// Makes the masks.
    public let pruner: Pruner
    /// How sparse, when.
    public let schedule: GradualSchedule
    /// How one sparsity is dealt out to the matrices.
    public let distribution: SparsityDistribution
    private let except: [String]

    /// Pruning of all matrices of a trainer but those whose path contains one of `except`.
    public init(
        of trainer: Trainer, by method: some PruningMethod = .magnitude, on schedule: GradualSchedule,
        distribution: SparsityDistribution = .perLayer, except: [String] = [], products: MaskedProducts = .dense
    ) {
        pruner = Pruner(of: trainer, by: method, except: except, products: products)
        (self.schedule, self.distribution, self.except) = (schedule, distribution, except)
    }

    /// Makes the masks of this step, if it is one of the schedule's.
    public func afterStep(_ report: StepReport, of trainer: Trainer) throws(TrainingError) {
        guard schedule.isDue(at: trainer.step) else { return }
        let share = Sparsity.unstructured(schedule.sparsity(at: trainer.step))
        switch distribution {
        case .perLayer: try pruner.prune(to: share)
        case .global: try pruner.prune(to: try trainer.snapshot().globalMagnitude(share, except: except))
        }
    }

    /// The trainer's model, with the pruned matrices stored sparse.
    public func model() throws(TrainingError) -> Model { try pruner.model() }
}

/// How one sparsity is dealt out to the matrices of a model.
public enum SparsityDistribution: String, Sendable, CaseIterable {
    /// The same share of each.
    case perLayer
    /// One threshold of magnitude for all of them together.
    case global
}
