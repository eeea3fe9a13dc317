/// Limited-memory BFGS (Nocedal and Wright 2006, Algorithm 7.5) with a strong Wolfe line search (Algorithms 3.5 and 3.6): minimises a
/// smooth function of many variables from values and gradients.
///
///     p = -H g                    H from the last `memory` steps, by the two-loop recursion
///     x = x + α p                 α satisfies the strong Wolfe conditions; 1 is tried first
///
/// It asks its vectors for inner products, multiples and copies only, so that they may be distributed: ``LBFGSVector``.
/// For full batches, or large ones: values and gradients must be those of one function, or the line search fails. It is no
/// ``Optimizer`` of the registry, since an iteration takes as many evaluations as its line search needs.
///
/// What goes wrong is dealt with and reported, not hidden:
/// - A step along which the curvature is not positive teaches nothing: it is taken, but not remembered (``LBFGSReport/remembered``).
/// - Where the direction does not descend, or the line search fails, the memory is cleared, and the gradient's own direction is
///   tried (``LBFGSReport/restarted``). If that fails too, x stays (``LBFGSReport/moved``): at a minimum to rounding, or the gradient is not
///   that of the values.
public final class LBFGS<Vector: LBFGSVector> {
    /// Where it is. Evaluated by `evaluate`, which must not change it.
    public let x: Vector
    /// The value at ``x``, once there was an iteration.
    public private(set) var value = Double.nan
    /// The gradient's norm at ``x``.
    public private(set) var gradientNorm = Double.nan
    /// Iterations so far.
    public private(set) var iteration = 0
    /// Evaluations so far, those of line searches among them.
    public private(set) var evaluations = 0
    /// The settings.
    public let settings: LBFGSSettings

    private var history: LBFGSHistory<Vector>
    private var gradient: Vector
    private var direction: Vector
    private var trialPoint: Vector
    private var trialGradient: Vector
    private var bestPoint: Vector
    private var bestGradient: Vector

    /// Starts at x, which is copied.
    public init(_ start: Vector, settings: LBFGSSettings = LBFGSSettings()) throws {
        self.settings = settings
        history = LBFGSHistory(capacity: settings.memory)
        x = try start.copied()
        gradient = try start.copied()
        direction = try start.copied()
        trialPoint = try start.copied()
        trialGradient = try start.copied()
        bestPoint = try start.copied()
        bestGradient = try start.copied()
    }

    /// One iteration.
    ///
    /// - Parameter evaluate: value and gradient at a point. The gradient is copied, so that its memory may serve again.
    /// - Throws: what `evaluate` and the vectors throw, in which case x is where it was; ``LBFGSError/notFinite(_:_:)`` when value or gradient at the
    ///   start are no numbers.
    @discardableResult
    public func step(_ evaluate: (Vector) throws -> (value: Double, gradient: Vector)) throws -> LBFGSReport {
        try withoutActuallyEscaping(evaluate) { try iterate($0) }
    }

    /// Iterates until the gradient's norm is at most `tolerance`, no step can be made, or `iterations` are done.
    public func minimize(
        iterations: Int, tolerance: Double = 0,
        _ evaluate: (Vector) throws -> (value: Double, gradient: Vector)
    ) throws -> LBFGSReport {
        var report = try step(evaluate)
        for _ in 1..<max(iterations, 1) where report.moved && report.gradientNorm > tolerance {
            report = try step(evaluate)
        }
        return report
    }

    private func iterate(_ evaluate: @escaping (Vector) throws -> (value: Double, gradient: Vector)) throws
        -> LBFGSReport
    {
        let before = evaluations
        if value.isNaN { try start(evaluate) }
        iteration += 1
        var report = LBFGSReport(
            iteration: iteration, evaluations: 0, value: value, gradientNorm: gradientNorm, stepLength: 0, moved: false,
            remembered: false, restarted: false, satisfiesWolfe: false)
        if gradientNorm > 0 {
            let remembers = history.count > 0
            if try !advance(evaluate, &report) && remembers {
                report.restarted = true
                history.clear()
                _ = try advance(evaluate, &report)
            }
        }
        report.evaluations = evaluations - before
        (report.value, report.gradientNorm) = (value, gradientNorm)
        return report
    }

