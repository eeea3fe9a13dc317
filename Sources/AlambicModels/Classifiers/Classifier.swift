import AlambicKernels
import AlambicTensor

/// One step of a ``Classifier``.
public enum ClassifierLayer: Sendable, Hashable, Codable {
    /// y = W x + b of all numbers of an example, to this many outputs.
    case linear(Int)
    /// A convolution with this many outputs for each pixel, a square window and no padding (LeCun et al. 1998).
    case convolution(channels: Int, side: Int)
    /// The largest number of each window of side x side pixels, side by side.
    case maxPool(Int)
    /// max(x, 0).
    case relu
    /// Dropout at this rate of what comes in (Srivastava et al. 2014), scaled while training.
    case dropout(Double)

    /// Whether it has a weight and a bias.
    public var hasWeights: Bool {
        switch self {
        case .linear, .convolution: true
        case .maxPool, .relu, .dropout: false
        }
    }
}

/// A feed-forward network that tells classes of images apart: what it is made of, without weights. The networks of the
/// papers on pruning, quantization, dropout and optimizers are such.
///
/// Images are [height, width, channels]; a convolution is a matrix product of its windows with weights
/// [outputs, side side channels], so that whatever works on the weights of linear layers works on it.
public struct Classifier: Sendable, Hashable, Codable {
    /// What comes in.
    public let input: ImageShape
    /// The layers in order; the last one makes the logits.
    public let layers: [ClassifierLayer]

    /// A network over images of `input`. The layers must fit each other, or the program stops.
    public init(input: ImageShape, layers: [ClassifierLayer]) {
        self.input = input
        self.layers = layers
        precondition(layers.contains(where: \.hasWeights), "a classifier without weights")
        _ = shapes
    }

    /// Linear layers with max(x, 0) in between: `widths` are those of input, hidden layers and logits.
    ///
    /// - Parameters:
    ///   - inputDropout: the dropout rate of the input.
    ///   - hiddenDropout: that of each hidden layer.
    public static func mlp(
        _ widths: [Int], input: ImageShape? = nil, inputDropout: Double = 0, hiddenDropout: Double = 0
    ) -> Classifier {
        precondition(widths.count >= 2, "a network of widths \(widths)")
        var layers: [ClassifierLayer] = inputDropout > 0 ? [.dropout(inputDropout)] : []
        for (index, width) in widths.dropFirst().enumerated() {
            if index > 0 {
                layers.append(.relu)
                if hiddenDropout > 0 { layers.append(.dropout(hiddenDropout)) }
            }
            layers.append(.linear(width))
        }
        return Classifier(input: input ?? ImageShape(height: 1, width: widths[0], channels: 1), layers: layers)
    }

    /// LeNet-300-100 (LeCun et al. 1998): 266,610 parameters for images of 28 x 28.
    public static let leNet300 = mlp([784, 300, 100, 10], input: ImageShape(height: 28, width: 28, channels: 1))

    /// LeNet-5 as Caffe has it and Han et al. (2015) prune it: convolutions of 20 and 50 channels, each followed by
    /// pooling, then 500 hidden units; 431,080 parameters.
    public static let leNet5 = Classifier(
        input: ImageShape(height: 28, width: 28, channels: 1),
        layers: [
            .convolution(channels: 20, side: 5), .maxPool(2), .relu, .convolution(channels: 50, side: 5), .maxPool(2),
            .relu, .linear(500), .relu, .linear(10),
        ])

    /// Number of classes.
    public var classes: Int { shapes.last?.count ?? input.count }

    /// What goes into each layer, and at the end what comes out.
    public var shapes: [ImageShape] {
        var shapes = [input]
        for layer in layers { shapes.append(Self.output(of: layer, for: shapes[shapes.count - 1])) }
        return shapes
    }

