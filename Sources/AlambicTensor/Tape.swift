import AlambicKernels

/// One recorded operation: it knows how to carry the gradient of its result back to its arguments.
protocol Operation {
    func backward(on tape: Tape) throws(KernelError)
}

/// Reverse-mode differentiation over coarse operations.
///
/// A step: `begin`, the forward pass (an `Architecture` walks this graph), one or more losses, `backward`. Then
/// `gradients` holds the gradient of each parameter: added to what was there, or in its place, as `begin` was told.
/// With a `WeightTransform` that is not idempotent it must be in its place.
///
/// Several tapes may share parameters (replicas); each writes gradients of its own. A tape is used by one thread at a
/// time; its kernels use all threads of its context. Results have the same bits for any number of threads.
/// Steps of equal shapes allocate no tensor memory after the first two.
public final class Tape: Graph {
    /// What flows through a tape.
    public typealias Value = Variable

    /// The model's parameters in walk order.
    public let parameters: [Parameter]
    /// What products compute with.
    public let dtype: TrainingDType
    /// What is computed again instead of kept.
    public let recomputation: Recomputation
    /// Where `backward` puts the parameters' gradients. May be exchanged between steps.
    public var gradients: GradientSet {
        didSet { check(gradients) }
    }

    /// Where kernels run, or are noted to run later.
    public var context: Context { execution.context }
    let execution: Execution
    let arena = ActivationArena()
    /// What frozen weights are widened into for bf16 products.
    let widened = WidenedPanels()
    var operations: [any Operation] = []
    var slots: [Slot] = []
    var written: [Bool] = []
    var dropouts: UInt64 = 0
    /// What came from outside in this step: noted kernels read it when whoever gave it, and the operations that kept
    /// it for the backward pass, may have let go of it.
    var constants: [Tensor] = []
    private var seed: UInt64 = 0
    private var stream: UInt64 = 0
    private var trains = true
    /// Whether the adapters' dropout drops anything.
    private(set) var adaptersDrop = true
    /// Whether stochastic depth drops anything.
    private(set) var branchesDrop = true

    /// What is known so far of the gradient of a variable.
    struct Slot {
        var gradient: Variable.Elements?
        /// The same rounded to bf16, where a kernel could write it on the way.
        var rounded: HalfTensor?
    }

    /// A tape over parameters in walk order.
    ///
    /// - Parameters:
    ///   - gradients: where the gradients go; zeros of its own by default.
    ///   - dtype: what products compute with. In bf16 and int8, matrices get ``Parameter/panels``; where several tapes
    ///     share parameters, make these before.
    ///   - recomputation: what to compute again instead of keeping it.
    ///   - execution: whether kernels run as they are called, or all of a pass at once.
    public init(
        _ parameters: [Parameter], gradients: GradientSet? = nil, dtype: TrainingDType = .f32,
        recomputation: Recomputation = .none, execution: Execution.Kind = .immediate, on context: Context
    ) throws(KernelError) {
        self.parameters = parameters
        self.dtype = dtype
        self.recomputation = recomputation
        self.execution = try Execution(execution, on: context)
        if let gradients { self.gradients = gradients } else { self.gradients = try GradientSet(for: parameters) }
        written = [Bool](repeating: true, count: parameters.count)
        check(self.gradients)
    }

    /// Starts a step and forgets what was recorded before.
    ///
    /// - Parameters:
    ///   - seed: the key of the dropout masks.
    ///   - stream: below 2^46, different for every micro-batch of a training run, so that masks differ.
    ///   - dropout: whether `dropout` does anything.
    ///   - adapterDropout: whether the dropout of adapters drops anything; if not, the operations stay.
    ///   - stochasticDepth: whether `stochasticDepth` drops anything; if not, the operations stay.
    ///   - refreshing: whether to ask the weight transforms for new effective weights. Of several tapes over the same
    ///     parameters one does it, before the others start.
    ///   - store: whether this step's gradients are added to those in `gradients`, or take their place.
    public func begin(
        seed: UInt64, stream: UInt64 = 0, dropout: Bool = true, adapterDropout: Bool = true,
        stochasticDepth: Bool = true, refreshing: Bool = true, gradients store: Store = .accumulate
    ) throws(KernelError) {
        precondition(stream < 1 << 46, "stream \(stream) is not below 2^46")
        operations.removeAll(keepingCapacity: true)
        slots.removeAll(keepingCapacity: true)
        execution.forget()
        constants.removeAll(keepingCapacity: true)
        try arena.begin()
        for i in written.indices { written[i] = store == .accumulate }
        self.seed = seed
        self.stream = stream
        dropouts = 0
        trains = dropout
        adaptersDrop = adapterDropout
        branchesDrop = stochasticDepth
        if refreshing {
            for parameter in parameters { try parameter.refresh(on: execution.base) }
        }
    }

