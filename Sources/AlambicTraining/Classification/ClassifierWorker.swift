import AlambicKernels
import AlambicModels
import AlambicTensor

/// What computes logits and gradients of a classifier on a context of its own: one logical worker. Workers may share
/// parameters, which nobody writes meanwhile. A worker is used by one thread at a time.
public final class ClassifierWorker: @unchecked Sendable {
    /// What the network is made of. Its layers may get other dropout rates, nothing else may change.
    public var classifier: Classifier
    /// The weights in the order of the walk.
    public let parameters: [Parameter]
    /// Where kernels run.
    public let context: Context
    /// What the values that go into each layer are replaced by while training, and while not, if by anything.
    public var observing: ((_ layer: Int, Variable, _ on: Tape) throws(KernelError) -> Variable)?
    private let tape: Tape
    private let forward: Tape

    /// A worker over parameters, which it shares, and gradients of its own.
    ///
    /// - Parameter dtype: what products compute with: `.f32`, or `.bf16`, whose packed weights workers share. Values
    ///   between layers, gradients and weights are f32 in any case.
    public init(
        _ classifier: Classifier, parameters: [Parameter], dtype: TrainingDType = .f32, on context: Context = .default
    ) throws(TrainingError) {
        guard dtype == .f32 || dtype == .bf16 else {
            throw .badSetting("classifiers do not train in \(dtype.rawValue): use f32 or bf16")
        }
        precondition(
            parameters.map(\.shape) == classifier.parameters.map(\.shape), "these are not the classifier's parameters")
        self.classifier = classifier
        self.parameters = parameters
        self.context = context
        (tape, forward) = try kernels { () throws(KernelError) in
            if let product = dtype.weightProduct {
                for parameter in parameters where parameter.kind == .matrix {
                    try parameter.makePanels(product, product.trainingForms, on: context)
                }
            }
            let tape = try Tape(parameters, dtype: dtype, execution: .noted, on: context)
            let forward = try Tape(
                parameters, gradients: tape.gradients, dtype: dtype, execution: .noted, on: context)
            return (tape, forward)
        }
    }

    /// The mean loss of a batch and its gradients, which stay as they are until the next call.
    ///
    /// - Parameters:
    ///   - images: [rows, pixels].
    ///   - labels: a class for each row, or -1 for rows that do not count.
    ///   - seed: the key of the dropout masks.
    ///   - stream: below 2^46, different for every batch of a run.
    ///   - scale: what the gradients are multiplied with; not the loss.
    public func gradient(
        images: Tensor, labels: [Int32], loss: any ClassificationLoss = HardTargets(), scale: Float = 1,
        seed: UInt64 = 0, stream: UInt64 = 0
    ) throws(TrainingError) -> (loss: Double, gradients: GradientSet) {
        try check(images, labels)
        return try kernels { () throws(KernelError) in
            try tape.begin(seed: seed, stream: stream, gradients: .replace)
            let logits = try self.logits(images, on: tape)
            let losses = try loss.losses(of: logits, labels: labels, scale: scale, on: tape)
            try tape.backward()
            return (losses.mean, tape.gradients)
        }
    }

    /// The logits [rows, classes] of images [rows, pixels], without dropout.
    public func logits(of images: Tensor) throws(TrainingError) -> Tensor {
        try check(images, [])
        return try kernels { () throws(KernelError) in
            try forward.begin(seed: 0, dropout: false, gradients: .replace)
            let logits = try self.logits(images, on: forward)
            try forward.finish()
            return try logits.value.copied()
        }
    }

    /// The mean cross-entropy in nats and the number of images whose largest logit is not that of their class.
    public func evaluate(_ examples: LabelledImages, rows: Int = 1000) throws(TrainingError) -> (
        loss: Double, errors: Int
    ) {
        var (loss, errors) = (0.0, 0)
        for first in stride(from: 0, to: examples.count, by: rows) {
            let part = examples.slice(first..<min(first + rows, examples.count))
            let logits = try logits(of: part.images)
            errors += Self.errors(logits: logits, labels: part.labels)
            let losses = try kernels { () throws(KernelError) in
                let losses = try Tensor([part.count])
                let labels = part.labels
                try crossEntropyLosses(
                    logits.span, targets: labels.span, rows: part.count, vocabulary: logits.columns,
                    into: losses.mutableSpan, on: context)
                return losses
            }
            loss += losses.elements.reduce(0) { $0 + Double($1) }
        }
        return (examples.count > 0 ? loss / Double(examples.count) : 0, errors)
    }

    /// How many rows have their largest logit, the first of equal ones, at another place than the label. Rows that are
    /// not numbers count.
    public static func errors(logits: Tensor, labels: [Int32]) -> Int {
        let values = logits.span
        let classes = logits.columns
        var errors = 0
        for (row, label) in labels.enumerated() {
            var best = 0
            for c in 1..<max(classes, 1) where values[row * classes + c] > values[row * classes + best] { best = c }
            if best != Int(label) || values[row * classes + best].isNaN { errors += 1 }
        }
        return errors
    }

    private func logits(_ images: Tensor, on tape: Tape) throws(KernelError) -> Variable {
        let x = tape.constant(images)
        guard let observing else { return try classifier.logits(x, on: tape) }
        return try classifier.logits(x, on: tape) { layer, value throws(KernelError) in
            try observing(layer, value, tape)
        }
    }

    private func check(_ images: Tensor, _ labels: [Int32]) throws(TrainingError) {
        precondition(
            images.columns == classifier.input.count, "images \(images.shape) for a network over \(classifier.input)")
        if let label = labels.first(where: { $0 >= Int32(classifier.classes) || $0 < -1 }) {
            throw .badSetting("label \(label) is not one of the classifier's \(classifier.classes) classes")
        }
    }
}
