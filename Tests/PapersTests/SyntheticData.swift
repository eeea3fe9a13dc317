import Foundation

/// A directory like that of the real data, with a few images that a small network can tell apart, and a little text.
struct SyntheticData {
    let url: URL
    let out: URL

    init(train: Int = 512, test: Int = 200) throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("papers-\(UUID().uuidString)")
        url = root.appendingPathComponent("data")
        out = root.appendingPathComponent("out")
        let mnist = url.appendingPathComponent("mnist")
        try FileManager.default.createDirectory(at: mnist, withIntermediateDirectories: true)
        try Self.write("train", count: train, seed: 1, to: mnist)
        try Self.write("t10k", count: test, seed: 2, to: mnist)
        let text = url.appendingPathComponent("tinyshakespeare")
        try FileManager.default.createDirectory(at: text, withIntermediateDirectories: true)
        let line = "First Citizen: before we proceed any further, hear me speak.\n"
        try Data(String(repeating: line, count: 400).utf8).write(to: text.appendingPathComponent("input.txt"))
    }

    func remove() { try? FileManager.default.removeItem(at: url.deletingLastPathComponent()) }

    /// The class is the row and column of a bright square; the rest is noise.
    private static func write(_ name: String, count: Int, seed: UInt64, to directory: URL) throws {
        var state = seed
        func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        var images: [UInt8] = [0, 0, 8, 3] + bytes(count) + bytes(28) + bytes(28)
        var labels: [UInt8] = [0, 0, 8, 1] + bytes(count)
        for _ in 0..<count {
            let label = Int(next() % 10)
            labels.append(UInt8(label))
            let (top, left) = (4 + label / 5 * 12, 2 + label % 5 * 5)
            for row in 0..<28 {
                for column in 0..<28 {
                    let inside = (top..<top + 5).contains(row) && (left..<left + 4).contains(column)
                    images.append(UInt8(next() % 60) + (inside ? 150 : 0))
                }
            }
        }
        try Data(images).write(to: directory.appendingPathComponent("\(name)-images-idx3-ubyte"))
        try Data(labels).write(to: directory.appendingPathComponent("\(name)-labels-idx1-ubyte"))
    }

    private static func bytes(_ value: Int) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
    }
}
