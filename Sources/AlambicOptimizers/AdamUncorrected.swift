import AlambicKernels

/// ``Adam`` without its bias correction: what section 6.4 of Kingma and Ba 2015 compares it with, and, without a first
/// moment (`beta1 = 0`), RMSProp.
///
///     g  = g + l2 * w
///     m  = beta1 * m + (1 - beta1) * g
///     v  = beta2 * v + (1 - beta2) * g²
///     w -= rate * m / (√v + epsilon)
///
/// Both moments start at zero. The first step is `(1 - beta1) / √(1 - beta2)` rates long: 3.2 at the defaults, 10 for a beta2 of
/// 0.9999, which is why training without the correction becomes unstable as beta2 approaches 1. For experiments; use ``Adam``.
public struct AdamUncorrected: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "adam-uncorrected"
    /// What it remembers for every weight.
    public static let stateNames = ["exp_avg", "exp_avg_sq"]
    /// The learning rate, by step.
    public var rate: Schedule
    /// Decay of the first moment.
    public var beta1: Double
    /// Decay of the second moment.
    public var beta2: Double
    /// Keeps the division finite.
    public var epsilon: Double
    /// The coefficient of the L2 penalty `l2 / 2 * ‖w‖²`.
    public var l2: Double

    /// The optimizer at Adam's default settings.
    public init(rate: Schedule) { self.init(rate: rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, l2: 0) }

    /// Adam without bias correction, with all its settings.
    public init(rate: Schedule, beta1: Double, beta2: Double, epsilon: Double, l2: Double) {
        self.rate = rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.l2 = l2
    }

    /// Changes weights and state in place.
    public func apply(_ update: Update, on context: Context) throws(KernelError) {
        let (first, second) = (update.state[0], update.state[1])
        try adamWStep(
            weights: update.weights.mutableSpan, gradient: update.gradient.span,
            firstMoment: first.mutableSpan, secondMoment: second.mutableSpan, rate: update.rate,
            beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: 0, l2: update.decays ? l2 : 0,
            correction1: 1, correction2: 1, gradientScale: update.gradientScale, clip: update.clip,
            panels: update.panels, on: context)
    }
}

extension Optimizer where Self == AdamUncorrected {
    /// Adam without bias correction.
    public static func adamUncorrected(
        rate: Schedule, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, l2: Double = 0
    ) -> AdamUncorrected {
        AdamUncorrected(rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, l2: l2)
    }
}
