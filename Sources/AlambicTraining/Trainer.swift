import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTokenizers
import Foundation

/// Trains a model, one batch at a time. The loop stays with the caller, or use ``run(_:until:saving:cancellation:)``.
///
/// A step is a function of weights, optimizer state, batch and step number alone: it has the same bits for any number
/// of threads, for one worker with accumulation or several replicas, and after a resume. A trainer is used by one
/// thread at a time. Four sockets take everything else: ``Objective``, `WeightTransform` (on a parameter),
/// ``AfterStep`` and ``GradientReducer``.
public final class Trainer {
    /// What the model is made of.
    public private(set) var architecture: any Architecture
    /// The weights in the order of the model's walk; with ``adapters``, the frozen ones and after them those being trained.
    public let parameters: [Parameter]
    /// What is trained in place of the model's weights, if anything.
    public let adapters: LoRA?
    /// What is made small.
    public let objective: any Objective
    /// The update rule with its state.
    public let state: OptimizerState
    /// Where updates run; the reducer may use other contexts for gradients.
    public let context: Context
    /// Key of all dropout masks of the run.
    public let seed: UInt64
    /// How many parts a batch is cut into. Their gradients are summed pairwise.
    public let microBatches: Int
    /// What products compute with.
    public let dtype: TrainingDType
    /// What the backward pass computes again instead of finding it in memory.
    public let recomputation: Recomputation
    /// The largest norm of all gradients together; nil does not clip.
    public var clipping: Double?
    /// What happens after every step, in order; checkpoints last of all.
    public var afterStep: [any AfterStep] = []
    /// The number of the batch that comes next: where to start the sequence of batches after a resume.
    public internal(set) var nextBatch = 0
    /// The directory of the last checkpoint written or resumed from.
    public internal(set) var lastCheckpoint: String?
    /// What the batches so far came from.
    public internal(set) var source: BatchSource?
    /// After a resume, until the first batch has shown that the data agree.
    var mustAgree = false

    private let startConfiguration: ModelConfiguration
    private let tokenizer: (any Tokenizer)?
    /// The digest of the weights that the run started from, for checkpoints.
    let startDigest: String
    let reducer: any GradientReducer
    private let updates: NotedUpdate
    /// Where the time of steps goes, as long as somebody wants to know: operation by operation, with the optimizer's pass
    /// and what is between the kernels (`host`), so that the entries sum to the whole.
    public var profile: StepProfile? { didSet { reducer.measure(profile) } }
    /// The shapes of batches that are known to fit, and whether a step has put everything into memory.
    var checkedShapes: Set<[Int]> = []
    private(set) var hasStepped = false
    /// The source of batches that the objective has agreed to.
    private var checkedSource: BatchSource?
    /// Operations per second of the arithmetic that products use, where somebody has measured it: reports then say what
    /// share of it a step reached.
    public var arithmeticPeak: Double?

