import AlambicKernels
import AlambicTraining

/// What can stop parallel training.
public enum ParallelError: Error, Sendable, CustomStringConvertible {
    /// Nobody is left to compute; the events say why.
    case noWorkersLeft(of: Int, afterGradients: Int, last: WorkerEvent?)
    /// A gradient that is not finite was refused. The server is as it was before.
    case refused(worker: Int, step: Int)
    /// A cluster's file cannot be used.
    case cluster(path: String, reason: String)
    /// A worker's own trouble.
    case training(TrainingError)

    /// One line that says what is wrong and what to do.
    public var description: String {
        switch self {
        case .noWorkersLeft(let workers, let gradients, let last):
            "none of \(workers) workers is left after \(gradients) gradients"
                + (last.map { "; the last: \($0)" } ?? "")
                + ". If gradients are not finite, lower the learning rate"
        case .refused(let worker, let step): WorkerEvent.refused(worker: worker, step: step).description
        case .cluster(let path, let reason): "cluster file '\(path)': \(reason)"
        case .training(let error): error.description
        }
    }
}

/// Runs kernels where parallel training's errors are thrown.
func kernels<Result>(_ body: () throws(KernelError) -> Result) throws(ParallelError) -> Result {
    do { return try body() } catch { throw .training(.kernel(error)) }
}

/// Trains where parallel training's errors are thrown.
func training<Result>(_ body: () throws(TrainingError) -> Result) throws(ParallelError) -> Result {
    do { return try body() } catch { throw .training(error) }
}
