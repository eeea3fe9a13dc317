import AlambicKernels
import AlambicTensor

/// The fourth of the trainer's sockets: who computes the micro-batches of a step, and how their gradients become one.
///
/// Whoever implements it must keep the tree of ``BinaryCounter`` over all micro-batches of the step, so that results
/// do not depend on where they were computed.
public protocol GradientReducer: AnyObject {
    /// How many micro-batches are in memory at the same time.
    var concurrency: Int { get }

    /// Called once, by the trainer that it is given to: `makeWorker` makes workers on any contexts.
    func prepare(on context: Context, makeWorker: (Context) throws(TrainingError) -> Worker) throws(TrainingError)

    /// Has the time of its passes measured from now on, or no more; who computes on several teams at once need not.
    func measure(_ profile: StepProfile?)

    /// The bytes that values and gradients of a micro-batch of this shape need on each worker, where that is known.
    func planActivations(for microBatch: MicroBatch) throws(TrainingError) -> Int?

    /// The same for another recomputation: a trial that computes nothing and keeps nothing.
    func planActivations(for microBatch: MicroBatch, recomputation: Recomputation) throws(TrainingError) -> Int?

    /// The loss of a micro-batch that is not learned from; nil for whoever cannot measure one.
    func loss(of microBatch: MicroBatch) throws(TrainingError) -> Loss?

    /// Loss and gradients of a step, summed over its micro-batches. The gradients stay valid until the next call.
    func sum(of microBatches: [MicroBatch]) throws(TrainingError) -> (Loss, GradientSet)
}

extension GradientReducer {
    /// Does nothing.
    public func measure(_ profile: StepProfile?) {}

    /// Not known.
    public func planActivations(for microBatch: MicroBatch) throws(TrainingError) -> Int? { nil }

    /// Not known.
    public func planActivations(
        for microBatch: MicroBatch, recomputation: Recomputation
    ) throws(TrainingError) -> Int? { nil }

    /// Not measured.
    public func loss(of microBatch: MicroBatch) throws(TrainingError) -> Loss? { nil }
}

/// One worker computes all micro-batches, one after the other, on the trainer's own context.
public final class SingleWorker: GradientReducer {
    private(set) var worker: Worker?

    /// A reducer for one trainer.
    public init() {}

    /// How many micro-batches are in memory at the same time.
    public var concurrency: Int { 1 }

    /// Makes the workers.
    public func prepare(
        on context: Context, makeWorker: (Context) throws(TrainingError) -> Worker
    ) throws(TrainingError) {
        worker = try makeWorker(context)
    }

    /// Has the time of the worker's passes measured.
    public func measure(_ profile: StepProfile?) { worker?.profile = profile }

    /// By walking through a step without computing it.
    public func planActivations(for microBatch: MicroBatch) throws(TrainingError) -> Int? {
        guard let worker else { return nil }
        return try kernels { () throws(KernelError) in try worker.planActivations(for: microBatch) }
    }

    /// By walking through a step on a tape of its own over the same weights and gradients.
    public func planActivations(
        for microBatch: MicroBatch, recomputation: Recomputation
    ) throws(TrainingError) -> Int? {
        guard let worker else { return nil }
        return try kernels { () throws(KernelError) in
            try worker.planActivations(for: microBatch, recomputation: recomputation)
        }
    }

    /// The loss of the forward pass.
    public func loss(of microBatch: MicroBatch) throws(TrainingError) -> Loss? {
        guard let worker else { return nil }
        return try kernels { () throws(KernelError) in try worker.loss(of: microBatch) }
    }

    /// Loss and gradients of a step, summed over its micro-batches.
    public func sum(of microBatches: [MicroBatch]) throws(TrainingError) -> (Loss, GradientSet) {
        guard let worker else { preconditionFailure("a reducer is given to a trainer before it is used") }
        return try worker.sum(of: microBatches)
    }
}

extension GradientReducer where Self == SingleWorker {
    /// No replicas.
    public static var none: SingleWorker { SingleWorker() }
}
