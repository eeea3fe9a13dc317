import AlambicKernels
import AlambicTensor

/// ``Adafactor`` with steps relative to the weights (Shazeer and Stern 2018, section 8 and Algorithm 4 as the paper proposes it):
///
///     w -= max(floor, RMS(w)) * min(rate, 1 / √t) * u / max(1, RMS(u) / clipping)
///
/// so that the paper's setting is a constant `rate` of 0.01. The floor lets matrices of zeros grow.
public struct AdafactorRelative: Optimizer {
    /// The name by which the registry knows it.
    public static let name = "adafactor-relative"
    /// Rows and columns of a matrix's second moment, and that of a vector.
    public static let stateNames = Adafactor.stateNames
    /// The largest share of its size that a matrix moves by in a step, by step.
    public var rate: Schedule
    /// The exponent of the decay, below 0.
    public var decayPower: Double
    /// Added to squares.
    public var epsilon: Double
    /// The size that a matrix is taken to have at least.
    public var floor: Double
    /// The largest root mean square of a step, in rates.
    public var clipping: Double

    /// The optimizer at its published default settings.
    public init(rate: Schedule) { self.init(rate: rate, decayPower: -0.8, epsilon: 1e-30, floor: 1e-3, clipping: 1) }

    /// Adafactor with relative steps and all its settings.
    public init(rate: Schedule, decayPower: Double, epsilon: Double, floor: Double, clipping: Double) {
        self.rate = rate
        self.decayPower = decayPower
        self.epsilon = epsilon
        self.floor = floor
        self.clipping = clipping
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
        let (numbers, factor, weights) = (workspace.numbers, workspace.factor, update.weights)
        try sumOfSquares(weights.span, into: numbers.mutableSpan(0..<1), on: context)
        try sumOfSquares(direction.span, into: numbers.mutableSpan(1..<2), on: context)
        try relativeClippingFactor(
            directionSquares: numbers.span(1..<2), weightSquares: numbers.span(0..<1), count: direction.count,
            limit: clipping, floor: floor, into: factor.mutableSpan, on: context)
        let rate = min(update.rate, 1 / Double(update.step).squareRoot())
        try update.step(along: direction, rate: rate, factor: factor, on: context)
    }
}

extension Optimizer where Self == AdafactorRelative {
    /// Adafactor with steps relative to the weights.
    public static func adafactorRelative(
        rate: Schedule = 0.01, decayPower: Double = -0.8, epsilon: Double = 1e-30, floor: Double = 1e-3,
        clipping: Double = 1
    ) -> AdafactorRelative {
        AdafactorRelative(rate: rate, decayPower: decayPower, epsilon: epsilon, floor: floor, clipping: clipping)
    }
}
