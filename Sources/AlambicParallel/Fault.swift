/// What goes wrong with a worker: injected on purpose, to see that the others finish and that the result is as good.
public struct Fault: Sendable, Hashable, Codable {
    /// How many times as long as usual it computes; 1 is as usual.
    public var slowness = 1.0
    /// The step (counted from 0 over its own) that it does not live to compute.
    public var diesAtStep: Int?
    /// The step whose gradient it sends as NaN.
    public var sendsNaNAtStep: Int?

    /// Nothing goes wrong.
    public static let none = Fault()

    /// It computes `factor` times as long.
    public static func slow(_ factor: Double) -> Fault {
        precondition(factor >= 1 && factor.isFinite, "a worker \(factor) times as slow")
        return Fault(slowness: factor)
    }

    /// It is gone before it has computed step `step`, counted from 0.
    public static func dies(atStep step: Int) -> Fault { Fault(diesAtStep: step) }

    /// Its gradient of step `step`, counted from 0, is not a number.
    public static func sendsNaN(atStep step: Int) -> Fault { Fault(sendsNaNAtStep: step) }
}

/// What became of a worker on the way, for whoever watches.
public enum WorkerEvent: Sendable, Hashable, CustomStringConvertible {
    /// It is gone, before this step of its own.
    case died(worker: Int, step: Int)
    /// Its gradient was not finite, and nobody took it.
    case refused(worker: Int, step: Int)
    /// Refused too often in a row, it gets no more work.
    case dropped(worker: Int, step: Int)
    /// It could not compute; the text says why. It gets no more work.
    case failed(worker: Int, step: Int, reason: String)

    /// One line that names the worker, counted from 0.
    public var description: String {
        switch self {
        case .died(let worker, let step): "worker \(worker) died before its step \(step)"
        case .refused(let worker, let step):
            "worker \(worker) sent a gradient that is not finite in its step \(step): refused"
        case .dropped(let worker, let step):
            "worker \(worker) was refused too often in a row, last in its step \(step): it gets no more work"
        case .failed(let worker, let step, let reason): "worker \(worker) failed in its step \(step): \(reason)"
        }
    }
}
