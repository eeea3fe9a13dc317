import AlambicTestSupport
import Foundation
import Testing

@testable import AlambicFiles

/// A pruned matrix with shared values.
private func shared(_ shape: [Int], values: Int, keep: Double, seed: UInt64) -> SharedValues {
    var random = SplitMix(seed: seed)
    func part() -> Double { Double(random.next() >> 11) / Double(1 << 53) }
    let codebook = (0..<values).map { _ in Float(part() - 0.5) }
    let symbols = (0..<shape.reduce(1, *)).map { _ in
        part() < keep ? UInt8(1 + min(Int(part() * part() * Double(values)), values - 1)) : 0
    }
    return SharedValues(shape: shape, codebook: codebook, symbols: symbols)
}

@Suite struct DeepCompressionFileTests {
    private let scratch: Scratch
    private let tiny = SharedValues(shape: [2, 4], codebook: [1, -2], symbols: [0, 1, 0, 0, 2, 1, 0, 1])

    init() throws { scratch = try Scratch(inMemory: true) }

    /// Steps of at most 2: entries 1 (step 2), filler (2), 2 (1), 1 (1), 1 (2). Symbols 1 0 2 1 1 in the code 0: 10, 1: 0,
    /// 2: 11 are 0 10 11 0 0; steps 2 2 1 1 2 are 1 1 0 0 1.
    @Test func aSectionByHand() throws {
        let section = SharedSection(tiny, gapBits: 1)
        #expect(
            section.bytes == [
                0x00, 0x00, 0x80, 0x3F, 0x00, 0x00, 0x00, 0xC0, 0x21, 0x21, 0x10, 0b0101_1000, 0b1100_1000,
            ])
        #expect(
            section.layout
                == SharedSection.Layout(codebook: 2, gapBits: 1, entries: 5, symbolBytes: 1, gapBytes: 1))
        #expect(try SharedSection.decode(section.bytes, section.layout, shape: [2, 4]) == tiny)
        #expect(tiny.values == [0, 1, 0, 0, -2, 1, 0, 1] && tiny.kept == 4)
    }

    @Test func bringsEveryBitBack() throws {
        let odd: [Float] = [-0.0, .nan, .infinity, .leastNonzeroMagnitude, 1 / 3]
        let tensors: [(name: String, tensor: DeepCompressionTensor)] = [
            ("layers.0.weight", .shared(shared([30, 784], values: 63, keep: 0.08, seed: 1))),
            ("layers.0.bias", .floats(shape: [5], odd)),
            ("dense", .shared(shared([20, 25], values: 255, keep: 1, seed: 2))),
            ("one value", .shared(shared([7, 11], values: 1, keep: 0.5, seed: 3))),
            (
                "nothing left",
                .shared(SharedValues(shape: [40, 50], codebook: [], symbols: .init(repeating: 0, count: 2000)))
            ),
            ("scalar", .floats(shape: [], [2])),
            ("no rows", .shared(SharedValues(shape: [0, 5], codebook: [], symbols: []))),
            ("é\n\"", .floats(shape: [0], [])),
        ]
        for gapBits in [nil, 0, 1, 5, 8] {
            let url = scratch["x.deep"]
            try DeepCompressionFile.write(tensors, metadata: ["note": 7], gapBits: gapBits, to: url)
            let file = try DeepCompressionFile(url)
            #expect(file.metadata == ["note": 7] && file.tensors.map(\.name) == tensors.map(\.name))
            #expect(file.bytes == (try Data(contentsOf: url)).count)
            for (name, tensor) in tensors {
                let read = try file.tensor(name)
                #expect(read.shape == tensor.shape)
                #expect(read.values.map(\.bitPattern) == tensor.values.map(\.bitPattern), "\(name)")
            }
            let sections = file.tensors.reduce(0) { $0 + $1.bytes }
            #expect(file.tensors.first.map { $0.offset + sections } == file.bytes)
        }
        // What is chosen is no longer than any fixed choice.
        func size(_ gapBits: Int?) throws -> Int {
            try DeepCompressionFile.write(tensors, gapBits: gapBits, to: scratch["size"])
            return try DeepCompressionFile(scratch["size"]).tensors[0].bytes
        }
        let chosen = try size(nil)
        for gapBits in 0...8 { #expect(try size(gapBits) >= chosen) }
    }

    /// 8 % of 784 x 300 weights anywhere: no code can do with less than the symbols' entropy and h(0.08) / 0.08 = 5.03 bits
    /// for the place of each. (Those of a trained network lie closer together: the paper has 3.7.)
    @Test func comesCloseToTheEntropy() throws {
        let values = shared([300, 784], values: 63, keep: 0.08, seed: 4)
        let kept = Double(values.kept)
        var counts = [Double](repeating: 0, count: 64)
        for symbol in values.symbols where symbol != 0 { counts[Int(symbol)] += 1 }
        let symbols = counts.reduce(0) { $0 + ($1 > 0 ? $1 / kept * log2(kept / $1) : 0) }
        let density = kept / Double(values.symbols.count)
        let places = -log2(density) - (1 - density) / density * log2(1 - density)
        let section = SharedSection(values, gapBits: nil)
        let bits = 8 * Double(section.bytes.count - 4 * 63) / kept
        #expect(bits > symbols + places && bits < symbols + places + 0.25, "\(bits) for \(symbols) + \(places)")
    }

    private func line(_ url: URL) -> String {
        do {
            let file = try DeepCompressionFile(url)
            for tensor in file.tensors { _ = try file.tensor(tensor.name) }
            return ""
        } catch let error as FileError {
            #expect(!error.description.contains("\n"))
            return error.description
        } catch {
            return "\(error)"
        }
    }

    /// Whatever byte changes, and wherever the file is cut, it is refused.
    @Test func everyByteIsChecked() throws {
        let url = scratch["x"]
        try DeepCompressionFile.write(
            [("w", .shared(tiny)), ("b", .floats(shape: [2], [1, 2]))], metadata: "m", gapBits: 3, to: url)
        let bytes = [UInt8](try Data(contentsOf: url))
        #expect(line(url) == "")
        for place in bytes.indices {
            for bit in [0, 6, 7] {
                var changed = bytes
                changed[place] ^= 1 << UInt8(bit)
                #expect(line(try scratch.put("changed", changed)) != "", "byte \(place)")
            }
            #expect(line(try scratch.put("cut", Array(bytes[..<place]))) != "", "cut at \(place)")
        }
        #expect(line(try scratch.put("long", bytes + [0])).contains("there is something after the last tensor"))
    }

    @Test func saysWhatIsWrong() throws {
        let url = scratch["x"]
        try DeepCompressionFile.write([("w", .shared(tiny)), ("b", .floats(shape: [2], [1, 2]))], to: url)
        let bytes = [UInt8](try Data(contentsOf: url))
        func message(_ change: (inout [UInt8]) -> Void) throws -> String {
            var changed = bytes
            change(&changed)
            return line(try scratch.put("y", changed)).replacing(scratch["y"].path, with: "y")
        }
        #expect(
            try message { $0 = [] }
                == "y: at byte 0: this is not a deep compression file: expected 'ALAMDEEP'; name another file, or make it again"
        )
        #expect(
            try message { $0[8] = 2 }
                == "y: at byte 8: another version of the format: expected 1, found 2; make it again with this release")
        #expect(
            try message { $0.removeLast() }
                == "y: tensor 'b': at byte \(bytes.count - 8): the file is cut off: expected 8 more bytes, found 7; copy it again, or make it again"
        )
        #expect(
            try message { $0[30] ^= 1 }
                == "y: at byte 16: the header is damaged; copy it again, or make it again")
        #expect(
            try message { $0[$0.count - 1] ^= 1 }
                == "y: tensor 'b': at byte \(bytes.count - 8): the tensor's bytes are damaged; copy it again, or make it again"
        )
        let file = try DeepCompressionFile(url)
        #expect(fileError { _ = try file.tensor("v") }?.problem == "the file has no such tensor")
        #expect(fileError { _ = try DeepCompressionFile(scratch["nowhere"]) }?.kind == .missing)
    }

    /// A file with right checksums over bytes that mean nothing.
    private func forged(_ section: [UInt8], _ layout: SharedSection.Layout, shape: [Int] = [2, 4]) throws -> String {
        let info = DeepCompressionInfo(
            name: "w", shape: shape, offset: 0, bytes: section.count, layout: layout, digest: fnv1a(section))
        return line(try scratch.put("f", DeepCompressionHeader.bytes([info], metadata: .null) + section))
    }

    @Test func refusesForgedSections() throws {
        let good = SharedSection(tiny, gapBits: 1)
        func problem(
            shape: [Int] = [2, 4], layout: (inout SharedSection.Layout) -> Void = { _ in },
            bytes change: (inout [UInt8]) -> Void = { _ in }
        ) throws -> String {
            var (bytes, changed) = (good.bytes, good.layout)
            change(&bytes)
            layout(&changed)
            return try forged(bytes, changed, shape: shape)
        }
        #expect(try problem() == "")
        #expect(try problem(bytes: { $0[8] = 0x11 }).contains("the Huffman table is over-subscribed"))
        #expect(try problem(bytes: { $0[8] = 0x31 }).contains("the Huffman table is incomplete"))
        #expect(try problem(bytes: { $0[10] = 0x11 }).contains("after the Huffman tables"))
        #expect(try problem(bytes: { $0[11] = 0b0101_1001 }).contains("after the last codeword"))
        #expect(try problem(shape: [7]).contains("an index beyond the matrix"))
        #expect(try problem(shape: [10]).contains("too few entries for the shape"))
        #expect(try problem(shape: [1 << 24, 1 << 24]).contains("too few entries for the shape"))
        #expect(try problem(shape: [1 << 32, 1 << 32]).contains("the shape makes no sense"))
        #expect(try problem(shape: [-2, -4]).contains("the shape makes no sense"))
        #expect(try problem(layout: { $0.entries = 4 }).contains("after the last codeword"))
        #expect(try problem(layout: { $0.entries = 1 << 40 }).contains("the bit stream is cut off"))
        #expect(try problem(layout: { $0.gapBits = 9 }).contains("key 'gap_bits'"))
        #expect(try problem(layout: { $0.codebook = 256 }).contains("key 'codebook'"))
        #expect(try problem(layout: { $0.symbolBytes = 1 << 47 }).contains("the file is cut off"))
        #expect(try problem(layout: { $0.symbolBytes = -1 }).contains("key 'symbol_bytes'"))
        let two = DeepCompressionInfo(
            name: "w", shape: [0], offset: 0, bytes: 0, layout: nil, digest: fnv1a([UInt8]()))
        #expect(
            line(try scratch.put("f", DeepCompressionHeader.bytes([two, two], metadata: .null)))
                .contains("two tensors have this name"))
    }

    /// Random bytes behind right checksums give an error or a tensor of the right shape, and nothing else.
    @Test func survivesRandomSections() throws {
        var random = SplitMix(seed: 9)
        let good = SharedSection(shared([8, 16], values: 5, keep: 0.4, seed: 5), gapBits: 2)
        for _ in 0..<20_000 {
            var bytes = good.bytes
            for _ in 0...random.next() % 4 {
                bytes[20 + Int(random.next() % UInt64(bytes.count - 20))] = UInt8(truncatingIfNeeded: random.next())
            }
            if let read = try? SharedSection.decode(bytes, good.layout, shape: [8, 16]) {
                #expect(read.symbols.count == 128 && read.symbols.allSatisfy { $0 <= 5 })
            }
        }
    }
}
