import Synchronization

/// A request to stop, which may come from any thread, such as that of a signal. Long calls look at it between steps;
/// they also stop when the task that they run in is cancelled.
public final class Cancellation: Sendable {
    private let requested = Atomic(false)

    /// Nothing is cancelled yet.
    public init() {}

    /// Asks whoever holds this to stop at the next good place.
    public func cancel() { requested.store(true, ordering: .relaxed) }

    /// Whether somebody asked, here or by cancelling the current task.
    public var isCancelled: Bool { requested.load(ordering: .relaxed) || Task.isCancelled }
}
