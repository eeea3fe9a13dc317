import AlambicKernels

/// AdaMax (Kingma and Ba 2015, Algorithm 2): Adam with the largest recent gradient in place of the root mean square, the limit of its
/// generalisation to the p-norm (section 7.1).
///
///     g  = g + l2 * w
///     m  = beta1 * m + (1 - beta1) * g
///     u  = max(beta2 * u, |g|)
///     w -= rate / (1 - beta1^t) * m / u
///
/// No step is longer than the rate, and `u` needs no bias correction. There is no epsilon, as in the paper: a weight whose
/// gradients were all zero is left as it is. One outlier shortens a weight's steps for some `1 / (1 - beta2)` steps.
public struct AdaMax: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "adamax"
    /// What it remembers for every weight.
    public static let stateNames = ["exp_avg", "exp_inf"]
    /// The learning rate, by step; the paper's is 0.002.
    public var rate: Schedule
    /// Decay of the first moment.
    public var beta1: Double
    /// Decay of the infinity norm.
    public var beta2: Double
    /// The coefficient of the L2 penalty `l2 / 2 * ‖w‖²`.
    public var l2: Double

    /// The optimizer at its published default settings.
    public init(rate: Schedule) { self.init(rate: rate, beta1: 0.9, beta2: 0.999, l2: 0) }

    /// AdaMax with all its settings.
    public init(rate: Schedule, beta1: Double, beta2: Double, l2: Double) {
        self.rate = rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.l2 = l2
    }

    /// Changes weights and state in place.
    public func apply(_ update: Update, on context: Context) throws(KernelError) {
        let (moment, norm) = (update.state[0], update.state[1])
        try adaMaxStep(
            weights: update.weights.mutableSpan, gradient: update.gradient.span, firstMoment: moment.mutableSpan,
            infinityNorm: norm.mutableSpan, rate: update.rate, beta1: beta1, beta2: beta2,
            correction: biasCorrection(beta1, update.step), l2: update.decays ? l2 : 0,
            gradientScale: update.gradientScale, clip: update.clip, panels: update.panels, on: context)
    }
}

extension Optimizer where Self == AdaMax {
    /// AdaMax.
    public static func adaMax(rate: Schedule, beta1: Double = 0.9, beta2: Double = 0.999, l2: Double = 0) -> AdaMax {
        AdaMax(rate: rate, beta1: beta1, beta2: beta2, l2: l2)
    }
}
