import AlambicKernels
import AlambicModels
import AlambicTensor

/// A ``Classifier`` that runs in integers alone (Jacob et al. 2018): images are quantized at its boundary, a layer reads and
/// writes bytes, and 32-bit logits come out.
///
/// The integers are a function of the weights and of the ranges of what goes into each layer with weights. Their results are
/// the same bits on every machine, for any number of threads and any batch.
public struct IntegerNetwork: Sendable {
    /// What it was made of.
    public let classifier: Classifier
    /// Bits, and what shares a scale.
    public let scheme: IntegerScheme
    /// What the integers stand for that go into each layer with weights; the first are the images.
    public let activations: [AffineParameters]
    /// S of the weights of each output, layer by layer.
    public let weightScales: [[Float]]
    /// What runs.
    public let program: IntegerProgram
    /// What one step of the logits is worth.
    public let logitScale: Float

    /// Makes integers of a classifier's weights.
    ///
    /// - Parameters:
    ///   - parameters: in the order of the classifier's walk. Of weights with fake quantization the raw ones are quantized,
    ///     else what the forward pass sees.
    ///   - activations: what is to stand for the inputs of each layer with weights, of the scheme's activation form.
    /// - Throws: `.badArgument` for a weight or bias that is not finite or a network that does not end with a linear layer;
    ///   `.badShape` where sums could leave 32 bits.
    public init(
        _ classifier: Classifier, parameters: [Parameter], activations: [AffineParameters],
        scheme: IntegerScheme = IntegerScheme(), on context: Context = .default
    ) throws(KernelError) {
        try self.init(classifier, parameters: parameters, activations, scheme, packs: true, on: context)
    }

    /// The same; layers that run only once, in training, are not packed ahead.
    init(
        _ classifier: Classifier, parameters: [Parameter], _ activations: [AffineParameters], _ scheme: IntegerScheme,
        packs: Bool, on context: Context
    ) throws(KernelError) {
        let plan = try IntegerPlan(classifier)
        precondition(
            parameters.map(\.shape) == classifier.parameters.map(\.shape), "these are not the classifier's parameters")
        precondition(
            activations.count == plan.layers.count
                && activations.allSatisfy { $0.levels == .unsigned && $0.bits == scheme.activationBits },
            "\(activations.count) ranges of activations for \(plan.layers.count) layers of \(scheme)")
        var (scales, layers): ([[Float]], [IntegerLinear]) = ([], [])
        var logitScale: Float = 1
        for index in plan.layers.indices {
            let (weight, bias) = (parameters[2 * index], parameters[2 * index + 1])
            let next = index + 1 < activations.count ? activations[index + 1] : nil
            let source = LayerSource(
                weight: weight.transform is FakeQuantizedWeights ? weight.value : weight.effective,
                bias: bias.effective,
                input: activations[index], output: next, isRectified: plan.layers[index].isRectified, scheme: scheme,
                name: "layers.\(plan.layers[index].number)")
            let made = try source.layer(packs: packs, on: context)
            layers.append(made.layer)
            scales.append(made.scales)
            logitScale = made.outputScale
        }
        self.init(
            classifier, scheme, activations, scales, logitScale: logitScale,
            IntegerProgram(plan, layers, inputs: classifier.input.count))
    }

    init(
        _ classifier: Classifier, _ scheme: IntegerScheme, _ activations: [AffineParameters], _ scales: [[Float]],
        logitScale: Float, _ program: IntegerProgram
    ) {
        (self.classifier, self.scheme, self.activations) = (classifier, scheme, activations)
        (weightScales, self.logitScale, self.program) = (scales, logitScale, program)
    }

    /// The integers of images [count, pixels]: the boundary, and the only place where there are floats.
    public func quantized(_ images: Tensor, on context: Context = .default) throws(KernelError) -> DenseTensor<UInt8> {
        precondition(images.columns == classifier.input.count, "images \(images.shape) for \(classifier.input)")
        let levels = try DenseTensor<UInt8>(images.shape)
        try quantize(images.span, activations[0].kernel, into: levels.mutableSpan, on: context)
        return levels
    }

    /// The logits [count, classes] of images [count, pixels], in steps of ``logitScale``.
    public func logits(of images: Tensor, on context: Context = .default) throws(KernelError) -> [Int32] {
        let levels = try quantized(images, on: context)
        return try program.logits(levels.span, on: context)
    }

    /// How many images have their largest logit, the first of equal ones, at another place than the label.
    public func errors(of images: Tensor, labels: [Int32], on context: Context = .default) throws(KernelError) -> Int {
        precondition(images.rows == labels.count, "\(labels.count) labels for images \(images.shape)")
        let logits = try logits(of: images, on: context)
        let classes = program.classes
        var errors = 0
        for (row, label) in labels.enumerated() {
            var best = 0
            for c in 1..<max(classes, 1) where logits[row * classes + c] > logits[row * classes + best] { best = c }
            if best != Int(label) { errors += 1 }
        }
        return errors
    }

    /// Bytes of its integers.
    public var byteCount: Int {
        program.steps.reduce(0) { bytes, step in
            guard case .linear(let layer, _) = step else { return bytes }
            return bytes + layer.byteCount
        }
    }
}

extension IntegerProgram {
    /// Layers with weights in the order of a plan, and the poolings between them.
    init(_ plan: IntegerPlan, _ layers: [IntegerLinear], inputs: Int) {
        var steps: [IntegerStep] = []
        for (layer, linear) in zip(plan.layers, layers) {
            for pooling in layer.pooling { steps.append(.maxPool(pooling.shape, side: pooling.side)) }
            steps.append(.linear(linear, windows: layer.windows))
        }
        self.init(inputs: inputs, steps: steps)
    }
}

extension AffineParameters {
    /// As kernels take them.
    public var kernel: AffineScale { AffineScale(scale: scale, zeroPoint: zeroPoint, levels: lowest...highest) }
}
