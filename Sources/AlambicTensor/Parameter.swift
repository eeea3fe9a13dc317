import AlambicKernels

/// The number of a parameter in its model's walk (`Architecture.parameters`).
public struct ParameterID: Hashable, Sendable, CustomStringConvertible {
    /// Index into the walk.
    public let index: Int
    /// The parameter at this place in the walk.
    public init(index: Int) { self.index = index }
    /// `#3`.
    public var description: String { "#\(index)" }
}

/// What a parameter is to its model: which methods apply to it follows from this.
public enum ParameterKind: Sendable, Hashable {
    /// The weight of a linear layer, [outputs, inputs].
    case matrix
    /// A gain or a bias.
    case vector
    /// A table with one row for each token.
    case embedding
    /// A table with one row for each position.
    case positions
}

/// A tensor of weights with its path in the model: trained, or frozen, perhaps with an ``Adapter`` that is trained in its
/// place.
///
/// Replicas share parameters read-only; only an optimizer writes `value`, between steps. Gradients live in a
/// `GradientSet`, one for each tape.
public final class Parameter: @unchecked Sendable {
    /// The path, as Hugging Face names it: `h.0.attn.c_attn.weight`.
    public let path: String
    /// What it is to the model.
    public let kind: ParameterKind
    /// Whether weight decay applies: yes for matrices and token tables, no for gains, biases and positions.
    public let decays: Bool
    /// The extents. A matrix is [outputs, inputs].
    public let shape: Shape
    /// What nobody trains, in the form in which it is kept; nil for what is trained.
    public let frozen: FrozenWeight?
    /// What is trained beside a frozen matrix, if anything.
    public let adapter: Adapter?
    private let dense: Tensor?
    private var transformed: Tensor?
    /// What stands between the raw weights and the forward pass, if anything. Change it between steps only.
    public var transform: (any WeightTransform)? {
        didSet { sparse = nil }
    }
    /// The effective weights' sparse forms, where products skip weights that the transform keeps at zero. To be set after the
    /// transform, between steps.
    public var sparse: SparseForms? {
        didSet { precondition(sparse == nil || (trains && kind == .matrix), "\(path) cannot have sparse forms") }
    }
    /// The effective weights packed for bf16 or int8 products, where a tape wants them.
    public private(set) var panels: WeightPanels?
    /// Whether the panels are those of `value`.
    private var panelsAreCurrent = false

    /// A parameter over `value`; decays by default if it is a matrix or a token table.
    public init(
        path: String, kind: ParameterKind, decays: Bool? = nil, value: Tensor, transform: (any WeightTransform)? = nil
    ) {
        self.path = path
        self.kind = kind
        self.decays = decays ?? (kind == .matrix || kind == .embedding)
        shape = value.shape
        dense = value
        (frozen, adapter) = (nil, nil)
        self.transform = transform
    }

    /// A parameter that is not trained: it has no gradient, and no optimizer sees it.
    public init(path: String, kind: ParameterKind, frozen: FrozenWeight, adapter: Adapter? = nil) {
        precondition(adapter == nil || kind == .matrix, "\(path): only matrices have adapters")
        self.path = path
        self.kind = kind
        decays = false
        shape = frozen.shape
        if case .f32(let tensor) = frozen { dense = tensor } else { dense = nil }
        self.frozen = frozen
        self.adapter = adapter
    }

    /// Whether an optimizer updates it.
    public var trains: Bool { frozen == nil }
    /// Whether it is kept as floats, so that it has a ``value``.
    public var isDense: Bool { dense != nil }
    /// The extents of its gradient: none where it is frozen.
    public var gradientShape: Shape { trains ? shape : [0] }
    /// Bytes of the weights themselves.
    public var bytes: Int { frozen?.bytes ?? 4 * shape.count }

    /// The raw weights, which the optimizer updates unless they are frozen. Only what ``isDense`` has them.
    public var value: Tensor {
        guard let dense else { preconditionFailure("\(path) is kept as \(frozen?.form.rawValue ?? "")") }
        return dense
    }

