import AlambicKernels
import AlambicModels
import AlambicTensor

/// Images with their classes, in memory.
public struct LabelledImages: Sendable {
    /// [count, pixels].
    public let images: Tensor
    /// The class of each.
    public let labels: [Int32]
    /// What one image is.
    public let shape: ImageShape

    /// Images [count, pixels] with a class each.
    public init(images: Tensor, labels: [Int32], shape: ImageShape) {
        precondition(
            images.columns == shape.count && images.rows == labels.count,
            "\(labels.count) labels for images \(images.shape) of \(shape)")
        (self.images, self.labels, self.shape) = (images, labels, shape)
    }

    /// How many there are.
    public var count: Int { labels.count }

    /// Those of a range.
    public func slice(_ range: Range<Int>) -> LabelledImages {
        LabelledImages(images: images.rows(range), labels: Array(labels[range]), shape: shape)
    }

    /// Those of which `isWanted` holds, copied.
    public func filtered(on context: Context = .default, _ isWanted: (_ label: Int32) -> Bool) throws(KernelError)
        -> LabelledImages
    {
        var rows: [Int32] = []
        for (row, label) in labels.enumerated() where isWanted(label) { rows.append(Int32(row)) }
        let chosen = try Tensor([rows.count, shape.count])
        let all = images
        try gather(images: all.span, shape: shape, rows: rows.span, shifts: nil, into: chosen.mutableSpan, on: context)
        return LabelledImages(images: chosen, labels: rows.map { labels[Int($0)] }, shape: shape)
    }

    /// The images as [count, pixels] of a network with another view of them, such as 784 numbers in a row.
    public func reshaped(_ other: ImageShape) -> LabelledImages {
        LabelledImages(images: images, labels: labels, shape: other)
    }
}
