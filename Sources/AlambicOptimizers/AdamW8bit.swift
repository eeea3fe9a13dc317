import AlambicKernels

/// ``AdamW`` with moments in 8 bits (Dettmers et al., "8-bit Optimizers via Block-wise Quantization", ICLR 2022): 2 bytes of
/// state a weight instead of 8.
public struct AdamW8bit: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "adamw8bit"
    /// What it remembers for every weight in full.
    public static let stateNames: [String] = []
    /// What it remembers for every weight in a byte.
    public static let quantizedStateNames = ["exp_avg", "exp_avg_sq"]
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

    /// The optimizer at AdamW's default settings.
    public init(rate: Schedule) { self.init(rate: rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01) }

    /// 8-bit AdamW with all its settings.
    public init(rate: Schedule, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double) {
        self.rate = rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }

    /// Changes weights and state in place.
    public func apply(_ update: Update, on context: Context) throws(KernelError) {
        let (first, second) = (update.quantizedState[0], update.quantizedState[1])
        // Bound before their spans are taken: Swift 6.3 fails to compile spans of what a call's argument looks up.
        let (firstCodes, firstScales, secondCodes, secondScales) = (
            first.codes, first.scales, second.codes, second.scales
        )
        try adamW8bitStep(
            weights: update.weights.mutableSpan, gradient: update.gradient.span, rows: update.weights.rows,
            columns: update.weights.columns, firstMoment: firstCodes.mutableSpan,
            firstScales: firstScales.mutableSpan, secondMoment: secondCodes.mutableSpan,
            secondScales: secondScales.mutableSpan, rate: update.rate, beta1: beta1, beta2: beta2, epsilon: epsilon,
            weightDecay: update.decays ? weightDecay : 0, correction1: biasCorrection(beta1, update.step),
            correction2: biasCorrection(beta2, update.step), gradientScale: update.gradientScale, clip: update.clip,
            panels: update.panels, on: context)
    }
}

extension Optimizer where Self == AdamW8bit {
    /// AdamW with moments in 8 bits.
    public static func adamW8bit(
        rate: Schedule, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0.01
    ) -> AdamW8bit {
        AdamW8bit(rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
    }
}
