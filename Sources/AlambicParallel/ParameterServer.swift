import AlambicKernels
import AlambicOptimizers
import AlambicTensor
import Synchronization

/// The parameter server of Downpour SGD (Dean et al. 2012, section 4.1): the weights, cut into shards that know nothing of
/// each other. Each has a lock and optimizer state of its own, so that workers that push at the same time meet at
/// different shards, and one fetch may see shards after different numbers of updates, as the paper allows.
///
/// The update rule must treat every weight by itself (SGD, momentum, Adagrad, Adam, …): the cut goes through matrices.
/// With Adagrad, as in the paper, the rate of weight i after K updates is γ / √(Σⱼ Δwᵢⱼ²).
public final class ParameterServer: Sendable {
    /// Bytes of all weights: what a fetch or a push moves.
    public let bytes: Int
    private let shards: [ServerShard]
    private let count: Int
    private let applied = Atomic<Int>(0)

    /// A server that starts from these weights.
    public init(
        _ parameters: [Parameter], shards count: Int, optimizer: some Optimizer
    ) throws(KernelError) {
        let total = parameters.reduce(0) { $0 + $1.value.count }
        precondition(count > 0 && count <= total, "\(count) shards of \(total) weights")
        precondition(
            type(of: optimizer).quantizedStateNames.isEmpty,
            "\(type(of: optimizer).name) quantizes its state by rows, which shards cut")
        bytes = 4 * total
        self.count = parameters.count
        var shards: [ServerShard] = []
        for slices in ServerShard.cut(parameters, into: count) {
            shards.append(try ServerShard(slices, of: parameters, optimizer: optimizer))
        }
        self.shards = shards
    }

    /// How many updates it has done.
    public var updates: Int { applied.load(ordering: .relaxed) }

    /// One update, shard after shard.
    ///
    /// - Parameters:
    ///   - worker: who sends it, and in which step of its own.
    ///   - context: where the update runs: the sender's, in one process.
    /// - Throws: `ParallelError.refused` for a gradient that is not finite; all shards are as before then.
    public func push(
        _ gradients: GradientSet, from worker: Int, step: Int, on context: Context
    ) throws(ParallelError) {
        precondition(gradients.tensors.count == count, "\(gradients.tensors.count) gradients of \(count) parameters")
        let flat = gradients.flat
        guard try kernels({ () throws(KernelError) in try allFinite(flat.span, on: context) }) else {
            throw .refused(worker: worker, step: step)
        }
        try kernels { () throws(KernelError) in
            // Senders start at different shards, so as not to queue at the first.
            for index in shards.indices {
                try shards[(index + worker) % shards.count].update(with: gradients.tensors, on: context)
            }
        }
        applied.wrappingAdd(1, ordering: .relaxed)
    }

    /// Overwrites `parameters` with the server's weights, shard after shard.
    public func fetch(into parameters: [Parameter]) {
        precondition(parameters.count == count, "\(parameters.count) parameters of \(count)")
        for shard in shards { shard.fetch(into: parameters) }
        for parameter in parameters { parameter.valueChanged() }
    }
}
