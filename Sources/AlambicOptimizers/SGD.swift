import AlambicKernels

/// Stochastic gradient descent: `w -= rate * (g + l2 * w)`.
public struct SGD: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "sgd"
    /// What it remembers for every weight.
    public static let stateNames: [String] = []
    /// The learning rate, by step.
    public var rate: Schedule
    /// The coefficient of the L2 penalty `l2 / 2 * ‖w‖²`, whose gradient is `l2 * w`.
    public var l2: Double

    /// The optimizer at its published default settings.
    public init(rate: Schedule) { self.init(rate: rate, l2: 0) }

    /// Gradient descent at `rate`, with an L2 penalty.
    public init(rate: Schedule, l2: Double) {
        self.rate = rate
        self.l2 = l2
    }

    /// Changes weights and state in place.
    public func apply(_ update: Update, on context: Context) throws(KernelError) {
        try sgdStep(
            weights: update.weights.mutableSpan, gradient: update.gradient.span, velocity: nil, rate: update.rate,
            momentum: 0, nesterov: false, l2: update.decays ? l2 : 0, gradientScale: update.gradientScale,
            clip: update.clip, panels: update.panels, on: context)
    }
}

extension Optimizer where Self == SGD {
    /// Stochastic gradient descent.
    public static func sgd(rate: Schedule, l2: Double = 0) -> SGD { SGD(rate: rate, l2: l2) }
}
