import AlambicKernels
import AlambicTensor
import Foundation

/// Adafactor (Shazeer and Stern 2018, Algorithms 4 and 5) at a learning rate from outside: Adam without a first moment, whose second
/// moment of a matrix is the product of a column and a row.
///
///     β  = 1 - t^decayPower
///     R  = β R + (1 - β) mean over columns of (g² + epsilon),   C = β C + (1 - β) mean over rows of (g² + epsilon)
///     u  = g / √(R Cᵀ / mean(R))
///     w -= rate * (u / max(1, RMS(u) / clipping) + weightDecay * w)
///
/// A matrix of n x m weights costs n + m numbers of state instead of Adam's 2 n m. The product is exact where `g²` has rank one,
/// and the best approximation of it in the I-divergence otherwise (section 3). β starts at 0, so that no bias is to be
/// corrected, and grows towards 1. Vectors keep a full second moment. Without a first moment it is noisier than Adam at small batches.
/// The algorithm with its own relative steps is ``AdafactorRelative``.
public struct Adafactor: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "adafactor"
    /// Rows and columns of a matrix's second moment, and that of a vector.
    public static let stateNames = ["exp_avg_sq_row", "exp_avg_sq_col", "exp_avg_sq"]
    /// The learning rate, by step.
    public var rate: Schedule
    /// The exponent of the decay, below 0.
    public var decayPower: Double
    /// Added to squares, so that what has no gradient has no infinite step.
    public var epsilon: Double
    /// The largest root mean square of a step, in rates.
    public var clipping: Double
    /// Decoupled weight decay, multiplied by the learning rate.
    public var weightDecay: Double

    /// The optimizer at its published default settings.
    public init(rate: Schedule) {
        self.init(rate: rate, decayPower: -0.8, epsilon: 1e-30, clipping: 1, weightDecay: 0)
    }

    /// Adafactor with all its settings.
    public init(rate: Schedule, decayPower: Double, epsilon: Double, clipping: Double, weightDecay: Double) {
        self.rate = rate
        self.decayPower = decayPower
        self.epsilon = epsilon
        self.clipping = clipping
        self.weightDecay = weightDecay
    }

    /// A number a row and a number a column, or for vectors one a weight.
    public static func stateShape(_ name: String, of parameter: Parameter) -> Shape {
        FactoredMoment.stateShape(name, of: parameter)
    }
    /// The direction.
    public static func workspace(for parameter: Parameter) -> Int { parameter.shape.count }
    /// At most a direction.
    public static var floatsPerWeight: Int { 1 }

    /// Changes weights and state in place.
    public func apply(_ update: Update, on context: Context) throws(KernelError) {
        let moment = FactoredMoment(decayPower: decayPower, epsilon: epsilon)
        let (workspace, direction) = try moment.direction(update, of: Self.name, on: context)
        let (numbers, factor) = (workspace.numbers, workspace.factor)
        try sumOfSquares(direction.span, into: numbers.mutableSpan(1..<2), on: context)
        try clippingFactor(
            directionSquares: numbers.span(1..<2), count: direction.count, limit: clipping, into: factor.mutableSpan,
            on: context)
        try update.step(along: direction, rate: update.rate, factor: factor, weightDecay: weightDecay, on: context)
    }
}

/// What both forms of Adafactor share.
struct FactoredMoment {
    let decayPower: Double
    let epsilon: Double

    /// Whether there are rows and columns to factor into.
    static func factors(_ shape: Shape) -> Bool { shape.rows > 1 && shape.columns > 1 }

    static func stateShape(_ name: String, of parameter: Parameter) -> Shape {
        let shape = parameter.shape
        switch name {
        case "exp_avg_sq_row": return factors(shape) ? [shape.rows] : [0]
        case "exp_avg_sq_col": return factors(shape) ? [shape.columns] : [0]
        default: return factors(shape) ? [0] : shape
        }
    }

    /// Updates the moments and makes the direction, `g / √v`, in the workspace.
    func direction(
        _ update: Update, of name: String, on context: Context
    ) throws(KernelError) -> (Workspace, Tensor) {
        let workspace = update.requireWorkspace(of: name)
        let (weights, gradient) = (update.weights, update.gradient)
        let direction = workspace.tensor(weights.shape)
        // 1 - 1 = 0 at the first step: the moment is that of the first gradient.
        let decay = max(0, 1 - pow(Double(update.step), decayPower))
        let (scale, clip) = (update.gradientScale, update.clip)
        guard Self.factors(weights.shape) else {
            let second = update.state[2]
            try unfactoredDirection(
                weights: weights.span, gradient: gradient.span, secondMoment: second.mutableSpan,
                into: direction.mutableSpan, decay: decay, epsilon: epsilon, gradientScale: scale, clip: clip,
                on: context)
            return (workspace, direction)
        }
        let (row, column, numbers) = (update.state[0], update.state[1], workspace.numbers)
        let (rows, columns) = (weights.rows, weights.columns)
        try factoredMoments(
            gradient.span, rows: rows, columns: columns, row: row.mutableSpan, column: column.mutableSpan,
            mean: numbers.mutableSpan(2..<3), decay: decay, epsilon: epsilon, gradientScale: scale, clip: clip,
            on: context)
        try factoredDirection(
            gradient.span, rows: rows, columns: columns, row: row.span, column: column.span,
            mean: numbers.span(2..<3), into: direction.mutableSpan, gradientScale: scale, clip: clip, on: context)
        return (workspace, direction)
    }
}

extension Optimizer where Self == Adafactor {
    /// Adafactor at a learning rate from outside.
    public static func adafactor(
        rate: Schedule, decayPower: Double = -0.8, epsilon: Double = 1e-30, clipping: Double = 1,
        weightDecay: Double = 0
    ) -> Adafactor {
        Adafactor(
            rate: rate, decayPower: decayPower, epsilon: epsilon, clipping: clipping, weightDecay: weightDecay)
    }
}
