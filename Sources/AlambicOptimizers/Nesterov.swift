import AlambicKernels

/// Nesterov's accelerated gradient in the form of Sutskever et al. 2013 with the look-ahead folded into the weights:
/// `v = momentum * v + g + l2 * w; w -= rate * (g + l2 * w + momentum * v)`.
public struct Nesterov: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "nesterov"
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

    /// Nesterov's gradient with an L2 penalty.
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
            velocity: velocity.mutableSpan, rate: update.rate, momentum: momentum, nesterov: true,
            l2: update.decays ? l2 : 0, gradientScale: update.gradientScale, clip: update.clip, panels: update.panels,
            on: context)
    }
}

extension Optimizer where Self == Nesterov {
    /// Nesterov's accelerated gradient.
    public static func nesterov(rate: Schedule, momentum: Double = 0.9, l2: Double = 0) -> Nesterov {
        Nesterov(rate: rate, momentum: momentum, l2: l2)
    }
}
