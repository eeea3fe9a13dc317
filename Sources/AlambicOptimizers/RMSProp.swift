import AlambicKernels

/// RMSProp (Tieleman and Hinton 2012, "Neural Networks for Machine Learning", lecture 6.5): the gradient over the root of a
/// running mean of its squares.
///
///     g  = g + l2 * w
///     v  = decay * v + (1 - decay) * g²
///     w -= rate * g / (√v + epsilon)
///
/// Epsilon is outside of the root, as in torch; some descriptions (and TensorFlow) have it inside. Neither momentum nor
/// centring. Unlike ``Adagrad`` it forgets, so that it keeps moving. The mean starts at zero and is not corrected: the first step is
/// `1 / √(1 - decay)` rates long, 3.2 for 0.9 and 10 for torch's 0.99, and a decay near 1 makes early steps dangerous.
public struct RMSProp: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "rmsprop"
    /// What it remembers for every weight.
    public static let stateNames = ["square_avg"]
    /// The learning rate, by step.
    public var rate: Schedule
    /// How much of the mean survives a step.
    public var decay: Double
    /// Keeps the division finite.
    public var epsilon: Double
    /// The coefficient of the L2 penalty `l2 / 2 * ‖w‖²`.
    public var l2: Double

    /// The optimizer with the lecture's decay of 0.9.
    public init(rate: Schedule) { self.init(rate: rate, decay: 0.9, epsilon: 1e-8, l2: 0) }

    /// RMSProp with all its settings.
    public init(rate: Schedule, decay: Double, epsilon: Double, l2: Double) {
        self.rate = rate
        self.decay = decay
        self.epsilon = epsilon
        self.l2 = l2
    }

    /// Changes weights and state in place.
    public func apply(_ update: Update, on context: Context) throws(KernelError) {
        let mean = update.state[0]
        try rmsPropStep(
            weights: update.weights.mutableSpan, gradient: update.gradient.span, meanSquare: mean.mutableSpan,
            rate: update.rate, decay: decay, epsilon: epsilon, l2: update.decays ? l2 : 0,
            gradientScale: update.gradientScale, clip: update.clip, panels: update.panels, on: context)
    }
}

extension Optimizer where Self == RMSProp {
    /// RMSProp.
    public static func rmsProp(
        rate: Schedule, decay: Double = 0.9, epsilon: Double = 1e-8, l2: Double = 0
    ) -> RMSProp {
        RMSProp(rate: rate, decay: decay, epsilon: epsilon, l2: l2)
    }
}
