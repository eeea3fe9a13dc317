import AlambicKernels
import AlambicTensor

/// The max-norm constraint on a matrix of weights `[outputs, inputs]` (Srivastava et al. 2014, section 5.1): the weights that
/// come into a unit, one row, are scaled back to the norm `limit` where they are longer. To be called after each update;
/// the paper's limits are 2 to 4.
///
/// Projecting, not penalising: a large learning rate cannot blow the weights up, while weights within the ball are left
/// alone. Biases are not part of the row. A convolution `[channels, window]` is constrained channel by channel.
///
/// - Throws: `.badArgument` for a limit below 0.
public func maxNorm(_ weights: Tensor, limit: Double, on context: Context = .default) throws(KernelError) {
    try maxNorm(rows: weights.rows, columns: weights.columns, limit: limit, in: weights.mutableSpan, on: context)
}

/// The same for a parameter, of which packed forms are then out of date.
public func maxNorm(_ parameter: Parameter, limit: Double, on context: Context = .default) throws(KernelError) {
    try maxNorm(parameter.value, limit: limit, on: context)
    parameter.valueChanged()
}

/// The proximal step of an L1 penalty after an update at learning rate `rate`: every weight moves by `rate * coefficient`
/// towards zero and stops there (Tibshirani 1996; the forward-backward step of Duchi and Singer 2009). Weights become exactly
/// zero, unlike with the subgradient, `addL1Gradient`.
///
/// - Throws: `.badArgument` for a negative product.
public func softThreshold(
    _ parameter: Parameter, rate: Double, coefficient: Double, on context: Context = .default
) throws(KernelError) {
    let weights = parameter.value
    try softThreshold(by: rate * coefficient, in: weights.mutableSpan, on: context)
    parameter.valueChanged()
}
