import AlambicKernels

/// The gradients of all parameters of a model, in one stretch of memory: what a tape writes and an optimizer reads.
///
/// Tensor i starts at a multiple of 16 elements (64 bytes) of `flat`; the padding in between is always zero, so sums,
/// norms and all-reduces can run over `flat` at once.
public final class GradientSet: Sendable {
    /// Everything, as one vector.
    public let flat: Tensor
    /// The gradient of each parameter, in walk order, of its ``Parameter/gradientShape``; parts of `flat`.
    public let tensors: [Tensor]

    /// Zero gradients for tensors of these shapes.
    public init(shapes: [Shape]) throws(KernelError) {
        var offsets: [Int] = []
        var count = 0
        for shape in shapes {
            offsets.append(count)
            count += (shape.count + 15) / 16 * 16
        }
        let storage = try Memory<Float>(count: max(count, 1))
        flat = Tensor([count], storage: storage)
        tensors = zip(shapes, offsets).map { Tensor($0, storage: storage, offset: $1) }
    }

    /// Zero gradients for these parameters; those of frozen ones are empty.
    public convenience init(for parameters: [Parameter]) throws(KernelError) {
        try self.init(shapes: parameters.map(\.gradientShape))
    }

    /// The gradient of one parameter.
    public subscript(id: ParameterID) -> Tensor { tensors[id.index] }

    /// Sets all gradients to zero.
    public func zero() { flat.zero() }

    /// Adds `other`, element by element: `self + other`, in that order.
    public func accumulate(_ other: GradientSet, on context: Context) throws(KernelError) {
        precondition(other.flat.count == flat.count, "gradients of \(other.flat.count) and \(flat.count) elements")
        let (sum, addend) = (flat, other.flat)
        try AlambicKernels.accumulate(addend.span, into: sum.mutableSpan, on: context)
    }

    /// The Euclidean norm of all gradients together, summed in double precision over a fixed tree.
    public func norm(on context: Context) throws(KernelError) -> Double {
        let all = flat
        return try sumOfSquares(all.span, on: context).squareRoot()
    }
}