    /// What the forward pass reads: `value`, or what `transform` made of it at the last `refresh()`.
    public var effective: Tensor { transformed ?? value }

    /// Asks the transform for the effective weights of the step to come. `Tape.begin` does this, unless told not to.
    public func refresh(on context: Context) throws(KernelError) {
        if let transform {
            precondition(trains, "\(path) is frozen, and has a transform")
            let weights = try transform.effective(of: self, on: context)
            precondition(
                weights.shape == shape, "\(path): the transform turned shape \(shape) into \(weights.shape)")
            transformed = weights
        } else {
            transformed = nil
        }
        if let panels, !panelsAreCurrent || transform != nil {
            let weights = effective
            try panels.update(from: weights.span, on: context)
            panelsAreCurrent = transform == nil
        }
        if let sparse {
            let weights = effective
            try sparse.update(from: weights.span, on: context)
        }
    }

    /// Packs the effective weights for products of this kind (`.bf16` or `.s8`), from now on at each `refresh()`; nothing
    /// where there are panels already.
    public func makePanels(_ product: Product, _ forms: PanelForms, on context: Context) throws(KernelError) {
        guard panels == nil else { return }
        let (rows, columns) = (value.rows, value.columns)
        let panels = WeightPanels(
            forward: try PackedMatrix(empty: product, N: rows, K: columns, on: context),
            backward: forms == .both ? try PackedMatrix(empty: product, N: columns, K: rows, on: context) : nil)
        let weights = effective
        try panels.update(from: weights.span, on: context)
        self.panels = panels
        panelsAreCurrent = transform == nil
    }

    /// The panels that an update of `value` is to rebuild on its way: none where they are made of transformed weights, or
    /// follow in a pass of their own.
    public var panelsOfValue: WeightPanels? {
        trains && transform == nil && panels?.followSteps == true ? panels : nil
    }

    /// Whether panels of `value` wait for ``rebuildPanels(on:)`` after an update.
    public var panelsFollow: Bool { trains && transform == nil && panels?.followSteps == false }

    /// Rebuilds the panels that an update of `value` could not rebuild on its way. May be noted right after the update.
    public func rebuildPanels(on context: Context) throws(KernelError) {
        guard panelsFollow, let panels else { return }
        let weights = value
        try panels.update(from: weights.span, on: context)
    }

    /// To be called by whoever writes `value` without rebuilding ``panelsOfValue``: what was packed of it is out of date.
    public func valueChanged() { panelsAreCurrent = false }

    /// Its path without the number of its block: `h.3.mlp.c_fc.weight` is `mlp.c_fc`. What a profile calls it.
    var role: String {
        var parts = path.split(separator: ".")
        if parts.count > 2, parts[0].count == 1 { parts.removeFirst(2) }
        if parts.last == "weight" { parts.removeLast() }
        return parts.joined(separator: ".")
    }
}

/// Which forms of a parameter's weights are packed ahead.
public enum PanelForms: Sendable {
    /// What the forward pass multiplies with. The input gradient's product packs the weights on its way, once a step: that
    /// costs what keeping its form up to date would, and no memory.
    case forward
    /// That of the input gradient as well: for int8, which has scales of its own there, and for a head, whose weights are
    /// used by chunk after chunk of tokens.
    case both
}

/// What the forward pass sees of a weight, and how gradients come back: masks, fake quantization, low-rank updates.
public protocol WeightTransform: AnyObject, Sendable {
    /// A fingerprint of all that the transform's results depend on: a run resumes only with transforms of equal digests.
    var digest: String { get }

    /// The weights that the forward pass is to use, of the same shape as `parameter.value`. Called once for each
    /// step, before the forward pass; the tensor must keep its elements until the next call.
    func effective(of parameter: Parameter, on context: Context) throws(KernelError) -> Tensor

    /// Turns the gradient with respect to the effective weights, in place, into that of the raw weights (a mask m:
    /// g <- g * m). Called once at the end of each backward pass; replicas may call it at the same time with
    /// gradients of their own, so it must not write anything else.
    func pullBack(gradient: Tensor, of parameter: Parameter, on context: Context) throws(KernelError)
}