    /// A trainer for a copy of a model's weights.
    ///
    /// - Parameters:
    ///   - model: where to start from. Packed weights are made dense.
    ///   - objective: what is to be made small.
    ///   - optimizer: the update rule with its learning rate.
    ///   - clipping: the largest norm of all gradients together; nil does not clip.
    ///   - dropout: the dropout rate, instead of that of the model's configuration.
    ///   - microBatches: how many parts to cut a batch into, to save memory or to share it out to replicas.
    ///   - adapters: what to train in place of the model's weights, which are then frozen, and shared with `model` where they
    ///     stay as they are. Where nobody else holds the model, each of the others is let go of once it is in its new form.
    ///   - dtype: what products compute with. Weights, gradients and moments are f32 in any case.
    ///   - recomputation: what to compute again in the backward pass, to save memory. Results stay the same, but for the last bit of
    ///     the input of some weight gradients with `.norms` in bf16 and f16.
    ///   - seed: the key of the dropout masks.
    ///   - reducer: who computes gradients.
    ///   - context: where kernels run.
    public init(
        _ model: consuming Model, objective: some Objective = LanguageModel(), optimizer: some Optimizer,
        clipping: Double? = 1, dropout: Double? = nil, microBatches: Int = 1, dtype: TrainingDType = .f32,
        recomputation: Recomputation = .none, adapters: LoRA? = nil, seed: UInt64 = 1,
        reducer: some GradientReducer = SingleWorker(), on context: Context = .default
    ) throws(TrainingError) {
        guard microBatches > 0 else {
            throw .badSetting("a batch cannot be cut into \(microBatches) micro-batches: use at least 1")
        }
        if let clipping, !(clipping > 0) {
            throw .badSetting("gradients cannot be clipped to a norm of \(clipping): use a number over 0, or none")
        }
        if let dropout, !GPT2Configuration.dropoutRates.contains(dropout) {
            throw .badSetting("the dropout rate \(dropout) is outside of 0...65535/65536")
        }
        let architecture =
            dropout.map { model.architecture.withDropout($0) } ?? model.architecture
        let states = type(of: optimizer).floatsPerWeight
        try adapters?.check(architecture)
        let estimate = MemoryEstimate(architecture)
        let needed: Int
        if let adapters {
            needed = try adapters.modelBytes(
                architecture, states: states,
                copies: estimate.gradientCopies(microBatches: microBatches, workers: reducer.concurrency))
        } else {
            needed = estimate.modelBytes(states: states, microBatches: microBatches, workers: reducer.concurrency)
        }
        if let available = MemoryBudget.available(), needed > available {
            throw .modelDoesNotFit(parameters: architecture.parameterCount, needed: needed, available: available)
        }
        try objective.check(tokenizer: model.tokenizer)
        startDigest = model.digest
        (startConfiguration, tokenizer) = (model.configuration, model.tokenizer)
        self.objective = objective
        self.context = context
        self.dtype = dtype
        self.recomputation = recomputation
        self.seed = seed
        self.microBatches = microBatches
        self.clipping = clipping
        self.reducer = reducer
        let parameters: [Parameter]
        if let adapters {
            var weights = model.weights.map(Optional.init)
            _ = consume model
            parameters = try adapters.parameters(of: architecture, taking: &weights, seed: seed, on: context)
        } else {
            parameters = try kernels { () throws(KernelError) in try model.trainableParameters() }
        }
        self.parameters = parameters
        self.adapters = adapters
        self.architecture = architecture
        if let product = dtype.weightProduct, let headProduct = dtype.headProduct {
            // Before several tapes share them. The head and adapters, which come after the walk, are not in int8.
            let (head, walk) = (architecture.head.index, architecture.parameters.count)
            try kernels { () throws(KernelError) in
                for (index, parameter) in parameters.enumerated()
                where parameter.isDense && (parameter.kind == .matrix || index == head) {
                    if index == head || index >= walk {
                        try parameter.makePanels(headProduct, .both, on: context)
                    } else {
                        try parameter.makePanels(product, product.trainingForms, on: context)
                    }
                }
            }
        }
        state = try kernels { () throws(KernelError) in try OptimizerState(optimizer, for: parameters) }
        updates = try kernels { () throws(KernelError) in try NotedUpdate(on: context) }
        try reducer.prepare(on: context) { context throws(TrainingError) in
            let lossFunction = try objective.lossFunction(for: architecture, on: context)
            return try Worker(
                parameters: parameters, lossFunction: lossFunction, dtype: dtype, recomputation: recomputation,
                on: context)
        }
    }

    /// A trainer on all of a machine.
    public convenience init(
        _ model: consuming Model, objective: some Objective = LanguageModel(), optimizer: some Optimizer,
        clipping: Double? = 1, dropout: Double? = nil, microBatches: Int = 1, dtype: TrainingDType = .f32,
        recomputation: Recomputation = .none, adapters: LoRA? = nil, seed: UInt64 = 1,
        reducer: some GradientReducer = SingleWorker(), on machine: Machine
    ) throws(TrainingError) {
        try self.init(
            consume model, objective: objective, optimizer: optimizer, clipping: clipping, dropout: dropout,
            microBatches: microBatches, dtype: dtype, recomputation: recomputation, adapters: adapters, seed: seed,
            reducer: reducer, on: machine.context)
    }

