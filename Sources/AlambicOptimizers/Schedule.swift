import Foundation

/// How the learning rate changes over the steps of a run.
///
/// Steps count from 0: `rate(at: 0)` is the rate of the first update. A number is a constant rate: `rate: 1e-3`.
public enum Schedule: Sendable, Codable, Equatable {
    /// The same rate for ever.
    case constant(Double)
    /// Rises in a straight line to `peak` over `warmup` steps, then falls in a straight line to `floor` at step `over`.
    case linear(peak: Double, warmup: Int = 0, over: Int, floor: Double = 0)
    /// Rises in a straight line to `peak` over `warmup` steps, then follows half a cosine down to `floor` at step
    /// `over` and stays there (Loshchilov and Hutter 2017, "SGDR", equation 5 without restarts).
    case cosine(peak: Double, warmup: Int = 0, over: Int, floor: Double = 0)
    /// Starts at `rate` and is multiplied by `factor` every `every` steps.
    case stepDecay(rate: Double, factor: Double, every: Int)
    /// Rises in a straight line to `peak` over `warmup` steps, then falls with the square root of their number:
    /// `peak · √(warmup / t)`, with `t` counted from 1. Without warm-up it is `peak / √t`, as the regret bound of Adam asks
    /// (Kingma and Ba 2014, Theorem 4.1); with it, the schedule of the transformer (Vaswani et al. 2017, equation 3).
    case inverseSquareRoot(peak: Double, warmup: Int = 1)

    /// The learning rate of update number `step`, counted from 0.
    public func rate(at step: Int) -> Double {
        switch self {
        case .constant(let rate):
            return rate
        case .linear(let peak, let warmup, let over, let floor):
            if step < warmup { return Self.rising(to: peak, at: step, over: warmup) }
            return peak + (floor - peak) * Self.progress(step, from: warmup, to: over)
        case .cosine(let peak, let warmup, let over, let floor):
            if step < warmup { return Self.rising(to: peak, at: step, over: warmup) }
            return floor + (peak - floor) * 0.5 * (1 + cos(.pi * Self.progress(step, from: warmup, to: over)))
        case .stepDecay(let rate, let factor, let every):
            return rate * pow(factor, Double(step / max(every, 1)))
        case .inverseSquareRoot(let peak, let warmup):
            if step < warmup { return Self.rising(to: peak, at: step, over: warmup) }
            return peak * (Double(max(warmup, 1)) / Double(step + 1)).squareRoot()
        }
    }

    /// The largest rate that the schedule reaches.
    public var peak: Double {
        switch self {
        case .constant(let rate): rate
        case .linear(let peak, _, _, _), .cosine(let peak, _, _, _), .inverseSquareRoot(let peak, _): peak
        case .stepDecay(let rate, _, _): rate
        }
    }

    /// The first update is not at rate 0, and the last one of the warm-up is at the peak.
    private static func rising(to peak: Double, at step: Int, over warmup: Int) -> Double {
        peak * Double(step + 1) / Double(warmup)
    }

    private static func progress(_ step: Int, from start: Int, to end: Int) -> Double {
        guard end > start else { return 1 }
        return min(max(Double(step - start) / Double(end - start), 0), 1)
    }
}

extension Schedule: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
    /// A constant rate.
    public init(floatLiteral value: Double) { self = .constant(value) }
    /// A constant rate.
    public init(integerLiteral value: Int) { self = .constant(Double(value)) }
}
