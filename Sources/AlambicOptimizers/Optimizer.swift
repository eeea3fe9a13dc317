import AlambicKernels
import AlambicTensor

/// An update rule: settings and algebra. What it remembers per weight lives in ``OptimizerState``.
///
/// To add an optimizer, write one file with a type that conforms, and add it to ``Optimizers/all``.
public protocol Optimizer: Sendable, Codable {
    /// The name by which the registry and checkpoints know it.
    static var name: String { get }
    /// What it remembers for every weight, by the names that checkpoints use. Each starts as zeros.
    static var stateNames: [String] { get }
    /// What it remembers in one byte for every weight, by the names that checkpoints use; see ``QuantizedState``.
    static var quantizedStateNames: [String] { get }
    /// The shape of a state of a parameter: the parameter's own, unless the optimizer says otherwise. `[0]` where it remembers
    /// nothing of this name. Checkpoints leave out what has no elements.
    static func stateShape(_ name: String, of parameter: Parameter) -> Shape
    /// How many floats an update of a parameter works in, beside what it remembers: see ``Workspace``. None, unless the optimizer
    /// says otherwise.
    static func workspace(for parameter: Parameter) -> Int
    /// About how many floats of state and workspace there are for each weight, to estimate memory with; at most.
    static var floatsPerWeight: Int { get }
    /// The learning rate, by step.
    var rate: Schedule { get set }

    /// The optimizer at its published default settings.
    init(rate: Schedule)

    /// Changes `update.weights` and `update.state` in place.
    func apply(_ update: Update, on context: Context) throws(KernelError)
}

extension Optimizer {
    /// Nothing.
    public static var quantizedStateNames: [String] { [] }
    /// The parameter's own shape.
    public static func stateShape(_ name: String, of parameter: Parameter) -> Shape { parameter.shape }
    /// None.
    public static func workspace(for parameter: Parameter) -> Int { 0 }
    /// One for each state; state in bytes counts as the floats that it fits in.
    public static var floatsPerWeight: Int { stateNames.count + (quantizedStateNames.count + 2) / 3 }
}

/// One parameter's share of a step. Weights and gradient have the same shape.
public struct Update {
    /// The weights, changed in place.
    public let weights: Tensor
    /// The gradient of the loss, before clipping.
    public let gradient: Tensor
    /// One tensor for each of the optimizer's ``Optimizer/stateNames``, of its ``Optimizer/stateShape(_:of:)``, changed in place.
    public let state: [Tensor]
    /// Whether weight decay and L2 apply: true for matrices, false for gains, biases and positions.
    public let decays: Bool
    /// The number of this update, counted from 1 as in the papers.
    public let step: Int
    /// The learning rate of this update.
    public let rate: Double
    /// What the gradient is multiplied by before anything else (clipping by global norm).
    public let gradientScale: Double
    /// Clipping by a norm that is only known when the update runs, after ``gradientScale``.
    public let clip: NormClip?
    /// Packed forms of the weights, rebuilt after the update (best in the same pass).
    public let panels: WeightPanels?
    /// One for each of the optimizer's ``Optimizer/quantizedStateNames``, changed in place.
    public let quantizedState: [QuantizedState]
    /// What the parameter is to its model.
    public let kind: ParameterKind
    /// What the update works in, for optimizers with a ``Optimizer/workspace(for:)``.
    public let workspace: Workspace?

    /// Makes an update of one parameter.
    public init(
        weights: Tensor, gradient: Tensor, state: [Tensor], decays: Bool, step: Int, rate: Double,
        gradientScale: Double, clip: NormClip? = nil, panels: WeightPanels? = nil,
        quantizedState: [QuantizedState] = [], kind: ParameterKind = .matrix, workspace: Workspace? = nil
    ) {
        self.weights = weights
        self.gradient = gradient
        self.state = state
        self.decays = decays
        self.step = step
        self.rate = rate
        self.gradientScale = gradientScale
        self.clip = clip
        self.panels = panels
        self.quantizedState = quantizedState
        self.kind = kind
        self.workspace = workspace
    }
}
