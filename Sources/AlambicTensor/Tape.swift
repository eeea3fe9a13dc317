import AlambicKernels

/// A value on a tape: what it is, and which gradient belongs to it.
public struct Variable: Sendable {
    /// The elements. They stay as they are for as long as somebody holds them.
    public let value: Tensor
    /// Which gradient on the tape is this variable's.
    let index: Int
    /// The extents of the value (and of the gradient).
    public var shape: Shape { value.shape }
}

/// One recorded operation: it knows how to carry the gradient of its result back to its arguments.
protocol Operation {
    func backward(on tape: Tape) throws(KernelError)
}

/// Reverse-mode differentiation over coarse operations.
///
/// A step: `begin`, the forward pass (an `Architecture` walks this graph), one or more losses, `backward`. Then
/// `gradients` holds, ADDED to what was there, the gradient of each parameter: zero it first where a fresh one is
/// wanted. With a `WeightTransform` that is not idempotent it must be zeroed before every pass.
///
/// Several tapes may share parameters (replicas); each writes gradients of its own. A tape is used by one thread at a
/// time; its kernels use all threads of `context`. Results have the same bits for any number of threads.
/// Steps of equal shapes allocate no tensor memory after the first one.
public final class Tape: Graph {
    /// What flows through a tape.
    public typealias Value = Variable

    /// The model's parameters in walk order.
    public let parameters: [Parameter]
    /// Where the kernels run.
    public let context: Context
    /// Where `backward` adds the parameters' gradients. May be exchanged between steps.
    public var gradients: GradientSet {
        didSet { check(gradients) }
    }

    let pool = MemoryPool<Float>()
    private var operations: [any Operation] = []
    private var slots: [Tensor?] = []
    private var seed: UInt64 = 0
    private var stream: UInt64 = 0
    private var dropouts: UInt64 = 0
    private var trains = true

    /// A tape over parameters in walk order.
    ///
    /// - Parameter gradients: where the gradients go; zeros of its own by default.
    public init(_ parameters: [Parameter], gradients: GradientSet? = nil, on context: Context) throws(KernelError) {
        self.parameters = parameters
        self.context = context
        if let gradients { self.gradients = gradients } else { self.gradients = try GradientSet(for: parameters) }
        check(self.gradients)
    }

    /// Starts a step and forgets what was recorded before.
    ///
    /// - Parameters:
    ///   - seed: the key of the dropout masks.
    ///   - stream: below 2^46, different for every micro-batch of a training run, so that masks differ.
    ///   - dropout: whether `dropout` does anything.
    ///   - refreshing: whether to ask the weight transforms for new effective weights. Of several tapes over the same
    ///     parameters one does it, before the others start.
    public func begin(
        seed: UInt64, stream: UInt64 = 0, dropout: Bool = true, refreshing: Bool = true
    ) throws(KernelError) {
        precondition(stream < 1 << 46, "stream \(stream) is not below 2^46")
        operations.removeAll(keepingCapacity: true)
        slots.removeAll(keepingCapacity: true)
        self.seed = seed
        self.stream = stream
        dropouts = 0
        trains = dropout
        if refreshing {
            for parameter in parameters { try parameter.refresh(on: context) }
        }
    }

    /// Runs the recorded operations backward from the gradients that the losses (or `seed`) left behind, and adds
    /// the parameters' gradients to `gradients`. What was recorded is released on the way.
    public func backward() throws(KernelError) {
        while let operation = operations.popLast() { try operation.backward(on: self) }
        for (index, parameter) in parameters.enumerated() {
            guard let transform = parameter.transform else { continue }
            try transform.pullBack(gradient: gradients.tensors[index], of: parameter, on: context)
        }
    }

    /// Adds a gradient from outside, such as that of a loss which the tape does not know, to that of `variable`.
    public func seed(_ gradient: Tensor, of variable: Variable) throws(KernelError) {
        precondition(
            gradient.count == variable.value.count,
            "a gradient of shape \(gradient.shape) for a variable of shape \(variable.shape)")
        try addGradient(to: variable) { $0.copy(from: gradient) }
    }

    /// The gradient of a variable as far as it is known: during `backward` it is released once it has been used.
    public func gradient(of variable: Variable) -> Tensor? { slots[variable.index] }

    /// How many tensors the tape has ever allocated: constant in steady state.
    public var allocations: Int { pool.made }

    private func check(_ gradients: GradientSet) {
        precondition(
            gradients.tensors.map(\.shape) == parameters.map(\.value.shape),
            "the gradients' shapes are not those of the parameters")
    }
}

// What operations are made of.
extension Tape {
    /// The weights that the forward pass sees.
    func weights(_ id: ParameterID) -> Tensor { parameters[id.index].effective }

    /// A new value with arbitrary contents, to be filled by the caller.
    func variable(_ shape: Shape) throws(KernelError) -> Variable { place(try pool.tensor(shape)) }

    /// A new value over existing elements.
    func place(_ tensor: Tensor) -> Variable {
        slots.append(nil)
        return Variable(value: tensor, index: slots.count - 1)
    }

    func record(_ operation: some Operation) { operations.append(operation) }

    /// The random stream of the next dropout of this step, or nil when there is to be none.
    func nextDropout() -> (seed: UInt64, stream: UInt64)? {
        guard trains else { return nil }
        precondition(dropouts < 1 << 16, "more than 65536 dropouts in one step")
        defer { dropouts += 1 }
        // The top bit keeps these streams apart from those that initialise parameters.
        return (seed, 1 << 63 | stream << 16 | dropouts)
    }

    /// Takes the finished gradient of an operation's result off the tape; nil when no loss depends on it.
    func takeGradient(of variable: Variable) -> Tensor? {
        defer { slots[variable.index] = nil }
        return slots[variable.index]
    }

    /// Adds to a variable's gradient what `write` puts (replacing all contents) into a tensor of the same shape.
    func addGradient(
        to variable: Variable, write: (Tensor) throws(KernelError) -> Void
    ) throws(KernelError) {
        let contribution = try pool.tensor(variable.shape)
        try write(contribution)
        try addGradient(to: variable, sharing: contribution)
    }

    /// Adds `contribution` to a variable's gradient. It may be kept as that gradient, even by several variables: nobody
    /// writes a gradient once it is on the tape, sums go into new memory.
    func addGradient(to variable: Variable, sharing contribution: Tensor) throws(KernelError) {
        guard let known = slots[variable.index] else {
            slots[variable.index] = contribution
            return
        }
        let sum = try pool.tensor(variable.shape)
        try AlambicKernels.add(known.span, contribution.span, into: sum.mutableSpan, on: context)
        slots[variable.index] = sum
    }
}
