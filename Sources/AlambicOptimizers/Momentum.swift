import AlambicKernels

/// Gradient descent with a heavy ball (Polyak 1964): `v = momentum * v + g + l2 * w; w -= rate * v`.
public struct Momentum: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "momentum"
    /// What it remembers for every weight.
    public static let stateNames = ["momentum_buffer"]
    /// The learning rate, by step.
    public var rate: Schedule
    /// The share of the velocity that survives a step.
    public var momentum: Double
    /// The coefficient of the L2 penalty `l2 / 2 * ‖w‖²`.
    public var l2: Double

    /// The optimizer at its published default settings.
    public init(rate: Schedule) { self.init(rate: rate, momentum: 0.9, l2: 0) }

    /// Gradient descent with momentum and an L2 penalty.
    public init(rate: Schedule, momentum: Double, l2: Double) {
        self.rate = rate
        self.momentum = momentum
        self.l2 = l2
    }

    /// Changes weights and state in place.
    public func apply(_ update: Update, on context: Context) throws(KernelError) {
        let velocity = update.state[0]
        try sgdStep(
            weights: update.weights.mutableSpan, gradient: update.gradient.span,
            velocity: velocity.mutableSpan, rate: update.rate, momentum: momentum, nesterov: false,
            l2: update.decays ? l2 : 0, gradientScale: update.gradientScale, clip: update.clip, panels: update.panels,
            on: context)
    }
}

extension Optimizer where Self == Momentum {
    /// Gradient descent with momentum.
    public static func momentum(rate: Schedule, _ momentum: Double = 0.9, l2: Double = 0) -> Momentum {
        Momentum(rate: rate, momentum: momentum, l2: l2)
    }
}
