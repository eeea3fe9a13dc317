import AlambicKernels
import AlambicTensor

/// Muon (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"): a matrix's momentum with all its singular values
/// brought near 1.
///
///     m  = momentum * m + g
///     u  = g + momentum * m
///     u  = NewtonSchulz(u / ‖u‖)                                  five steps of X ← a X + (b A + c A²) X, A = X Xᵀ
///     w -= rate * (√max(1, outputs / inputs) * u + weightDecay * w)
///
/// with a = 3.4445, b = -4.7750, c = 2.0315, whose polynomial brings singular values from 0.01 on to about 0.68 … 1.13, not to 1. In
/// single precision, through the matrix products. A step costs 5 (4 n² m + 2 n³) operations for a matrix of n <= m: little
/// beside a large batch's gradients, much beside a small one's.
///
/// Only ``ParameterKind/matrix`` is orthogonalised. Embeddings, positions, gains and biases take ``AdamW``'s step at `rate` times
/// ``adamRate``. The authors also leave a classifier's last layer to AdamW; here an untied head is a matrix like others.
/// A step mixes rows and columns; a weight of zero whose momentum is zero stays, so that masks hold.
public struct Muon: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "muon"
    /// The momentum of matrices, and the moments of all else.
    public static let stateNames = ["momentum_buffer", "exp_avg", "exp_avg_sq"]
    /// The learning rate of matrices, by step; the authors' is 0.02.
    public var rate: Schedule
    /// How much of the momentum survives a step.
    public var momentum: Double
    /// Decoupled weight decay, multiplied by the learning rate.
    public var weightDecay: Double
    /// The learning rate of what is no matrix, as a share of ``rate``.
    public var adamRate: Double
    /// Decay of the first moment of what is no matrix.
    public var beta1: Double
    /// Decay of the second moment of what is no matrix.
    public var beta2: Double
    /// Keeps AdamW's division finite.
    public var epsilon: Double

    /// The optimizer at its published default settings; AdamW at 3e-4 for a rate of 0.02.
    public init(rate: Schedule) {
        self.init(
            rate: rate, momentum: 0.95, weightDecay: 0, adamRate: 0.015, beta1: 0.9, beta2: 0.95, epsilon: 1e-8)
    }

    /// Muon with all its settings.
    public init(
        rate: Schedule, momentum: Double, weightDecay: Double, adamRate: Double, beta1: Double, beta2: Double,
        epsilon: Double
    ) {
        self.rate = rate
        self.momentum = momentum
        self.weightDecay = weightDecay
        self.adamRate = adamRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
    }

    /// A momentum for matrices, two moments for all else.
    public static func stateShape(_ name: String, of parameter: Parameter) -> Shape {
        (name == stateNames[0]) == (parameter.kind == .matrix) ? parameter.shape : [0]
    }
    /// Two matrices and two squares of their shorter side.
    public static func workspace(for parameter: Parameter) -> Int {
        parameter.kind == .matrix ? NewtonSchulz.workspace(parameter.shape) : 0
    }
    /// A momentum and at most four matrices of work, or two moments.
    public static var floatsPerWeight: Int { 3 }

    /// Changes weights and state in place.
    public func apply(_ update: Update, on context: Context) throws(KernelError) {
        guard update.kind == .matrix else { return try adamW(update, on: context) }
        let workspace = update.requireWorkspace(of: Self.name)
        let (weights, velocity) = (update.weights, update.state[0])
        let schulz = NewtonSchulz(weights.shape, in: workspace)
        let direction = schulz.x
        try momentumDirection(
            weights: weights.span, gradient: update.gradient.span, momentum: velocity.mutableSpan,
            into: direction.mutableSpan, momentum, gradientScale: update.gradientScale, clip: update.clip,
            on: context)
        try schulz.orthogonalize(on: context)
        try holdZeros(
            weights: weights.span, momentum: velocity.span, in: direction.mutableSpan, on: context)
        let tallness = max(1, Double(weights.rows) / Double(max(weights.columns, 1))).squareRoot()
        try update.step(
            along: direction, rate: update.rate, scale: tallness, weightDecay: weightDecay, on: context)
    }

    private func adamW(_ update: Update, on context: Context) throws(KernelError) {
        let (first, second) = (update.state[1], update.state[2])
        try adamWStep(
            weights: update.weights.mutableSpan, gradient: update.gradient.span,
            firstMoment: first.mutableSpan, secondMoment: second.mutableSpan, rate: adamRate * update.rate,
            beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: update.decays ? weightDecay : 0, l2: 0,
            correction1: biasCorrection(beta1, update.step), correction2: biasCorrection(beta2, update.step),
            gradientScale: update.gradientScale, clip: update.clip, panels: update.panels, on: context)
    }
}

extension Optimizer where Self == Muon {
    /// Muon for matrices, AdamW for all else.
    public static func muon(
        rate: Schedule, momentum: Double = 0.95, weightDecay: Double = 0, adamRate: Double = 0.015,
        beta1: Double = 0.9, beta2: Double = 0.95, epsilon: Double = 1e-8
    ) -> Muon {
        Muon(
            rate: rate, momentum: momentum, weightDecay: weightDecay, adamRate: adamRate, beta1: beta1, beta2: beta2,
            epsilon: epsilon)
    }
}