    /// The model's `config.json`.
    public var configuration: ModelConfiguration {
        var configuration = startConfiguration
        architecture.write(into: &configuration)
        return configuration
    }

    /// The dropout rate. It may be changed between steps.
    public var dropout: Double {
        get { architecture.dropout }
        set { architecture = architecture.withDropout(newValue) }
    }

    /// The number of steps done.
    public var step: Int { state.step }

    /// The update rule. Its settings may be changed between steps.
    public var optimizer: any Optimizer {
        get { state.optimizer }
        set { state.optimizer = newValue }
    }

    /// One update from one batch.
    ///
    /// - Throws: `TrainingError`, in which case weights and optimizer are as before, unless an ``AfterStep`` threw.
    @discardableResult
    public func step(_ batch: Batch) throws(TrainingError) -> StepReport {
        let clock = ContinuousClock()
        let start = clock.now
        let measured = profile?.nanoseconds ?? 0
        try check(batch)
        for parameter in parameters {
            try kernels { () throws(KernelError) in try parameter.refresh(on: context) }
        }
        let (loss, gradients) = try reducer.sum(of: cut(batch))
        guard loss.total.isFinite else { throw notFinite("loss", loss.total) }
        let rate = state.rate
        let norm = try update(with: gradients)
        guard norm.isFinite else { throw notFinite("gradient norm", norm) }
        if let profile {
            profile.add(
                "host", nanoseconds: (clock.now - start) / .nanoseconds(1) - (profile.nanoseconds - measured))
        }
        source = batch.source
        nextBatch = batch.index + 1
        hasStepped = true
        let elapsed = (clock.now - start).components
        var report = StepReport(
            step: state.step, loss: loss.total, terms: loss.terms, rate: rate, gradientNorm: norm,
            tokens: batch.tokens.count, seconds: Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18)
        if let arithmeticPeak {
            report.utilization = operations(rows: batch.rows, context: batch.context) / report.seconds / arithmeticPeak
        }
        for action in afterStep { try action.afterStep(report, of: self) }
        for action in afterStep { try action.stepIsOver(report, of: self) }
        return report
    }

    /// The norm of the gradients and, unless it is not finite, the update of all parameters by them: one parallel region.
    private func update(with gradients: GradientSet) throws(TrainingError) -> Double {
        try kernels { () throws(KernelError) in
            let updates = self.updates
            let noted = updates.list.context
            let (flat, squares, normMemory) = (gradients.flat, updates.squares, updates.norm)
            updates.list.clear()
            updates.profile = profile
            updates.stage("gradient norm", bytes: 4 * Double(flat.count))
            try sumOfSquares(flat.span, into: squares.mutableSpan, on: noted)
            try AlambicKernels.norm(ofSquares: squares.span, into: normMemory.mutableSpan, on: noted)
            updates.stage("optimizer", bytes: profile == nil ? 0 : state.bytesMoved(parameters))
            let done = state.step
            // A step that does not take place is not counted.
            defer { updates.list.clear() }
            do throws(KernelError) {
                try state.step(
                    parameters, gradients: gradients, clip: NormClip(norm: normMemory, limit: clipping ?? .infinity),
                    panels: parameters.map(\.panelsOfValue), on: noted)
                if parameters.contains(where: \.panelsFollow) {
                    let bytes = parameters.reduce(0) {
                        $0 + ($1.panelsFollow ? 4 * $1.value.count + ($1.panels?.bytes ?? 0) : 0)
                    }
                    updates.stage("int8 weights", bytes: Double(bytes))
                    for parameter in parameters { try parameter.rebuildPanels(on: noted) }
                }
                try updates.run()
            } catch {
                if state.step > done { state.revokeStep() }
                throw error
            }
            let norm = normMemory.span[0]
            if !norm.isFinite { state.revokeStep() }
            return norm
        }
    }

