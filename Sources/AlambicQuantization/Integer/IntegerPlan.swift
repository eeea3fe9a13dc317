import AlambicKernels
import AlambicModels

/// The layers of a ``Classifier`` as integer-only inference runs them: ReLUs become clamps of the layers before them, dropout
/// does nothing, and what is between two layers with weights is quantized once, before the second.
struct IntegerPlan {
    /// A layer with weights.
    struct Layer {
        /// Its number in the classifier: its parameters are `layers.<number>.weight` and `.bias`.
        var number: Int
        var inputs: Int
        var outputs: Int
        var windows: IntegerStep.Windows?
        /// Whether a ReLU follows, before the next layer with weights.
        var isRectified = false
        /// Poolings before it: shape of an image, side.
        var pooling: [(shape: ImageShape, side: Int)] = []
        /// The number of its last step in the program.
        var step = 0
    }

    var layers: [Layer] = []
    /// Whether any dropout layer does something while training.
    var hasDropout = false

    /// Throws `.badArgument` for a network that has something other than dropout behind its logits.
    init(_ classifier: Classifier) throws(KernelError) {
        let shapes = classifier.shapes
        var pooling: [(ImageShape, Int)] = []
        var after: String?
        for (number, layer) in classifier.layers.enumerated() {
            switch layer {
            case .dropout(let rate): hasDropout = hasDropout || rate > 0
            case .relu:
                // Before the first layer the boundary does it: a range of numbers that are not negative starts at 0.
                if !layers.isEmpty { layers[layers.count - 1].isRectified = true }
                after = "a ReLU"
            case .maxPool(let side):
                pooling.append((shapes[number], side))
                after = "max-pooling"
            case .linear(let outputs):
                layers.append(
                    Layer(
                        number: number, inputs: shapes[number].count, outputs: outputs, windows: nil, pooling: pooling))
                (pooling, after) = ([], nil)
            case .convolution(let channels, let side):
                let windows = IntegerStep.Windows(shape: shapes[number], side: side)
                layers.append(
                    Layer(
                        number: number, inputs: shapes[number].patches(side: side).channels, outputs: channels,
                        windows: windows, pooling: pooling))
                (pooling, after) = ([], nil)
            }
        }
        guard after == nil, layers.last?.windows == nil else {
            throw KernelError(
                .badArgument,
                "an integer network ends with a linear layer, this classifier with \(after ?? "a convolution")")
        }
        var steps = 0
        for index in layers.indices {
            steps += layers[index].pooling.count + 1
            layers[index].step = steps - 1
        }
    }
}
