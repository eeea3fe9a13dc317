import Alambic
import Foundation

/// MNIST in memory, pixels from 0 to 1.
struct Digits {
    let train: LabelledImages
    let test: LabelledImages

    init(_ lab: Lab) throws {
        let mnist = try MNIST(directory: lab.data.appendingPathComponent("mnist"))
        train = try Self.images(mnist.train)
        test = try Self.images(mnist.test)
    }

    /// Makes a network's first weights smaller, so that its layers have to learn features instead of using random ones.
    static func scale(_ parameters: [Parameter], by factor: Float, on context: Context) throws {
        for parameter in parameters where parameter.kind == .matrix {
            try AlambicKernels.scale(by: factor, into: parameter.value.mutableSpan, on: context)
        }
    }

    private static func images(_ part: MNIST.Part) throws -> LabelledImages {
        let shape = ImageShape(height: part.height, width: part.width, channels: 1)
        let images = try Tensor([part.count, shape.count])
        var values = images.mutableSpan
        for (i, pixel) in part.pixels.enumerated() { values[i] = Float(pixel) / 255 }
        return LabelledImages(images: images, labels: part.labels.map(Int32.init), shape: shape)
    }
}
