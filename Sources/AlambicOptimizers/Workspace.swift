import AlambicKernels
import AlambicTensor

/// Memory that an optimizer's update works in, one parameter after the other. Nothing in it survives an update.
///
/// Operations that are noted run in the order in which they were noted, so that all parameters can share it.
public struct Workspace: Sendable {
    /// As many as the largest parameter needs: see ``Optimizer/workspace(for:)``.
    let floats: Memory<Float>
    /// Squared norms, or other numbers that operations hand each other.
    let numbers: Memory<Double>
    /// What a step is multiplied by.
    let factor: Memory<Double>

    /// Room for `count` floats.
    public init(count: Int) throws(KernelError) {
        floats = try Memory(count: count)
        numbers = try Memory(count: 3)
        factor = try Memory(count: 1)
    }

    /// A tensor in the workspace.
    func tensor(_ shape: Shape, at offset: Int = 0) -> Tensor { Tensor(shape, storage: floats, offset: offset) }

    /// Bytes of the floats.
    var bytes: Int { 4 * floats.count }
}

extension Update {
    /// The workspace, which `OptimizerState` hands to optimizers that ask for one.
    func requireWorkspace(of optimizer: String) -> Workspace {
        guard let workspace else { preconditionFailure("\(optimizer) needs a workspace in its update") }
        return workspace
    }

    /// The step of `direction` at ``rate``: after clipping, which is part of the direction, but for a norm that is not finite,
    /// where nothing changes.
    func step(
        along direction: Tensor, rate: Double, scale: Double = 1, factor: Memory<Double>? = nil,
        weightDecay: Double = 0, on context: Context
    ) throws(KernelError) {
        try sgdStep(
            weights: weights.mutableSpan, gradient: direction.span, velocity: nil, rate: rate,
            weightDecay: decays ? weightDecay : 0, gradientScale: scale,
            clip: clip.map { NormClip(norm: $0.norm, limit: .infinity) }, factor: factor, panels: panels, on: context)
    }
}
