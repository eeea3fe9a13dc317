import AlambicKernels
import AlambicTensor

/// Batches of images in random order without replacement, epoch after epoch; what is left over at the end of an epoch
/// sits out. Batch i is a function of the seed and of i alone, so that a run can go on anywhere.
public struct ImageBatches {
    /// Where they come from.
    public let source: LabelledImages
    /// Images in a batch.
    public let rows: Int
    /// Key of the order and of the shifts.
    public let seed: UInt64
    /// By how many pixels images are moved at most, in both directions, each time anew (Hinton et al. 2015, section 3).
    public let jitter: Int
    /// Which images of the source the last batch has, for whoever keeps something for each of them.
    public private(set) var chosen: [Int32] = []
    private let batch: Tensor
    private let context: Context
    private var order: (epoch: Int, rows: [Int32])?

    /// Batches of `rows` images.
    public init(
        of source: LabelledImages, rows: Int, jitter: Int = 0, seed: UInt64, on context: Context = .default
    ) throws(KernelError) {
        precondition(rows > 0 && rows <= source.count, "batches of \(rows) of \(source.count) images")
        precondition((0...127).contains(jitter), "a jitter of \(jitter) pixels")
        (self.source, self.rows, self.seed, self.jitter, self.context) = (source, rows, seed, jitter, context)
        batch = try Tensor([rows, source.shape.count])
    }

    /// Batches in an epoch.
    public var perEpoch: Int { source.count / rows }

    /// Batch `index`. The images stay as they are until the next call.
    public mutating func batch(_ index: Int) throws(KernelError) -> (images: Tensor, labels: [Int32]) {
        let epoch = index / perEpoch
        if order?.epoch != epoch {
            let permutation = Permutation(count: source.count, seed: seed, stream: UInt64(epoch))
            order = (epoch, (0..<source.count).map { Int32(permutation[$0]) })
        }
        let first = index % perEpoch * rows
        chosen = Array((order?.rows ?? [])[first..<first + rows])
        let (target, all) = (batch, source.images)
        if jitter > 0 {
            let shifts = try shifts(of: index)
            try gather(
                images: all.span, shape: source.shape, rows: chosen.span, shifts: shifts.span,
                into: target.mutableSpan, on: context)
        } else {
            try gather(
                images: all.span, shape: source.shape, rows: chosen.span, shifts: nil, into: target.mutableSpan,
                on: context)
        }
        return (batch, chosen.map { source.labels[Int($0)] })
    }

    /// Down and right for each row, uniform in -jitter...jitter.
    private func shifts(of index: Int) throws(KernelError) -> [Int8] {
        let words = try Memory<UInt32>(count: 2 * rows)
        // The top bits keep these streams apart from those of initialisation and dropout.
        try randomBits(seed: seed, stream: 3 << 62 | UInt64(index), into: words.mutableSpan, on: context)
        let span = words.span
        let choices = UInt64(2 * jitter + 1)
        return (0..<2 * rows).map { Int8(truncatingIfNeeded: Int((UInt64(span[$0]) * choices) >> 32) - jitter) }
    }
}
