import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor

/// Trains a classifier, one batch at a time; the loop stays with the caller. A step is a function of weights, optimizer
/// state, batch and step number alone. A trainer is used by one thread at a time.
public final class ClassifierTrainer {
    /// Computes logits and gradients.
    public let worker: ClassifierWorker
    /// The update rule with its state.
    public let state: OptimizerState
    /// Key of all dropout masks of the run.
    public let seed: UInt64
    /// The largest norm of all gradients together; nil does not clip.
    public var clipping: Double?
    /// What happens after every update, in order: constraints, penalties, schedules.
    public var afterStep: [any AfterClassifierStep] = []

    /// A trainer of these parameters, or of random ones that depend on the seed alone; `dtype`, `.f32` or `.bf16`, is what
    /// products compute with.
    public init(
        _ classifier: Classifier, parameters: [Parameter]? = nil, optimizer: some Optimizer, clipping: Double? = nil,
        dtype: TrainingDType = .f32, seed: UInt64 = 1, on context: Context = .default
    ) throws(TrainingError) {
        let parameters = try kernels { () throws(KernelError) in
            if let parameters { return parameters }
            return try classifier.initialized(seed: seed, on: context)
        }
        worker = try ClassifierWorker(classifier, parameters: parameters, dtype: dtype, on: context)
        state = try kernels { () throws(KernelError) in try OptimizerState(optimizer, for: parameters) }
        self.clipping = clipping
        self.seed = seed
    }

    /// What the network is made of; other dropout rates may be given to it.
    public var classifier: Classifier {
        get { worker.classifier }
        set { worker.classifier = newValue }
    }
    /// The weights in the order of the walk.
    public var parameters: [Parameter] { worker.parameters }
    /// Where kernels run.
    public var context: Context { worker.context }
    /// The update rule.
    public var optimizer: any Optimizer {
        get { state.optimizer }
        set { state.optimizer = newValue }
    }

    /// One update from one batch.
    ///
    /// - Returns: the mean loss before it.
    /// - Throws: `TrainingError`; where the loss or a gradient is not finite, weights are as before.
    @discardableResult
    public func step(
        images: Tensor, labels: [Int32], loss: any ClassificationLoss = HardTargets()
    ) throws(TrainingError) -> Double {
        let (value, gradients) = try worker.gradient(
            images: images, labels: labels, loss: loss, seed: seed, stream: UInt64(state.step))
        guard value.isFinite else {
            throw .notFinite(step: state.step + 1, quantity: "loss", value: value, lastCheckpoint: nil)
        }
        try update(with: gradients)
        for action in afterStep { try action.afterStep(of: self) }
        return value
    }

    /// One update from gradients that somebody else computed.
    ///
    /// - Throws: `TrainingError`; where a gradient is not finite, weights are as before.
    public func update(with gradients: GradientSet) throws(TrainingError) {
        // Without clipping, too: one pass over the gradients, and the update makes several over all that it has.
        let norm = try kernels { () throws(KernelError) in try gradients.norm(on: context) }
        guard norm.isFinite else {
            throw .notFinite(step: state.step + 1, quantity: "gradient norm", value: norm, lastCheckpoint: nil)
        }
        let scale = clipping.map { min(1, $0 / max(norm, .leastNormalMagnitude)) } ?? 1
        try kernels { () throws(KernelError) in
            try state.step(parameters, gradients: gradients, gradientScale: scale, on: context)
        }
        for parameter in parameters { parameter.valueChanged() }
    }

    /// The number of wrong answers.
    public func errors(on examples: LabelledImages) throws(TrainingError) -> Int {
        try worker.evaluate(examples).errors
    }

    /// The mean cross-entropy in nats, and the number of wrong answers.
    public func evaluate(_ examples: LabelledImages) throws(TrainingError) -> (loss: Double, errors: Int) {
        try worker.evaluate(examples)
    }

    /// The logits [rows, classes] of images [rows, pixels], without dropout.
    public func logits(of images: Tensor) throws(TrainingError) -> Tensor { try worker.logits(of: images) }
}

/// Something that happens after every update of a classifier.
public protocol AfterClassifierStep {
    /// May change weights (and must then call `valueChanged`), settings and transforms.
    func afterStep(of trainer: ClassifierTrainer) throws(TrainingError)
}
