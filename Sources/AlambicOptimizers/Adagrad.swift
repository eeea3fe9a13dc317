import AlambicKernels

/// Adagrad (Duchi, Hazan and Singer 2011, Figure 1, with a diagonal matrix): every weight has a rate of its own, that falls
/// with the squares of all gradients it has seen.
///
///     g  = g + l2 * w
///     a += g²
///     w -= rate * g / (√(initialAccumulator + a) + epsilon)
///
/// Weights with rare gradients keep large steps, which is why it suits sparse features, and many workers at one server
/// (Dean et al. 2012, section 4.1). The sum never shrinks: on a long run all steps die out, however far away the optimum is.
/// The checkpointed `sum` leaves ``initialAccumulator`` out, so that it starts as zeros.
public struct Adagrad: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "adagrad"
    /// What it remembers for every weight.
    public static let stateNames = ["sum"]
    /// The learning rate, by step.
    public var rate: Schedule
    /// What the sum of squares starts from. With 0 the first step of a weight has the size of the rate, however small its
    /// gradient is; 0.1 makes the first steps follow the gradient instead.
    public var initialAccumulator: Double
    /// Keeps the division finite.
    public var epsilon: Double
    /// The coefficient of the L2 penalty `l2 / 2 * ‖w‖²`.
    public var l2: Double

    /// The optimizer at its usual default settings.
    public init(rate: Schedule) { self.init(rate: rate, initialAccumulator: 0, epsilon: 1e-10, l2: 0) }

    /// Adagrad with all its settings.
    public init(rate: Schedule, initialAccumulator: Double, epsilon: Double, l2: Double) {
        self.rate = rate
        self.initialAccumulator = initialAccumulator
        self.epsilon = epsilon
        self.l2 = l2
    }

    /// Changes weights and state in place.
    public func apply(_ update: Update, on context: Context) throws(KernelError) {
        let sum = update.state[0]
        try adagradStep(
            weights: update.weights.mutableSpan, gradient: update.gradient.span, accumulator: sum.mutableSpan,
            rate: update.rate, initial: initialAccumulator, epsilon: epsilon, l2: update.decays ? l2 : 0,
            gradientScale: update.gradientScale, clip: update.clip, panels: update.panels, on: context)
    }
}

extension Optimizer where Self == Adagrad {
    /// Adagrad.
    public static func adagrad(
        rate: Schedule, initialAccumulator: Double = 0, epsilon: Double = 1e-10, l2: Double = 0
    ) -> Adagrad {
        Adagrad(rate: rate, initialAccumulator: initialAccumulator, epsilon: epsilon, l2: l2)
    }
}