    private func start(_ evaluate: (Vector) throws -> (value: Double, gradient: Vector)) throws {
        let (first, slope) = try evaluate(x)
        evaluations += 1
        guard first.isFinite else { throw LBFGSError.notFinite("value", first) }
        try gradient.copy(from: slope)
        let norm = try gradient.dot(gradient).squareRoot()
        guard norm.isFinite else { throw LBFGSError.notFinite("gradient norm", norm) }
        (value, gradientNorm) = (first, norm)
    }

    /// One line search along -H g, and what follows from it. False when no step was found.
    private func advance(
        _ evaluate: @escaping (Vector) throws -> (value: Double, gradient: Vector), _ report: inout LBFGSReport
    ) throws -> Bool {
        try direction.copy(from: gradient)
        try history.multiply(into: direction)
        try direction.scale(by: -1)
        let slope = try gradient.dot(direction)
        guard slope < 0, slope.isFinite else { return false }
        var search = StrongWolfe<Vector>(
            c1: settings.sufficientDecrease, c2: settings.curvature, most: settings.evaluations,
            start: .init(step: 0, value: value, slope: slope),
            evaluate: { [self] in try trial($0, evaluate) },
            keep: { [self] _ in
                swap(&trialPoint, &bestPoint)
                swap(&trialGradient, &bestGradient)
            })
        // Without a memory the direction has the gradient's length, which says nothing about the step's.
        let first = history.count > 0 ? 1 : min(1, settings.firstStep / gradientNorm)
        let (outcome, taken) = try search.search(from: first)
        guard outcome != .failed else { return false }
        report.satisfiesWolfe = outcome == .strong
        report.moved = true
        report.stepLength = taken.step
        try finish(taken, &report)
        return true
    }

    private func trial(
        _ step: Double, _ evaluate: (Vector) throws -> (value: Double, gradient: Vector)
    ) throws -> StrongWolfe<Vector>.Trial {
        try trialPoint.copy(from: x)
        try trialPoint.accumulate(direction, times: step)
        let (value, slope) = try evaluate(trialPoint)
        evaluations += 1
        try trialGradient.copy(from: slope)
        return .init(step: step, value: value, slope: try trialGradient.dot(direction))
    }

    /// Moves to the best point, and remembers the step: s into the old x's place, y into the old gradient's.
    private func finish(_ taken: StrongWolfe<Vector>.Trial, _ report: inout LBFGSReport) throws {
        // s as it came out, not α p: x was rounded.
        try trialPoint.copy(from: bestPoint)
        try trialPoint.accumulate(x, times: -1)
        try trialGradient.copy(from: bestGradient)
        try trialGradient.accumulate(gradient, times: -1)
        report.remembered = try history.take(step: trialPoint, change: trialGradient)
        try x.copy(from: bestPoint)
        swap(&gradient, &bestGradient)
        value = taken.value
        gradientNorm = try gradient.dot(gradient).squareRoot()
    }
}

/// The settings of ``LBFGS``, with the book's values.
public struct LBFGSSettings: Sendable, Codable, Equatable {
    /// How many steps are remembered: 3 to 20 (section 7.2).
    public var memory = 10
    /// c₁ of the Wolfe conditions.
    public var sufficientDecrease = 1e-4
    /// c₂ of the Wolfe conditions.
    public var curvature = 0.9
    /// The most evaluations in one line search.
    public var evaluations = 20
    /// The longest first step of a line search along the gradient itself.
    public var firstStep = 1.0

    /// The book's settings.
    public init() {}
}

/// What an iteration of ``LBFGS`` did.
public struct LBFGSReport: Sendable, Equatable {
    /// Counted from 1.
    public var iteration: Int
    /// Evaluations that this iteration took.
    public var evaluations: Int
    /// The value after it.
    public var value: Double
    /// The norm of the gradient after it.
    public var gradientNorm: Double
    /// α.
    public var stepLength: Double
    /// Whether a step was made: if not, x is a minimum to rounding, or the gradient is not that of the values.
    public var moved: Bool
    /// Whether the step's curvature was positive, so that it is remembered.
    public var remembered: Bool
    /// Whether the memory was cleared, since its direction led nowhere.
    public var restarted: Bool
    /// Whether the step satisfies the strong Wolfe conditions, and not only that of sufficient decrease.
    public var satisfiesWolfe: Bool
}

/// What can go wrong with ``LBFGS``.
public enum LBFGSError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The function is no number where it starts.
    case notFinite(String, Double)

    /// One line that says what is wrong and what to do.
    public var description: String {
        switch self {
        case .notFinite(let what, let value):
            "L-BFGS cannot start: the \(what) at the first point is \(value); start elsewhere"
        }
    }
}