    private static func output(of layer: ClassifierLayer, for input: ImageShape) -> ImageShape {
        switch layer {
        case .linear(let outputs): ImageShape(height: 1, width: 1, channels: outputs)
        case .convolution(let channels, let side):
            ImageShape(height: input.height - side + 1, width: input.width - side + 1, channels: channels)
        case .maxPool(let side): input.pooled(side: side)
        case .relu, .dropout: input
        }
    }

    /// The walk: for each layer with weights `layers.<i>.weight` [outputs, inputs] and `layers.<i>.bias` [outputs].
    /// Weights start normal with deviation √(2 / inputs) (He et al. 2015), those of the logits √(1 / inputs).
    public var parameters: [ParameterDescription] {
        let shapes = shapes
        let last = layers.lastIndex(where: \.hasWeights)
        var parameters: [ParameterDescription] = []
        for (index, layer) in layers.enumerated() {
            let (outputs, inputs): (Int, Int)
            switch layer {
            case .linear(let count): (outputs, inputs) = (count, shapes[index].count)
            case .convolution(let channels, let side):
                (outputs, inputs) = (channels, shapes[index].patches(side: side).channels)
            case .maxPool, .relu, .dropout: continue
            }
            let gain: Float = index == last ? 1 : 2
            parameters.append(
                ParameterDescription(
                    path: "layers.\(index).weight", shape: [outputs, inputs], kind: .matrix,
                    initialization: .normal(deviation: (gain / Float(inputs)).squareRoot()), layer: index))
            parameters.append(
                ParameterDescription(
                    path: "layers.\(index).bias", shape: [outputs], kind: .vector, initialization: .zeros,
                    layer: index))
        }
        return parameters
    }

    /// How many numbers are learned.
    public var parameterCount: Int { parameters.reduce(0) { $0 + $1.shape.count } }

    /// Parameters with random values that depend on `seed` alone.
    public func initialized(seed: UInt64, on context: Context = .default) throws(KernelError) -> [Parameter] {
        var all: [Parameter] = []
        for (index, description) in parameters.enumerated() {
            let value = try Tensor(description.shape)
            if case .normal(let deviation) = description.initialization {
                try normal(
                    seed: seed, stream: UInt64(index), deviation: deviation, into: value.mutableSpan, on: context)
            }
            all.append(
                Parameter(
                    path: description.path, kind: description.kind, decays: description.decays, value: value))
        }
        return all
    }

    /// The logits [images, classes] of `x`, [images, pixels], with weights in the order of ``parameters``.
    ///
    /// - Parameter observing: is told what goes into each layer, by its number, if given: what comes out of this is used
    ///   in its place, such as the same values rounded.
    public func logits(
        _ x: Variable, on tape: Tape,
        observing: ((_ layer: Int, Variable) throws(KernelError) -> Variable)? = nil
    ) throws(KernelError) -> Variable {
        var (value, next) = (x, 0)
        let shapes = shapes
        for (index, layer) in layers.enumerated() {
            if let observing { value = try observing(index, value) }
            switch layer {
            case .linear:
                value = try tape.linear(
                    tape.reshaped(value, columns: shapes[index].count), weight: ParameterID(index: next),
                    bias: ParameterID(index: next + 1))
            case .convolution(_, let side):
                value = try tape.linear(
                    try tape.patches(value, of: shapes[index], side: side), weight: ParameterID(index: next),
                    bias: ParameterID(index: next + 1))
            case .maxPool(let side): value = try tape.maxPool(value, of: shapes[index], side: side)
            case .relu: value = try tape.relu(value)
            case .dropout(let rate): value = try tape.dropout(value, rate: Float(rate))
            }
            if layer.hasWeights { next += 2 }
        }
        return tape.reshaped(value, columns: classes)
    }

    /// The same network with other dropout rates: `rates[i]` for the i-th dropout layer.
    public func withDropout(_ rates: [Double]) -> Classifier {
        var rates = rates[...]
        return Classifier(
            input: input,
            layers: layers.map { layer in
                guard case .dropout = layer, let rate = rates.popFirst() else { return layer }
                return .dropout(rate)
            })
    }
}
