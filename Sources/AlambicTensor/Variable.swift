import AlambicKernels

/// A value on a tape: what it is, and which gradient belongs to it.
///
/// The residual stream is f32; what matrix products read and write is of the tape's ``TrainingDType``.
public struct Variable: Sendable {
    /// The elements, of either type.
    public let elements: Elements
    /// Which gradient on the tape is this variable's.
    let index: Int
    /// How it can be made again.
    let origin: Origin

    /// The extents of the value (and of the gradient).
    public var shape: Shape { elements.shape }

    /// What operations keep of a variable: where its gradient goes, without the elements, which may then be released.
    var slot: GradientSlot {
        switch origin {
        case .gelu(let x): GradientSlot(index: index, shape: shape, preactivation: x)
        case .constant: GradientSlot(index: index, shape: shape, preactivation: nil, isWanted: false)
        default: GradientSlot(index: index, shape: shape, preactivation: nil)
        }
    }

    /// The elements of a variable that is known to be f32. They stay as they are for as long as somebody holds them.
    public var value: Tensor {
        guard case .f32(let tensor) = elements else {
            preconditionFailure("a variable of bf16 \(shape) where one of f32 is wanted")
        }
        return tensor
    }

    /// Elements of one of the types that values have.
    public enum Elements: Sendable {
        /// 32-bit floats.
        case f32(Tensor)
        /// bf16 values as their bits.
        case bf16(HalfTensor)

        /// The extents.
        public var shape: Shape {
            switch self {
            case .f32(let tensor): tensor.shape
            case .bf16(let tensor): tensor.shape
            }
        }

        /// The same elements under another shape of the same count.
        func reshaped(_ other: Shape) -> Elements {
            switch self {
            case .f32(let tensor): .f32(tensor.reshaped(other))
            case .bf16(let tensor): .bf16(tensor.reshaped(other))
            }
        }
    }

    /// What is cheap to compute again from what is kept anyway: the backward pass may want the value after the forward
    /// pass has let go of it.
    indirect enum Origin: Sendable {
        /// It has to be kept.
        case only
        /// It comes from outside, and nobody asks for its gradient.
        case constant
        /// It is kept already.
        case saved(Saved)
        /// gelu of what its gradient's slot belongs to.
        case gelu(preactivation: Saved)
        /// The norm of x.
        case layerNorm(LayerNormOperation.Inputs)
    }
}

/// Where the gradient of a variable goes.
struct GradientSlot {
    let index: Int
    let shape: Shape
    /// For a variable that is gelu(x), that x: the slot then holds the gradient of x, since a product can multiply by
    /// gelu'(x) on the way.
    let preactivation: Saved?
    /// Whether anybody asks for it.
    var isWanted = true
}

/// What a training step computes with.
public enum TrainingDType: String, Sendable, CaseIterable {
    /// Everything in 32-bit floats.
    case f32
    /// Matrix products, saved activations and their gradients in bf16; weights, their gradients, moments, the residual
    /// stream, statistics, sums and losses in f32 (Micikevicius et al., 2018; Kalamkar et al., 2019).
    case bf16
    /// As ``bf16``, but the forward and input-gradient products of matrices in int8, with a scale for each token and one
    /// for each output (forward) or input (backward) of the weights (Wortsman et al., 2023, SwitchBack; Xi et al., 2024,
    /// Jetfire). Weight gradients, attention and the head stay in bf16.
    case int8Mixed = "int8-mixed"
    /// As ``f32``, but what the forward pass keeps for the backward pass waits in f16: less memory, for processors without
    /// arithmetic in bf16. The residual stream stays f32. Values beyond 65504 become infinite.
    case f16

    /// The product that a matrix of weights is packed for; nil where products take the weights as they are.
    public var weightProduct: Product? {
        switch self {
        case .f32, .f16: nil
        case .bf16: .bf16
        case .int8Mixed: .s8
        }
    }
    /// The same for the head's weights. A rounding of theirs is one of the logits, which nothing averages out.
    public var headProduct: Product? { weightProduct == nil ? nil : .bf16 }
}

extension Product {
    /// What is packed ahead of a layer's weights in training.
    public var trainingForms: PanelForms { self == .s8 ? .both : .forward }
}

/// What the forward pass keeps for the backward pass.
public enum Recomputation: String, Sendable, CaseIterable {
    /// Everything.
    case none
    /// Not the results of norms and activation functions, which are cheap to compute again from their inputs.
    case norms
    /// Of each block only its input (Chen et al., 2016).
    case blocks
}