    /// Runs the recorded operations backward from the gradients that the losses (or `seed`) left behind, and puts the
    /// parameters' gradients into `gradients`. What was recorded is released on the way.
    public func backward() throws(KernelError) {
        while let operation = operations.popLast() { try operation.backward(on: self) }
        try execution.finish()
        constants.removeAll(keepingCapacity: true)
        for (index, parameter) in parameters.enumerated() {
            if !written[index] { gradients.tensors[index].zero() }
            written[index] = true
            guard let transform = parameter.transform else { continue }
            try transform.pullBack(gradient: gradients.tensors[index], of: parameter, on: execution.base)
        }
    }

    /// Runs what the forward pass has noted, for whoever wants values and no gradients.
    public func finish() throws(KernelError) { try execution.finish() }

    /// Adds a gradient from outside, such as that of a loss which the tape does not know, to that of `variable`.
    public func seed(_ gradient: Tensor, of variable: Variable) throws(KernelError) {
        precondition(
            gradient.count == variable.shape.count,
            "a gradient of shape \(gradient.shape) for a variable of shape \(variable.shape)")
        try execution.finish()
        try addGradient(to: variable.slot, Float.self) { $0.copy(from: gradient) }
    }

    /// The gradient of a variable as far as it is known: during `backward` it is released once it has been used.
    public func gradient(of variable: Variable) -> Tensor? {
        slots[variable.index].gradient.flatMap(Float.tensor)?.reshaped(variable.shape)
    }

    /// Walks through a step (`forward`: `begin`, the forward pass and the losses) without computing anything, to learn
    /// what memory it needs. The tape must note its operations.
    ///
    /// - Returns: the bytes of all values and their gradients, and of what frozen weights are widened into.
    public func planned(_ forward: () throws(KernelError) -> Void) throws(KernelError) -> Int {
        execution.plans = true
        defer { execution.plans = false }
        try forward()
        while let operation = operations.popLast() { try operation.backward(on: self) }
        for i in written.indices { written[i] = true }
        slots.removeAll(keepingCapacity: true)
        constants.removeAll(keepingCapacity: true)
        try arena.begin()
        return arena.plannedBytes + widened.bytes
    }

    /// Where the time of noted operations goes, as long as somebody wants to know.
    public var profile: StepProfile? {
        get { execution.profile }
        set { execution.profile = newValue }
    }

    /// How many tensors the tape has ever allocated: constant in steady state.
    public var allocations: Int { arena.made }

    private func check(_ gradients: GradientSet) {
        precondition(
            gradients.tensors.map(\.shape) == parameters.map(\.gradientShape),
            "the gradients' shapes are not those of the parameters")
    }
}

// What operations are made of.
extension Tape {
    /// The weights that the forward pass sees.
    func weights(_ id: ParameterID) -> Tensor { parameters[id.index].effective }

    /// Whether the gradient of a parameter is to be added to what is in `gradients`. The first contribution of a step
    /// that replaces gradients is not; whoever asks must then write all of it.
    func store(_ id: ParameterID) -> Store {
        guard parameters[id.index].trains else { return .replace }
        defer { written[id.index] = true }
        return written[id.index] ? .accumulate : .replace
    }

