import AlambicKernels
import AlambicOptimizers
import AlambicTensor

/// Sandblaster L-BFGS (Dean et al. 2012, section 4.2, Algorithm 7.2): L-BFGS whose vectors are in shards and whose gradients
/// are a coordinator's, from many workers.
///
/// With exact gradients, which do not depend on who computed what, the whole run has the same bits for any number of
/// workers, slow or dead ones among them.
public final class SandblasterLBFGS {
    /// The coordinator.
    public let gradient: any BatchGradient
    /// L-BFGS itself, with its counts.
    public let optimizer: LBFGS<ShardedVector>
    private let like: [Parameter]

    /// - Parameters:
    ///   - start: where it starts; copied.
    ///   - shards: into how many parts vectors are cut.
    ///   - context: where vectors are worked on.
    public init(
        from start: [Parameter], gradient: any BatchGradient, shards: Int = 1,
        settings: LBFGSSettings = LBFGSSettings(), on context: Context
    ) throws {
        self.gradient = gradient
        like = start
        let values = try GradientSet(for: start)
        for (tensor, parameter) in zip(values.tensors, start) { tensor.copy(from: parameter.value) }
        optimizer = try LBFGS(ShardedVector(values, shards: shards, on: context), settings: settings)
    }

    /// The weights where it is: the same memory in every step.
    public var parameters: [Parameter] { parameters(of: optimizer.x) }

    /// One iteration: a direction and a line search along it.
    @discardableResult
    public func step() throws -> LBFGSReport {
        try optimizer.step { [gradient] point in
            let (loss, slope) = try gradient.evaluate(at: self.parameters(of: point))
            return (loss, point.over(slope))
        }
    }

    private func parameters(of point: ShardedVector) -> [Parameter] {
        zip(like, point.values.tensors).map { Parameter(path: $0.path, kind: $0.kind, decays: $0.decays, value: $1) }
    }
}
