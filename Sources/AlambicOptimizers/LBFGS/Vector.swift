import AlambicKernels
import AlambicTensor

/// All that ``LBFGS`` asks of a vector: inner products, multiples and copies, never an element. So a vector may be in pieces on several
/// machines, of which only the inner products' few numbers travel (Dean et al. 2012, section 4.2, Algorithm of Sandblaster).
///
/// A vector is a reference or shares its memory: methods that write change it in place.
public protocol LBFGSVector {
    /// Σ self[i] · other[i]. Should be summed in double precision.
    func dot(_ other: Self) throws -> Double
    /// self += a · x.
    func accumulate(_ x: Self, times a: Double) throws
    /// self *= a.
    func scale(by a: Double) throws
    /// self = other.
    func copy(from other: Self) throws
    /// A vector of its own with the same elements.
    func copied() throws -> Self
}

/// A vector in memory, over a tensor of any shape. Products are summed in double precision.
public struct TensorVector: LBFGSVector, Sendable {
    /// The elements, shared with all copies of this value.
    public let tensor: Tensor
    /// Where kernels run.
    public let context: Context

    /// A vector over the elements of `tensor`.
    public init(_ tensor: Tensor, on context: Context = .default) {
        self.tensor = tensor
        self.context = context
    }

    /// Σ self[i] · other[i], with the same bits for any number of threads.
    public func dot(_ other: TensorVector) throws -> Double {
        let (x, y) = (tensor, other.tensor)
        return try AlambicKernels.dot(x.span, y.span, on: context)
    }

    /// self += a · x, with a in single precision.
    public func accumulate(_ x: TensorVector, times a: Double) throws {
        let (source, target) = (x.tensor, tensor)
        try AlambicKernels.accumulate(source.span, times: Float(a), into: target.mutableSpan, on: context)
    }

    /// self *= a.
    public func scale(by a: Double) throws {
        let target = tensor
        try AlambicKernels.scale(by: Float(a), into: target.mutableSpan, on: context)
    }

    /// self = other.
    public func copy(from other: TensorVector) throws { tensor.copy(from: other.tensor) }

    /// A vector in memory of its own.
    public func copied() throws -> TensorVector { TensorVector(try tensor.copied(), on: context) }
}
