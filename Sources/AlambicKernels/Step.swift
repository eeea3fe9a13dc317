import CKernels

/// The packed forms of a matrix of weights `[outputs, inputs]`: what mixed-precision training multiplies with. An
/// optimizer's step rebuilds them from the new weights in the same pass, but for int8 ones, whose scales depend on whole
/// rows and columns.
///
/// Whoever updates them sees to it that no product with them runs meanwhile.
public struct WeightPanels: Sendable {
    /// N = outputs, K = inputs: what `x · Wᵀ` multiplies with.
    public let forward: PackedMatrix?
    /// N = inputs, K = outputs: what `dY · W` multiplies with.
    public let backward: PackedMatrix?

    /// One form or both, of the same product (`.bf16`, `.f16`, `.f32` or `.s8`).
    public init(forward: PackedMatrix? = nil, backward: PackedMatrix? = nil) {
        if let forward, let backward {
            precondition(
                forward.N == backward.K && forward.K == backward.N && forward.product == backward.product,
                """
                packed forms of \(forward.N)x\(forward.K) for \(forward.product) and of \
                \(backward.N)x\(backward.K) for \(backward.product)
                """)
        }
        self.forward = forward
        self.backward = backward
    }

    /// Whether an optimizer's step can rebuild them on its way.
    public var followSteps: Bool { (forward ?? backward)?.product != .s8 }

    /// Bytes of both.
    public var bytes: Int { (forward?.bytes ?? 0) + (backward?.bytes ?? 0) }

    /// Rows and columns of the weights; nil when there is no form.
    var shape: (rows: Int, columns: Int)? {
        forward.map { ($0.N, $0.K) } ?? backward.map { ($0.K, $0.N) }
    }

    /// Rebuilds what there is from `w`, for optimizers that do not do so in their step.
    public func update(from w: Span<Float>, on context: Context) throws(KernelError) {
        switch (forward, backward) {
        case (.some(let forward), .some(let backward)):
            try updatePacked(forward: forward, backward: backward, from: w, on: context)
        case (.some(let forward), .none): try forward.update(from: w, on: context)
        case (.none, .some(let backward)): try backward.update(from: w, orientation: .asIs, on: context)
        case (.none, .none): break
        }
    }
}

/// Clipping by a norm that is only known when a step runs (Pascanu et al. 2013, Algorithm 1), so that the norm and all
/// updates can be in one ``OperationList``: the gradient is multiplied by `limit / norm` where the norm is over the limit.
///
/// Where the norm is infinite or NaN a step changes nothing: neither weights, nor state, nor packed forms.
public struct NormClip: Sendable {
    /// One number, written before the step runs: see ``sumOfSquares(_:into:on:)`` and ``norm(ofSquares:into:on:)``.
    public let norm: Memory<Double>
    /// Over 0. Infinity never clips.
    public let limit: Double

    /// Clipping to `limit` of gradients whose norm, all together, `norm` will hold.
    public init(norm: Memory<Double>, limit: Double) {
        precondition(norm.count >= 1, "a norm in a memory of \(norm.count) elements")
        precondition(limit > 0, "clipping to a norm of \(limit)")
        self.norm = norm
        self.limit = limit
    }
}

/// The parts of a step that all optimizers share, as C takes them.
func stepMatrix(
    _ w: UnsafeMutablePointer<Float>, _ g: Span<Float>, rows: Int = 1, columns: Int, panels: WeightPanels?,
    on context: Context
) -> ck_step_matrix {
    let count = rows * columns
    precondition(g.count == count, "a step of \(count) weights with \(g.count) gradients")
    var matrix = ck_step_matrix(
        rows: rows, columns: columns, w: w, g: g.base, forward: panels?.forward?.handle,
        backward: panels?.backward?.handle)
    if let panels, let shape = panels.shape {
        precondition(
            shape.rows * shape.columns == count && (rows == 1 || rows == shape.rows),
            "a step of \(rows)x\(columns) weights with packed forms of \(shape.rows)x\(shape.columns)")
        (matrix.rows, matrix.columns) = shape
        if let forward = panels.forward { context.keep(forward) }
        if let backward = panels.backward { context.keep(backward) }
    }
    return matrix
}

func stepGradient(
    _ scale: Double, _ clip: NormClip?, factor: Memory<Double>? = nil, on context: Context
) -> ck_step_gradient {
    precondition((factor?.count ?? 1) >= 1, "a factor in a memory without elements")
    if let factor { context.keep(factor) }
    var gradient = ck_step_gradient(scale: scale, norm: nil, limit: 0, factor: factor.map { UnsafePointer($0.start) })
    guard let clip else { return gradient }
    context.keep(clip.norm)
    (gradient.norm, gradient.limit) = (UnsafePointer(clip.norm.start), clip.limit)
    return gradient
}
