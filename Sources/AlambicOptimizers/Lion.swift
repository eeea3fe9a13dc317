import AlambicKernels

/// Lion (Chen et al. 2023, Algorithm 2): the sign of a momentum, with decoupled weight decay. Half of AdamW's state.
///
/// Its step is as large as the rate in every weight, so that the rate should be 3 to 10 times smaller than AdamW's and the
/// decay as much larger (section 5 of the paper).
public struct Lion: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "lion"
    /// What it remembers for every weight.
    public static let stateNames = ["exp_avg"]
    /// The learning rate, by step.
    public var rate: Schedule
    /// How much of the direction is momentum.
    public var beta1: Double
    /// Decay of the momentum.
    public var beta2: Double
    /// Decoupled weight decay, multiplied by the learning rate.
    public var weightDecay: Double

    /// The optimizer at its published default settings.
    public init(rate: Schedule) { self.init(rate: rate, beta1: 0.9, beta2: 0.99, weightDecay: 0) }

    /// Lion with all its settings.
    public init(rate: Schedule, beta1: Double, beta2: Double, weightDecay: Double) {
        self.rate = rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.weightDecay = weightDecay
    }

    /// Changes weights and state in place.
    public func apply(_ update: Update, on context: Context) throws(KernelError) {
        let momentum = update.state[0]
        try lionStep(
            weights: update.weights.mutableSpan, gradient: update.gradient.span, momentum: momentum.mutableSpan,
            rate: update.rate, beta1: beta1, beta2: beta2, weightDecay: update.decays ? weightDecay : 0,
            gradientScale: update.gradientScale, clip: update.clip, panels: update.panels, on: context)
    }
}

extension Optimizer where Self == Lion {
    /// Lion.
    public static func lion(
        rate: Schedule, beta1: Double = 0.9, beta2: Double = 0.99, weightDecay: Double = 0
    ) -> Lion {
        Lion(rate: rate, beta1: beta1, beta2: beta2, weightDecay: weightDecay)
    }
}
