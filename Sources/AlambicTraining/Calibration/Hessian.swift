import AlambicKernels
import AlambicTensor

/// What a linear layer's squared error looks like as a function of one output's weights: H = Σ xᵀ x over the inputs x that
/// the layer was given. (The 2 that the second derivative has, cancels wherever this is used.)
public final class Hessian {
    /// Number of inputs.
    public let inputs: Int
    /// How many inputs were seen.
    public private(set) var rows = 0
    /// [inputs, inputs], symmetric.
    public let sum: Memory<Double>
    private let product: Memory<Float>

    /// Rows of a product: sums of f32 stay this short, the rest is summed in f64.
    private static let chunk = 2048

    /// Nothing seen.
    public init(inputs: Int) throws(KernelError) {
        self.inputs = inputs
        sum = try Memory(count: inputs * inputs)
        product = try Memory(count: inputs * inputs)
    }

    /// Adds the rows of x, [rows, inputs].
    public func add(_ x: Tensor, on context: Context) throws(KernelError) {
        precondition(x.columns == inputs, "inputs \(x.shape) of a layer with \(inputs)")
        let (sum, product) = (sum, product)
        for start in stride(from: 0, to: x.rows, by: Self.chunk) {
            let part = x.rows(start..<min(start + Self.chunk, x.rows))
            try matmul(
                M: inputs, N: inputs, K: part.rows, part.span, .transposed, part.span, .asIs,
                into: product.mutableSpan, on: context)
            let addend = product.span
            var total = sum.mutableSpan
            for i in 0..<total.count { total[i] += Double(addend[i]) }
        }
        rows += x.rows
    }

    /// A copy with `share` of the mean of its diagonal added to it (1 where that is 0), so that it can be inverted.
    public func damped(by share: Double) throws(KernelError) -> Memory<Double> {
        let result = try Memory<Double>(count: sum.count)
        let sum = sum
        let source = sum.span
        var target = result.mutableSpan
        var trace = 0.0
        for i in 0..<inputs { trace += source[i * inputs + i] }
        let addend = trace > 0 ? share * trace / Double(inputs) : 1
        for i in 0..<source.count { target[i] = source[i] }
        for i in 0..<inputs { target[i * inputs + i] += addend }
        return result
    }

    /// Whether it has no inverse of its own: fewer inputs were seen than there are, or some were always zero.
    public var isSingular: Bool {
        let sum = sum
        let elements = sum.span
        for i in 0..<inputs where elements[i * inputs + i] == 0 { return true }
        return rows < inputs
    }

    /// ||x_j||₂ of every input over all rows seen.
    public var norms: [Double] {
        let sum = sum
        let elements = sum.span
        return (0..<inputs).map { elements[$0 * inputs + $0].squareRoot() }
    }

    /// The factor of the damped inverse, and the share of the mean of the diagonal that it took: `share`, or ten times as much
    /// as often as that is needed.
    ///
    /// - Throws: `.badArgument` when no damping helps: the inputs are not finite.
    public func factor(damping share: Double) throws(KernelError) -> (factor: InverseCholesky, damping: Double) {
        var share = share
        for _ in 0..<4 {
            if let factor = try InverseCholesky(try damped(by: share), order: inputs) {
                return (factor, share)
            }
            share *= 10
        }
        throw KernelError(
            .badArgument, "the inputs of a layer with \(inputs) of them are not finite: their Hessian has no inverse")
    }
}