    /// The model as it is now, with dense weights: copies of those that are trained; where adapters are, the base with the
    /// adapters merged into it.
    public func snapshot() throws(TrainingError) -> Model {
        try kernels { () throws(KernelError) in
            var weights: [PackedWeight] = []
            for index in architecture.parameters.indices {
                let weight = try denseWeight(index)
                weights.append(.f32(parameters[index].trains ? try weight.copied() : weight))
            }
            return Model(
                architecture: architecture, weights: weights, tokenizer: tokenizer, configuration: startConfiguration)
        }
    }

    /// Saves the model as it is now as a directory, as `snapshot().save(to:)` does, without the copy. Adapters are merged on
    /// the way, one weight at a time.
    ///
    /// - Parameter floats: what dense weights are written as, `.f32` or `.bf16`.
    public func saveModel(to directory: String, floats: DType = .f32) throws {
        try AtomicDirectory.write(to: URL(fileURLWithPath: directory)) { try writeModel(into: $0, floats: floats) }
    }

    /// Writes the files of ``saveModel(to:floats:)`` into an existing directory.
    func writeModel(into directory: URL, floats: DType = .f32) throws {
        try Model.write(
            architecture, configuration: configuration, tokenizer: tokenizer, into: directory, floats: floats
        ) { try self.denseWeight($0) }
    }

    /// A trainer for a copy of the model as it is now, with the same objective, seed and context and another optimizer,
    /// on one worker: what pruning and other methods retrain with.
    public func retrainer(optimizer: some Optimizer) throws(TrainingError) -> Trainer {
        try Trainer(
            try snapshot(), objective: objective, optimizer: optimizer, clipping: clipping,
            microBatches: microBatches, dtype: dtype, recomputation: recomputation, seed: seed, on: context)
    }

    /// Equal parts of a batch. Micro-batch i of step s has the random stream s * microBatches + i, wherever it is
    /// computed.
    func cut(_ batch: Batch) -> [MicroBatch] {
        let rows = batch.rows / microBatches
        let counted = batch.targets.count { $0 >= 0 }
        return (0..<microBatches).map { index in
            let (tokens, targets) = batch.slice(index * rows..<(index + 1) * rows)
            let own = targets.count { $0 >= 0 }
            return MicroBatch(
                tokens: tokens, targets: targets, scale: Float(own) / Float(max(counted, 1)), seed: seed,
                stream: UInt64(state.step) * UInt64(microBatches) + UInt64(index), architecture: architecture,
                starts: batch.starts.map { Array($0[index * rows..<(index + 1) * rows]) })
        }
    }

    private func check(_ batch: Batch) throws(TrainingError) {
        if let clipping, !(clipping > 0) {
            throw .badSetting("gradients cannot be clipped to a norm of \(clipping): use a number over 0, or none")
        }
        guard batch.rows > 0, batch.rows.isMultiple(of: microBatches) else {
            throw .notDivisible(rows: batch.rows, microBatches: microBatches)
        }
        guard batch.context <= architecture.context else {
            throw .contextTooLong(context: batch.context, limit: architecture.context)
        }
        let limit = Int32(architecture.vocabulary)
        for tokens in [batch.tokens.ids, batch.targets] {
            if let token = tokens.first(where: { $0 >= limit }) {
                throw .vocabularyTooSmall(token: Int(token), vocabulary: Int(limit))
            }
        }
        if checkedSource != batch.source {
            try objective.check(source: batch.source)
            checkedSource = batch.source
        }
        if mustAgree {
            try checkAgreement(with: batch)
            mustAgree = false
        }
        try checkFits(rows: batch.rows, context: batch.context)
    }

    private func notFinite(_ quantity: String, _ value: Double) -> TrainingError {
        .notFinite(step: state.step + 1, quantity: quantity, value: value, lastCheckpoint: lastCheckpoint)
    }
}
