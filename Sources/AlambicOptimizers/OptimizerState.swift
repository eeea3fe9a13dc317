import AlambicKernels
import AlambicTensor

/// An optimizer at work: its rule, the number of updates done, and what it remembers for every parameter.
public final class OptimizerState {
    /// The rule. Settings may be changed between steps; its ``Optimizer/stateNames`` may not.
    public var optimizer: any Optimizer
    /// The number of updates done so far.
    public private(set) var step = 0
    /// Updates of the run before this state began, which the learning rate's schedule counts: those of a state that was
    /// lost. What the rule remembers starts anew, and with it its own count (Adam's bias correction).
    public let stepsBefore: Int
    /// `tensors[p][s]`: state `s` of parameter `p`.
    private let tensors: [[Tensor]]
    private let quantized: [[QuantizedState]]
    private let paths: [String]
    private let shapes: [Shape]
    private let stateNames: [String]
    private let quantizedNames: [String]
    /// What updates work in, if the optimizer asks for it.
    private let workspace: Workspace?

    /// Zeroed state for these parameters, which every later call must pass in the same order. Frozen ones have none.
    ///
    /// - Parameter stepsBefore: see ``stepsBefore``; none where a run begins.
    public init(
        _ optimizer: any Optimizer, for parameters: [Parameter], stepsBefore: Int = 0
    ) throws(KernelError) {
        self.optimizer = optimizer
        self.stepsBefore = stepsBefore
        let kind = type(of: optimizer)
        let names = kind.stateNames
        stateNames = names
        paths = parameters.map(\.path)
        shapes = parameters.map(\.shape)
        let quantizedNames = kind.quantizedStateNames
        self.quantizedNames = quantizedNames
        var tensors: [[Tensor]] = []
        var quantized: [[QuantizedState]] = []
        for parameter in parameters {
            var states: [Tensor] = []
            for name in names where parameter.trains {
                states.append(try Self.zeros(kind.stateShape(name, of: parameter)))
            }
            tensors.append(states)
            var bytes: [QuantizedState] = []
            for _ in quantizedNames where parameter.trains { bytes.append(try QuantizedState(parameter.value.shape)) }
            quantized.append(bytes)
        }
        self.tensors = tensors
        self.quantized = quantized
        let floats = parameters.map { $0.trains ? kind.workspace(for: $0) : 0 }.max() ?? 0
        workspace = floats > 0 ? try Workspace(count: floats) : nil
    }

    private static func zeros(_ shape: Shape) throws(KernelError) -> Tensor {
        Tensor(shape, storage: try Memory(count: max(shape.count, 1)))
    }

    /// The learning rate that the next update will use.
    public var rate: Double { optimizer.rate.rate(at: stepsBefore + step) }

    /// One update of every parameter from its gradient multiplied by `gradientScale`.
    ///
    /// With the context of an ``OperationList`` the update is noted, with the settings of this step: note each step anew.
    ///
    /// - Parameters:
    ///   - clip: clipping by a norm that is read when the update runs.
    ///   - panels: for each parameter, packed forms of its weights to rebuild; empty for none at all.
    public func step(
        _ parameters: [Parameter], gradients: GradientSet, gradientScale: Double = 1, clip: NormClip? = nil,
        panels: [WeightPanels?] = [], on context: Context
    ) throws(KernelError) {
        precondition(
            panels.isEmpty || panels.count == parameters.count,
            "packed forms of \(panels.count) of \(parameters.count) parameters")
        precondition(
            parameters.count == tensors.count,
            "the optimizer was made for \(tensors.count) parameters and is given \(parameters.count)")
        let rate = rate
        step += 1
        for (index, parameter) in parameters.enumerated() where parameter.trains {
            try optimizer.apply(
                Update(
                    weights: parameter.value, gradient: gradients.tensors[index], state: tensors[index],
                    decays: parameter.decays, step: step, rate: rate, gradientScale: gradientScale,
                    clip: clip, panels: panels.isEmpty ? nil : panels[index], quantizedState: quantized[index],
                    kind: parameter.kind, workspace: workspace),
                on: context)
        }
    }

