import AlambicKernels
import AlambicTensor
import AlambicTraining
import Foundation
import Synchronization

/// Data parallelism inside one process: every replica computes its share of a step's micro-batches on cores of its own,
/// then the gradients are summed over a fixed tree (Dean et al. 2012, section 4, made synchronous).
///
/// Replicas share the weights, which are only read meanwhile, and each has gradients and activations of its own. The
/// tree of sums is that of the accumulation of all micro-batches by one worker, so that both give the same bits. That
/// needs shares that are subtrees: each replica gets the same number, a power of two, of micro-batches.
public final class Replicas: GradientReducer {
    /// How many replicas there are.
    public let count: Int
    private let threads: Int?
    private var workers: [Worker] = []
    private var context: Context?

    /// `count` replicas of `threads` threads each; by default they share the trainer's threads evenly.
    public init(_ count: Int, threads: Int? = nil) {
        precondition(count > 0, "\(count) replicas")
        self.count = count
        self.threads = threads
    }

    /// How many micro-batches are in memory at the same time.
    public var concurrency: Int { count }

    /// Makes the workers.
    public func prepare(
        on context: Context, makeWorker: (Context) throws(TrainingError) -> Worker
    ) throws(TrainingError) {
        let each = threads ?? max(1, context.threads / count)
        workers = []
        for replica in 0..<count {
            let own: Context
            do {
                own = try context.machine.context(threads: each, allowing: context.isa, firstCore: replica * each)
            } catch {
                throw .kernel(error)
            }
            workers.append(try makeWorker(own))
        }
        self.context = context
    }

    /// Loss and gradients of a step, summed over its micro-batches.
    public func sum(of microBatches: [MicroBatch]) throws(TrainingError) -> (Loss, GradientSet) {
        guard let context, workers.count == count else {
            preconditionFailure("a reducer is given to a trainer before it is used")
        }
        let share = microBatches.count / count
        guard share * count == microBatches.count, share > 0, share & (share - 1) == 0 else {
            throw .badReplicas(microBatches: microBatches.count, replicas: count)
        }
        let results = Mutex([Result<(Loss, GradientSet), TrainingError>?](repeating: nil, count: count))
        let workers = workers
        DispatchQueue.concurrentPerform(iterations: count) { replica in
            let result: Result<(Loss, GradientSet), TrainingError>
            do throws(TrainingError) {
                result = .success(
                    try workers[replica].sum(of: microBatches[replica * share..<(replica + 1) * share]))
            } catch {
                result = .failure(error)
            }
            results.withLock { $0[replica] = result }
        }
        var parts: [(Loss, GradientSet)] = []
        for case let result? in results.withLock({ $0 }) { parts.append(try result.get()) }
        return try reduce(parts, on: context)
    }

    /// Pairwise sums at distance 1, 2, 4, …: the tree of a binary counter over the replicas.
    private func reduce(_ parts: [(Loss, GradientSet)], on context: Context) throws(TrainingError)
        -> (Loss, GradientSet)
    {
        var losses = parts.map(\.0)
        var distance = 1
        while distance < parts.count {
            for index in stride(from: 0, to: parts.count - distance, by: 2 * distance) {
                losses[index] = losses[index] + losses[index + distance]
                do {
                    try parts[index].1.accumulate(parts[index + distance].1, on: context)
                } catch {
                    throw .kernel(error)
                }
            }
            distance *= 2
        }
        return (losses[0], parts[0].1)
    }
}

extension GradientReducer where Self == Replicas {
    /// `count` replicas in this process.
    public static func replicas(_ count: Int, threads: Int? = nil) -> Replicas { Replicas(count, threads: threads) }
}
