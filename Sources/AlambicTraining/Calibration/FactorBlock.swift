import AlambicKernels
import AlambicTensor

/// Consecutive rows of the factor of an inverse Hessian in single precision, as methods that work on columns in blocks read
/// them.
public struct FactorBlock: Sendable {
    /// U[i, j] within the block, [block, block], zero below the diagonal.
    public let inside: Memory<Float>
    /// U[i, j] behind the block, [block, order - end].
    public let outside: Memory<Float>

    /// Rows `block` of `factor`.
    public init(_ factor: InverseCholesky, rows block: Range<Int>) throws(KernelError) {
        precondition(
            block.lowerBound >= 0 && block.upperBound <= factor.order, "rows \(block) of a factor of \(factor.order)")
        let rest = factor.order - block.upperBound
        let (inside, outside) = (
            try Memory<Float>(count: block.count * block.count), try Memory<Float>(count: block.count * rest)
        )
        var near = inside.mutableSpan
        var far = outside.mutableSpan
        var row: [Double] = []
        for i in block {
            factor.row(i, into: &row)
            let place = i - block.lowerBound
            for j in i..<block.upperBound { near[place * block.count + j - block.lowerBound] = Float(row[j - i]) }
            for j in 0..<rest { far[place * rest + j] = Float(row[block.upperBound - i + j]) }
        }
        (self.inside, self.outside) = (inside, outside)
    }
}
