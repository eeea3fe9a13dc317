import AlambicKernels
import AlambicTensor

/// What computes gradients: a tape with a loss function on a context of its own. Workers of one trainer share the
/// parameters, which nobody writes meanwhile.
///
/// A worker is used by one thread at a time.
public final class Worker: @unchecked Sendable {
    /// Where its kernels run.
    public let context: Context
    private let tape: Tape
    private let lossFunction: any LossFunction
    private let shapes: [Shape]
    private var free: [GradientSet] = []
    private var lent: GradientSet?

    init(
        parameters: [Parameter], lossFunction: any LossFunction, dtype: TrainingDType, recomputation: Recomputation,
        on context: Context
    ) throws(TrainingError) {
        self.context = context
        self.lossFunction = lossFunction
        shapes = parameters.map(\.gradientShape)
        let tape = try kernels { () throws(KernelError) in
            try Tape(parameters, dtype: dtype, recomputation: recomputation, execution: .noted, on: context)
        }
        self.tape = tape
        free.append(tape.gradients)
    }

    /// Loss and gradients summed over micro-batches, each weighted by its scale, pairwise as ``BinaryCounter`` does it:
    /// the sum over an aligned block of 2^k micro-batches is a term of the sum over all of them.
    ///
    /// The gradients stay valid, and may be changed, until the next call.
    public func sum(of microBatches: some Collection<MicroBatch>) throws(TrainingError) -> (Loss, GradientSet) {
        precondition(!microBatches.isEmpty, "a step without micro-batches")
        if let set = lent { free.append(set) }
        lent = nil
        var losses = BinaryCounter<Loss>()
        var gradients = BinaryCounter<GradientSet>()
        let (context, tape) = (context, tape)
        let join = { (a: GradientSet, b: GradientSet) throws(KernelError) -> GradientSet in
            try a.accumulate(b, on: context)
            self.free.append(b)
            return a
        }
        do throws(KernelError) {
            for microBatch in microBatches {
                let set = try takeSet()
                tape.gradients = set
                try tape.begin(
                    seed: microBatch.seed, stream: microBatch.stream, refreshing: false, gradients: .replace)
                let loss = try lossFunction.loss(of: microBatch, on: tape)
                try tape.backward()
                losses.add(loss.scaled(by: Double(microBatch.scale))) { $0 + $1 }
                try gradients.add(set, join: join)
            }
            guard let loss = losses.finish(join: { $0 + $1 }), let sum = try gradients.finish(join: join) else {
                preconditionFailure("a step without micro-batches")
            }
            lent = sum
            return (loss, sum)
        } catch {
            throw .kernel(error)
        }
    }

    /// The bytes that a micro-batch of this shape needs for its values and their gradients: found by walking through a
    /// step of it without computing anything. Later steps of that shape use the places found.
    public func planActivations(for microBatch: MicroBatch) throws(KernelError) -> Int {
        try planActivations(for: microBatch, on: tape)
    }

    /// The same with another recomputation, on a tape that goes again.
    public func planActivations(
        for microBatch: MicroBatch, recomputation: Recomputation
    ) throws(KernelError) -> Int {
        let trial = try Tape(
            tape.parameters, gradients: tape.gradients, dtype: tape.dtype, recomputation: recomputation,
            execution: .noted, on: context)
        return try planActivations(for: microBatch, on: trial)
    }

    private func planActivations(for microBatch: MicroBatch, on tape: Tape) throws(KernelError) -> Int {
        try tape.planned { () throws(KernelError) in
            try tape.begin(seed: microBatch.seed, stream: microBatch.stream, refreshing: false, gradients: .replace)
            _ = try lossFunction.loss(of: microBatch, on: tape)
        }
    }

    /// The loss of a micro-batch that is not learned from. It uses the memory of a step of this shape, gradients
    /// included, so those of the last ``sum(of:)`` are not valid any more. Adapters and stochastic depth drop nothing.
    public func loss(of microBatch: MicroBatch) throws(KernelError) -> Loss {
        try tape.begin(
            seed: microBatch.seed, stream: microBatch.stream, adapterDropout: false, stochasticDepth: false,
            refreshing: false, gradients: .replace)
        return try lossFunction.loss(of: microBatch, on: tape)
    }

    /// Where the time of the passes goes, as long as somebody wants to know.
    public var profile: StepProfile? {
        get { tape.profile }
        set { tape.profile = newValue }
    }

    /// How many tensors and sets of gradients the worker has ever allocated: constant in steady state.
    var allocations: Int { tape.allocations + setsMade }
    private var setsMade = 1

    private func takeSet() throws(KernelError) -> GradientSet {
        if let set = free.popLast() { return set }
        setsMade += 1
        return try GradientSet(shapes: shapes)
    }
}
