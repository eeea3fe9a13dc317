import AlambicTensor

/// A place where the inputs of linear layers can be divided by factors that their weights are multiplied by, without a change
/// of what the model computes and without an operation more: what makes these inputs is divided instead.
///
///     x W ᵀ = (x diag(s)⁻¹) (W diag(s))ᵀ
public struct InputScaling: Sendable {
    /// What makes the inputs, and can be divided by s.
    public enum Source: Sendable {
        /// A norm with a gain and a bias: both are divided.
        case norm(gain: ParameterID, bias: ParameterID)
        /// Some outputs of a linear layer, between which and the inputs nothing happens but sums over positions: rows of its
        /// weight and elements of its bias are divided.
        case linear(weight: ParameterID, bias: ParameterID, outputs: Range<Int>)
    }

    /// What makes the inputs.
    public let source: Source
    /// The weights [outputs, inputs] of all layers that have these inputs.
    public let consumers: [ParameterID]

    /// A place.
    public init(_ source: Source, into consumers: [ParameterID]) { (self.source, self.consumers) = (source, consumers) }
}
