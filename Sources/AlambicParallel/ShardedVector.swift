import AlambicKernels
import AlambicOptimizers
import AlambicTensor

/// All weights (or a gradient, or a direction) as one vector in shards, for ``LBFGS``: every operation is done shard by shard,
/// and of an inner product only one number of each shard comes together, in the order of the shards (Dean et al. 2012,
/// section 4.2: the coordinator sends the servers small operations and never sees a vector).
public struct ShardedVector: LBFGSVector, Sendable {
    /// The elements: a tensor for each parameter.
    public let values: GradientSet
    /// Which elements of `values.flat` each shard has.
    let shards: [Range<Int>]
    private let context: Context

    /// A vector over the memory of `values`, in `count` even shards.
    public init(_ values: GradientSet, shards count: Int, on context: Context) {
        let total = values.flat.count
        precondition(count > 0 && count <= max(total, 1), "\(count) shards of \(total) elements")
        self.values = values
        self.context = context
        shards = (0..<count).map { total * $0 / count..<total * ($0 + 1) / count }
    }

    private init(_ values: GradientSet, like other: ShardedVector) {
        (self.values, shards, context) = (values, other.shards, other.context)
    }

    /// Σ self[i] · other[i], in double precision.
    public func dot(_ other: ShardedVector) throws -> Double {
        var sum = 0.0
        for shard in shards {
            let (x, y) = (part(shard), other.part(shard))
            sum += try AlambicKernels.dot(x.span, y.span, on: context)
        }
        return sum
    }

    /// self += a · x, with a in single precision.
    public func accumulate(_ x: ShardedVector, times a: Double) throws {
        for shard in shards {
            let (source, target) = (x.part(shard), part(shard))
            try AlambicKernels.accumulate(source.span, times: Float(a), into: target.mutableSpan, on: context)
        }
    }

    /// self *= a, with a in single precision.
    public func scale(by a: Double) throws {
        for shard in shards {
            let target = part(shard)
            try AlambicKernels.scale(by: Float(a), into: target.mutableSpan, on: context)
        }
    }

    /// self = other.
    public func copy(from other: ShardedVector) throws {
        for shard in shards { part(shard).copy(from: other.part(shard)) }
    }

    /// A vector with memory of its own.
    public func copied() throws -> ShardedVector {
        let values = try GradientSet(shapes: values.tensors.map(\.shape))
        values.flat.copy(from: self.values.flat)
        return ShardedVector(values, like: self)
    }

    /// The same elements in other memory, such as a gradient's.
    func over(_ values: GradientSet) -> ShardedVector { ShardedVector(values, like: self) }

    private func part(_ shard: Range<Int>) -> Tensor {
        Tensor([shard.count], storage: values.flat.storage, offset: values.flat.offset + shard.lowerBound)
    }
}
