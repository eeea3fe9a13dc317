import Foundation
import Testing

@testable import AlambicFiles

/// Reading MNIST's files, whole and damaged.
@Suite struct MNISTTests {
    private func write(_ bytes: [UInt8], _ name: String, in directory: URL) throws {
        try Data(bytes).write(to: directory.appendingPathComponent(name))
    }

    /// Two images of 2 x 3 pixels, and as many to test with.
    private func fill(_ directory: URL) throws {
        for part in ["train", "t10k"] {
            try write(
                [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3] + [UInt8](1...12), "\(part)-images-idx3-ubyte",
                in: directory)
            try write([0, 0, 8, 1, 0, 0, 0, 2, 9, 0], "\(part)-labels-idx1-ubyte", in: directory)
        }
    }

    private func message(_ directory: URL) -> String {
        do throws(FileError) {
            _ = try MNIST(directory: directory)
            return "read"
        } catch {
            return error.description
        }
    }

    @Test func readsPlainFiles() throws {
        let scratch = try Scratch()
        try fill(scratch.url)
        let mnist = try MNIST(directory: scratch.url)
        #expect(mnist.train.pixels == [UInt8](1...12))
        #expect(mnist.train.labels == [9, 0])
        #expect((mnist.test.height, mnist.test.width, mnist.test.count) == (2, 3, 2))
    }

    @Test func refusesDamagedFiles() throws {
        let scratch = try Scratch()
        #expect(message(scratch.url).contains("train-images-idx3-ubyte or train-images-idx3-ubyte.gz"))
        let cases: [(String, [UInt8], String)] = [
            ("train-images-idx3-ubyte", [0, 0, 13, 3], "expected 00000803, found 00000d03"),
            ("train-images-idx3-ubyte", [], "found nothing"),
            ("train-images-idx3-ubyte", [0, 0, 8, 3, 0, 0], "ends within its header"),
            (
                "train-images-idx3-ubyte", [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2],
                "expected 12 for [2, 2, 3], found 2"
            ),
            (
                "train-images-idx3-ubyte", [0, 0, 8, 3] + [UInt8](repeating: 255, count: 12),
                "the extents are too large"
            ),
            ("train-labels-idx1-ubyte", [0, 0, 8, 1, 0, 0, 0, 1, 9], "labels and images are not equally many"),
            ("t10k-labels-idx1-ubyte", [0, 0, 8, 1, 0, 0, 0, 2, 9, 10], "a label is not a digit"),
        ]
        for (name, bytes, expected) in cases {
            try fill(scratch.url)
            try write(bytes, name, in: scratch.url)
            let text = message(scratch.url)
            #expect(text.contains(expected) && text.contains(name), "\(name): \(text)")
            #expect(!text.contains("\n"))
        }
    }

    @Test func readsAndRefusesGzip() throws {
        let scratch = try Scratch()
        try fill(scratch.url)
        // `printf '\0\0\10\1\0\0\0\2\11\0' | gzip -n`, by an independent gzip.
        let labels: [UInt8] = [
            0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x63, 0x60, 0xE0, 0x60, 0x64, 0x60, 0x60, 0x60,
            0xE2, 0x64, 0x00, 0x00, 0x50, 0x17, 0x5E, 0x44, 0x0A, 0x00, 0x00, 0x00,
        ]
        let plain = scratch.url.appendingPathComponent("train-labels-idx1-ubyte")
        try FileManager.default.removeItem(at: plain)
        try write(labels, "train-labels-idx1-ubyte.gz", in: scratch.url)
        #expect(message(scratch.url) == "read")
        try write(Array(labels.prefix(20)), "train-labels-idx1-ubyte.gz", in: scratch.url)
        #expect(message(scratch.url).contains("the gzip stream is cut off or damaged"))
        var flipped = labels
        flipped[22] ^= 1
        try write(flipped, "train-labels-idx1-ubyte.gz", in: scratch.url)
        #expect(message(scratch.url).contains("the gzip stream is cut off or damaged"))
    }

    @Test(.enabled(if: ProcessInfo.processInfo.environment["ALAMBIC_DATA"] != nil, "ALAMBIC_DATA is not set"))
    func realDigits() throws {
        let data = try #require(ProcessInfo.processInfo.environment["ALAMBIC_DATA"])
        let mnist = try MNIST(directory: URL(fileURLWithPath: data).appendingPathComponent("mnist"))
        #expect(mnist.train.count == 60_000 && mnist.test.count == 10_000)
        #expect(mnist.train.height == 28 && mnist.train.width == 28)
        #expect(Array(mnist.train.labels.prefix(5)) == [5, 0, 4, 1, 9])
        #expect(mnist.test.labels.filter { $0 == 3 }.count == 1010)
    }
}