    /// Where a kernel puts the gradient of a parameter, as `store` says; of a frozen one, memory that nobody reads, for
    /// kernels that cannot leave it out.
    func gradientSpace(_ id: ParameterID) throws(KernelError) -> Tensor {
        let parameter = parameters[id.index]
        return parameter.trains ? gradients[id] : try floats(parameter.shape)
    }

    /// The gradient of a parameter, for kernels that can only add to it.
    func accumulatingGradient(_ id: ParameterID) throws(KernelError) -> Tensor {
        let gradient = gradients[id]
        if store(id) == .replace {
            // The sums over no rows at all are zeros.
            let nothing = gradient.rows(0..<0)
            try columnSum(
                nothing.span, rows: 0, columns: gradient.count, into: gradient.mutableSpan, store: .replace, on: context
            )
        }
        return gradient
    }

    /// A tensor with arbitrary contents, to be filled by the caller.
    func tensor<Element: Activation>(_ shape: Shape, _ type: Element.Type) throws(KernelError) -> DenseTensor<Element> {
        try Element.tensor(shape, in: arena)
    }

    /// A tensor of floats with arbitrary contents, to be filled by the caller.
    func floats(_ shape: Shape) throws(KernelError) -> Tensor { try tensor(shape, Float.self) }

    /// A new value over existing elements.
    func place(_ elements: Variable.Elements, origin: Variable.Origin = .only) -> Variable {
        slots.append(Slot())
        return Variable(elements: elements, index: slots.count - 1, origin: origin)
    }

    /// A new value over existing floats.
    func place(_ tensor: Tensor) -> Variable { place(.f32(tensor)) }

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
    func takeGradient(of slot: GradientSlot) -> Slot? {
        defer { slots[slot.index] = Slot() }
        let known = slots[slot.index]
        // A reshaped variable shares its gradient with the one that it was made of, and either may have left it here.
        return known.gradient.map {
            Slot(gradient: $0.reshaped(slot.shape), rounded: known.rounded?.reshaped(slot.shape))
        }
    }

    /// The same for a variable that is known to be of this type.
    func takeGradient<Element: Activation>(of slot: GradientSlot, _ type: Element.Type) -> DenseTensor<Element>? {
        takeGradient(of: slot)?.gradient.flatMap(Element.tensor)
    }

    /// Adds to a variable's gradient what `write` puts (replacing all contents) into a tensor of the same shape.
    func addGradient<Element: Activation>(
        to slot: GradientSlot, _ type: Element.Type, write: (DenseTensor<Element>) throws(KernelError) -> Void
    ) throws(KernelError) {
        let contribution = try tensor(slot.shape, type)
        try write(contribution)
        try addGradient(to: slot, sharing: contribution)
    }

    /// Adds `contribution` to a variable's gradient. It may be kept as that gradient, even by several variables: nobody
    /// writes a gradient once it is on the tape, sums go into new memory.
    func addGradient<Element: Activation>(
        to slot: GradientSlot, sharing contribution: DenseTensor<Element>, rounded: HalfTensor? = nil
    ) throws(KernelError) {
        guard let preactivation = slot.preactivation else {
            return try addSlotGradient(to: slot, sharing: contribution, rounded: rounded)
        }
        let x = try restore(preactivation, Element.self)
        let pulled = try tensor(slot.shape, Element.self)
        execution.stage("gelu gradient", bytes: 3 * Double(x.count * MemoryLayout<Element>.stride))
        try geluBackward(contribution.span, x.span, form: .tanh, into: pulled.mutableSpan, on: context)
        try addSlotGradient(to: slot, sharing: pulled)
    }

    /// The same for what has been multiplied by gelu' already, where the slot wants that.
    func addSlotGradient<Element: Activation>(
        to slot: GradientSlot, sharing contribution: DenseTensor<Element>, rounded: HalfTensor? = nil
    ) throws(KernelError) {
        guard let known = slots[slot.index].gradient else {
            slots[slot.index] = Slot(gradient: Element.elements(contribution), rounded: rounded)
            return
        }
        guard let known = Element.tensor(known) else { preconditionFailure("gradients of two types") }
        let sum = try sum(known, contribution)
        slots[slot.index] = Slot(gradient: Element.elements(sum))
    }
}
