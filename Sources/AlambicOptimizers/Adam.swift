import AlambicKernels
import Foundation

/// Adam (Kingma and Ba 2015, Algorithm 1), with an optional L2 penalty added to the gradient:
///
///     g = g + l2 * w
///     m = beta1 * m + (1 - beta1) * g
///     v = beta2 * v + (1 - beta2) * g²
///     w -= rate * (m / (1 - beta1^t)) / (√(v / (1 - beta2^t)) + epsilon)
public struct Adam: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "adam"
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
    /// The coefficient of the L2 penalty `l2 / 2 * ‖w‖²`.
    public var l2: Double

    /// The optimizer at its published default settings.
    public init(rate: Schedule) { self.init(rate: rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, l2: 0) }

    /// Adam with all its settings.
    public init(rate: Schedule, beta1: Double, beta2: Double, epsilon: Double, l2: Double) {
        self.rate = rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.l2 = l2
    }

    /// Changes weights and state in place.
    public func apply(_ update: Update, on context: Context) throws(KernelError) {
        let (first, second) = (update.state[0], update.state[1])
        try adamWStep(
            weights: update.weights.mutableSpan, gradient: update.gradient.span,
            firstMoment: first.mutableSpan, secondMoment: second.mutableSpan, rate: update.rate,
            beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: 0, l2: update.decays ? l2 : 0,
            correction1: biasCorrection(beta1, update.step), correction2: biasCorrection(beta2, update.step),
            gradientScale: update.gradientScale, clip: update.clip, panels: update.panels, on: context)
    }
}

/// `1 / (1 - beta^t)`, in double: float loses half of its digits for beta2 at the first steps.
func biasCorrection(_ beta: Double, _ step: Int) -> Double { 1 / (1 - pow(beta, Double(step))) }

extension Optimizer where Self == Adam {
    /// Adam.
    public static func adam(
        rate: Schedule, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, l2: Double = 0
    ) -> Adam {
        Adam(rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, l2: l2)
    }
}
