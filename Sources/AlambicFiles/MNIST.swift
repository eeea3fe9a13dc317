import Foundation

/// The handwritten digits of MNIST (LeCun et al. 1998): 60,000 images to learn from and 10,000 to test with, of 28 x 28
/// pixels. Read from a directory with the four files under their published names, packed by gzip or not.
public struct MNIST: Sendable {
    /// Images with the digit that each shows.
    public struct Part: Sendable {
        /// Rows of pixels, 0 (paper) ... 255 (ink): count x height x width.
        public let pixels: [UInt8]
        /// 0 ... 9.
        public let labels: [UInt8]
        /// Extents of an image.
        public let height, width: Int
        /// How many images there are.
        public var count: Int { labels.count }
    }

    /// What to learn from.
    public let train: Part
    /// What to test with.
    public let test: Part

    /// Reads both parts.
    public init(directory: URL) throws(FileError) {
        train = try Self.part("train", in: directory)
        test = try Self.part("t10k", in: directory)
        guard train.height == test.height, train.width == test.width else {
            throw FileError(
                .mismatched, path: directory.path, "the images of both parts differ in size",
                expected: "\(train.height) x \(train.width)", found: "\(test.height) x \(test.width)",
                fix: "fetch the files again")
        }
    }

    private static func part(_ name: String, in directory: URL) throws(FileError) -> Part {
        let imagesURL = try file("\(name)-images-idx3-ubyte", in: directory)
        let labelsURL = try file("\(name)-labels-idx1-ubyte", in: directory)
        let images = try IDXFile(contentsOf: imagesURL, dimensions: 3)
        let labels = try IDXFile(contentsOf: labelsURL, dimensions: 1)
        guard images.shape[0] == labels.shape[0] else {
            throw FileError(
                .mismatched, path: labelsURL.path, "labels and images are not equally many",
                expected: "\(images.shape[0]) as in \(imagesURL.lastPathComponent)", found: "\(labels.shape[0])",
                fix: "fetch the files again")
        }
        guard images.shape.allSatisfy({ $0 > 0 }) else {
            throw FileError(
                .malformed, path: imagesURL.path, "there are no images", found: "\(images.shape)",
                fix: "fetch the file again")
        }
        if let index = labels.elements.firstIndex(where: { $0 > 9 }) {
            throw FileError(
                .malformed, path: labelsURL.path, offset: UInt64(8 + index), "a label is not a digit",
                expected: "0 to 9", found: "\(labels.elements[index])", fix: "fetch the file again")
        }
        return Part(
            pixels: images.elements, labels: labels.elements, height: images.shape[1], width: images.shape[2])
    }

    private static func file(_ name: String, in directory: URL) throws(FileError) -> URL {
        for candidate in [name, name + ".gz"] {
            let url = directory.appendingPathComponent(candidate)
            if FileManager.default.fileExists(atPath: url.path) { return url }
        }
        throw FileError(
            .missing, path: directory.path, "there is no file of MNIST called so", expected: "\(name) or \(name).gz",
            fix: "put MNIST's four files there")
    }
}
