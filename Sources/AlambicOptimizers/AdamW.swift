import AlambicKernels

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019, Algorithm 2): Adam's step without an L2 penalty, and
/// `w -= rate * weightDecay * w` beside it, which the moments never see.
public struct AdamW: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "adamw"
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
    /// Decoupled weight decay, multiplied by the learning rate.
    public var weightDecay: Double

    /// The optimizer at its published default settings.
    public init(rate: Schedule) { self.init(rate: rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01) }

    /// AdamW with all its settings.
    public init(rate: Schedule, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double) {
        self.rate = rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }

    /// Changes weights and state in place.
    public func apply(_ update: Update, on context: Context) throws(KernelError) {
        let (first, second) = (update.state[0], update.state[1])
        try adamWStep(
            weights: update.weights.mutableSpan, gradient: update.gradient.span,
            firstMoment: first.mutableSpan, secondMoment: second.mutableSpan, rate: update.rate,
            beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: update.decays ? weightDecay : 0, l2: 0,
            correction1: biasCorrection(beta1, update.step), correction2: biasCorrection(beta2, update.step),
            gradientScale: update.gradientScale, clip: update.clip, panels: update.panels, on: context)
    }
}

extension Optimizer where Self == AdamW {
    /// Adam with decoupled weight decay.
    public static func adamW(
        rate: Schedule, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0.01
    ) -> AdamW {
        AdamW(rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
    }
}
