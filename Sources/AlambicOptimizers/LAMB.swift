import AlambicKernels
import AlambicTensor

/// LAMB (You et al. 2020, "Large Batch Optimization for Deep Learning", Algorithm 2): Adam whose step in each matrix is as long as
/// the rate times the matrix's own norm.
///
///     m  = beta1 * m + (1 - beta1) * g
///     v  = beta2 * v + (1 - beta2) * g²
///     u  = m̂ / (√v̂ + epsilon) + weightDecay * w                  m̂, v̂ corrected as Adam's
///     w -= rate * ‖w‖ / ‖u‖ * u
///
/// So no matrix moves by more than a share of itself, which keeps very large batches with large rates stable; with small
/// batches there is nothing to win over ``AdamW``. The scaling function φ is the identity. What does not decay (gains, biases,
/// positions) takes Adam's step, as in the authors' code: a bias that starts at zero has no norm to measure by. A matrix of
/// zeros takes Adam's step too.
public struct LAMB: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "lamb"
    /// What it remembers for every weight.
    public static let stateNames = ["exp_avg", "exp_avg_sq"]
    /// The learning rate, by step: the share of its norm that a matrix moves by.
    public var rate: Schedule
    /// Decay of the first moment.
    public var beta1: Double
    /// Decay of the second moment.
    public var beta2: Double
    /// Keeps the division finite.
    public var epsilon: Double
    /// Weight decay, a part of the direction whose length is normalised.
    public var weightDecay: Double

    /// The optimizer at its published default settings.
    public init(rate: Schedule) { self.init(rate: rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.01) }

    /// LAMB with all its settings.
    public init(rate: Schedule, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double) {
        self.rate = rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }

    /// The direction.
    public static func workspace(for parameter: Parameter) -> Int { parameter.shape.count }
    /// Two moments and at most one direction.
    public static var floatsPerWeight: Int { 3 }

    /// Changes weights and state in place.
    public func apply(_ update: Update, on context: Context) throws(KernelError) {
        let workspace = update.requireWorkspace(of: Self.name)
        let (weights, first, second) = (update.weights, update.state[0], update.state[1])
        let direction = workspace.tensor(weights.shape)
        try adamDirection(
            weights: weights.span, gradient: update.gradient.span, firstMoment: first.mutableSpan,
            secondMoment: second.mutableSpan, into: direction.mutableSpan, beta1: beta1, beta2: beta2,
            epsilon: epsilon, weightDecay: update.decays ? weightDecay : 0,
            correction1: biasCorrection(beta1, update.step), correction2: biasCorrection(beta2, update.step),
            gradientScale: update.gradientScale, clip: update.clip, on: context)
        guard update.decays else { return try update.step(along: direction, rate: update.rate, on: context) }
        let (numbers, factor) = (workspace.numbers, workspace.factor)
        try sumOfSquares(weights.span, into: numbers.mutableSpan(0..<1), on: context)
        try sumOfSquares(direction.span, into: numbers.mutableSpan(1..<2), on: context)
        try trustRatio(
            weightSquares: numbers.span(0..<1), directionSquares: numbers.span(1..<2), into: factor.mutableSpan,
            on: context)
        try update.step(along: direction, rate: update.rate, factor: factor, on: context)
    }
}

extension Optimizer where Self == LAMB {
    /// LAMB.
    public static func lamb(
        rate: Schedule, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-6, weightDecay: Double = 0.01
    ) -> LAMB {
        LAMB(rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
    }
}
