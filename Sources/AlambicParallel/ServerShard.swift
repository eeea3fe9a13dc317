import AlambicKernels
import AlambicOptimizers
import AlambicTensor
import Synchronization

/// One shard of a parameter server: a part of the weights with the optimizer's state for it, behind a lock of its own.
final class ServerShard: Sendable {
    /// A stretch of one parameter.
    struct Slice: Sendable {
        let parameter: Int
        let range: Range<Int>

        func of(_ tensor: Tensor) -> Tensor {
            Tensor([range.count], storage: tensor.storage, offset: tensor.offset + range.lowerBound)
        }
    }

    private struct State {
        let weights: [Parameter]
        let received: GradientSet
        let optimizer: OptimizerState
    }

    let slices: [Slice]
    private let state: Mutex<State>

    init(_ slices: [Slice], of parameters: [Parameter], optimizer: any Optimizer) throws(KernelError) {
        var weights: [Parameter] = []
        for slice in slices {
            let whole = parameters[slice.parameter]
            weights.append(
                Parameter(
                    path: "\(whole.path)[\(slice.range)]", kind: whole.kind, decays: whole.decays,
                    value: try slice.of(whole.value).copied()))
        }
        let received = try GradientSet(for: weights)
        let state = State(
            weights: weights, received: received, optimizer: try OptimizerState(optimizer, for: weights))
        self.slices = slices
        self.state = Mutex(state)
    }

    /// One update from this shard's part of `gradients`.
    func update(with gradients: [Tensor], on context: Context) throws(KernelError) {
        try state.withLock { state throws(KernelError) in
            for (slice, received) in zip(slices, state.received.tensors) {
                received.copy(from: slice.of(gradients[slice.parameter]))
            }
            try state.optimizer.step(state.weights, gradients: state.received, on: context)
        }
    }

    /// Copies this shard's part of the weights to where it belongs.
    func fetch(into parameters: [Parameter]) {
        state.withLock { state in
            for (slice, weights) in zip(slices, state.weights) {
                slice.of(parameters[slice.parameter].value).copy(from: weights.value)
            }
        }
    }

    /// Cuts the elements of `parameters`, laid end to end, into `count` even parts.
    static func cut(_ parameters: [Parameter], into count: Int) -> [[Slice]] {
        let total = parameters.reduce(0) { $0 + $1.value.count }
        return (0..<count).map { shard in
            let wanted = total * shard / count..<total * (shard + 1) / count
            var slices: [Slice] = []
            var first = 0
            for (index, parameter) in parameters.enumerated() {
                let own = wanted.clamped(to: first..<first + parameter.value.count)
                if !own.isEmpty {
                    slices.append(Slice(parameter: index, range: own.lowerBound - first..<own.upperBound - first))
                }
                first += parameter.value.count
            }
            return slices
        }
    }
}