    /// What is remembered of every weight of one parameter, in the order of ``Optimizer/stateNames``: pruning zeroes the moments of
    /// weights that it removes. Sums over rows or columns are not among it.
    public func state(ofParameter index: Int) -> [Tensor] {
        let shape = shapes[index]
        return tensors[index].filter { $0.shape == shape }
    }

    /// Zeroes the moments in bytes of weights that are zero: pruning does so with weights that it removes.
    public func forgetQuantized(ofParameter index: Int, whereZero weights: Tensor) {
        for state in quantized[index] { state.forget(whereZero: weights) }
    }

    /// Bytes of all of it, with what updates work in.
    public var bytes: Int {
        var bytes = 0
        for tensor in tensors.joined() { bytes += 4 * tensor.count }
        for state in quantized.joined() { bytes += state.bytes }
        return bytes + (workspace?.bytes ?? 0)
    }

    /// Bytes that an update of these parameters moves: gradients are read, weights and state read and written, and packed
    /// forms written.
    public func bytesMoved(_ parameters: [Parameter]) -> Double {
        var moved = 2 * bytes
        for parameter in parameters where parameter.trains {
            moved += 12 * parameter.value.count + (parameter.panels?.bytes ?? 0)
        }
        return Double(moved)
    }

    /// Takes the count of the last update back: it found a norm that is not finite, and changed nothing.
    public func revokeStep() { step -= 1 }

    /// All state by name, `<parameter>.<state>`, in the order of the parameters: what a checkpoint stores.
    public var named: [(name: String, tensor: Tensor)] {
        var all: [(name: String, tensor: Tensor)] = []
        for (path, states) in zip(paths, tensors) {
            for (name, tensor) in zip(stateNames, states) where tensor.count > 0 {
                all.append(("\(path).\(name)", tensor))
            }
        }
        return all
    }

    /// All state in bytes by name, `<parameter>.<state>`; a checkpoint stores the scales as `<parameter>.<state>.absmax`.
    public var namedQuantized: [(name: String, state: QuantizedState)] {
        var all: [(name: String, state: QuantizedState)] = []
        for (path, states) in zip(paths, quantized) {
            for (name, state) in zip(quantizedNames, states) { all.append(("\(path).\(name)", state)) }
        }
        return all
    }

    /// Takes over saved state after checking that all of it is there.
    ///
    /// - Parameters:
    ///   - step: the number of updates that the state has seen.
    ///   - saved: tensors by the names that ``named`` gives, and scales by those of ``namedQuantized`` and `.absmax`.
    ///   - bytes: codes by the names that ``namedQuantized`` gives.
    public func restore(
        step: Int, from saved: [String: Tensor], bytes: [String: Memory<UInt8>] = [:]
    ) throws(OptimizerError) {
        for (name, tensor) in named {
            guard let found = saved[name] else { throw .missingState(name) }
            guard found.count == tensor.count else {
                throw .wrongState(name, expected: tensor.count, found: found.count)
            }
        }
        for (name, state) in namedQuantized {
            guard let codes = bytes[name] else { throw .missingState(name) }
            guard let scales = saved["\(name).absmax"] else { throw .missingState("\(name).absmax") }
            for (name, found, expected) in [
                (name, codes.count, state.codes.count), ("\(name).absmax", scales.count, state.scales.count),
            ] where found != expected { throw .wrongState(name, expected: expected, found: found) }
        }
        for (name, state) in namedQuantized {
            guard let codes = bytes[name], let scales = saved["\(name).absmax"] else { continue }
            state.copy(codes: codes.span, scales: scales.span)
        }
        for (name, tensor) in named {
            if let found = saved[name] { tensor.copy(from: found) }
        }
        self.step = step
    }
}
