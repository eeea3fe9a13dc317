import Foundation
import Testing

@testable import AlambicFiles

/// What other programs write must be read, and what we write must be what they expect.
@Suite struct SafeTensorsLayoutTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    @Test func theBytesAreThoseOfTheFormat() throws {
        try SafeTensors.write(
            [.init("b", shape: [2], [Int8(1), -1]), .init("a", shape: [1], [Float(1)])], metadata: [:], to: scratch["f"]
        )
        var header = #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
        header += #""b":{"dtype":"I8","shape":[2],"data_offsets":[4,6]}}"#
        while header.utf8.count % 8 != 0 { header += " " }
        #expect([UInt8](try Data(contentsOf: scratch["f"])) == safetensors(header) + [0, 0, 0x80, 0x3f, 1, 0xff])
    }

    @Test func equalTensorsGiveEqualBytesInAnyOrder() throws {
        let entries = (0..<20).map { SafeTensors.Entry("w\($0)", shape: [1], [Float($0)]) }
        try SafeTensors.write(entries, metadata: ["a": "1", "b": "2", "c": "3"], to: scratch["1"])
        try SafeTensors.write(entries.reversed(), metadata: ["c": "3", "b": "2", "a": "1"], to: scratch["2"])
        #expect(try Data(contentsOf: scratch["1"]) == Data(contentsOf: scratch["2"]))
    }

    @Test func noTensors() throws {
        try SafeTensors.write([], metadata: [:], to: scratch["f"])
        #expect([UInt8](try Data(contentsOf: scratch["f"])) == safetensors("{}      "))
        #expect(try SafeTensors(contentsOf: scratch["f"]).names == [])
    }

    @Test func headersOfOtherWriters() throws {
        // Data in another order than the names, spaces, an odd header length, a scalar, an empty tensor, packed bits.
        let header = """
            { "z" : {"data_offsets":[0,4],"shape":[4],"dtype":"U8"}, "__metadata__":{"format":"pt"},
              "a":{"dtype":"F64","shape":[],"data_offsets":[4,12]},
              "e":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]},
              "p":{"dtype":"F4","shape":[2,3],"data_offsets":[12,15]}, "\\u00e9\\ud83d\\ude00" :
              {"dtype":"BOOL","shape":[1],"data_offsets":[15,16]}}
            """ + " "
        let file = try scratch.put("f", safetensors(header, data: 16))
        let tensors = try SafeTensors(contentsOf: file)
        #expect(tensors.names == ["z", "e", "a", "p", "é😀"])
        #expect(tensors.metadata == ["format": "pt"])
        #expect(try tensors.array("z", of: UInt8.self) == [11, 48, 85, 122])
        #expect(try tensors.info("a").elementCount == 1)
        #expect(try tensors.info("e").elementCount == 0)
        #expect(
            try tensors.withBytes(of: "p") { Array($0) } == (12..<15).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) })
    }

    @Test func halvesBecomeFloatsExactly() throws {
        // All 65,536 patterns of both kinds, against arithmetic on their fields.
        let patterns = (0...UInt16.max).map { $0 }
        let bytes = patterns.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] }
        for (name, exponentBits, fractionBits) in [("F16", 5, 10), ("BF16", 8, 7)] {
            let header = #"{"w":{"dtype":"\#(name)","shape":[65536],"data_offsets":[0,131072]}}"#
            let file = try scratch.put("f", safetensors(header) + bytes)
            let values = try SafeTensors(contentsOf: file).floats("w")
            var wrong: [UInt16] = []
            for (pattern, value) in zip(patterns, values) {
                let exponent = Int(pattern >> fractionBits) & (1 << exponentBits - 1)
                let fraction = Double(Int(pattern) & (1 << fractionBits - 1)) / Double(1 << fractionBits)
                let bias = 1 << (exponentBits - 1) - 1
                var expected: Double =
                    exponent == 1 << exponentBits - 1
                    ? (fraction == 0 ? .infinity : .nan)
                    : exponent == 0
                        ? fraction * pow(2, Double(1 - bias)) : (1 + fraction) * pow(2, Double(exponent - bias))
                if pattern >> 15 == 1 { expected = -expected }
                let same = expected.isNaN ? value.isNaN : Double(value).bitPattern == expected.bitPattern
                if !same { wrong.append(pattern) }
            }
            #expect(wrong.isEmpty, "\(name): \(wrong.prefix(5))")
        }
        try SafeTensors.write([.init("d", shape: [2], [0.1, -1e300])], to: scratch["d"])
        #expect(try SafeTensors(contentsOf: scratch["d"]).floats("d") == [Float(0.1), -.infinity])
    }

    @Test func aWriterThatLiesIsStopped() throws {
        try AtomicFile.write("old", to: scratch["f"])
        let one = SafeTensors.Entry("a", shape: [1], [Float(1)])
        #expect(fileError { try SafeTensors.write([one, one], to: scratch["f"]) }?.tensor == "a")
        let reserved = SafeTensors.Entry("__metadata__", shape: [1], [Float(1)])
        #expect(fileError { try SafeTensors.write([reserved], metadata: [:], to: scratch["f"]) } != nil)
        let short = SafeTensors.Entry("s", shape: [2], [Float(1)])
        #expect(fileError { try SafeTensors.write([short], to: scratch["f"]) }?.expected == "8 bytes for F32 [2]")
        let negative = SafeTensors.Entry("n", .f32, shape: [-1]) { _ in }
        #expect(fileError { try SafeTensors.write([negative], to: scratch["f"]) }?.found == "[-1]")
        let huge = SafeTensors.Entry("h", .f32, shape: [.max]) { _ in }
        #expect(fileError { try SafeTensors.write([huge, one], to: scratch["f"]) }?.tensor == "h")
        #expect(try scratch.contents() == ["f": "old"])
    }

    @Test func bytesInPieces() throws {
        let entry = SafeTensors.Entry("w", .u8, shape: [6]) { sink in
            for byte in [UInt8](0..<6) { try withUnsafeBytes(of: byte) { try sink($0) } }
        }
        try SafeTensors.write([entry], to: scratch["f"])
        #expect(try SafeTensors(contentsOf: scratch["f"]).array("w", of: UInt8.self) == [0, 1, 2, 3, 4, 5])
    }

    @Test func shardsReadAsOne() throws {
        let files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
        try SafeTensors.write([.init("a", shape: [1], [Float(1)])], to: scratch[files[0]])
        try SafeTensors.write([.init("b", shape: [1], [Float(2)])], to: scratch[files[1]])
        func index(_ map: JSONObject) throws {
            try JSON.object(["metadata": ["total_size": 8], "weight_map": .object(map)])
                .write(to: scratch["model.safetensors.index.json"])
        }
        try index(["a": .string(files[0]), "b": .string(files[1])])
        let tensors = try SafeTensors(modelDirectory: scratch.url)
        #expect(tensors.names == ["a", "b"])
        #expect(try tensors.floats("b") == [2])
        #expect(fileError { _ = try tensors.array("b", of: Int8.self) }?.path == scratch[files[1]].path)

        try index(["a": .string(files[0]), "b": .string(files[0])])
        #expect(fileError { _ = try SafeTensors(modelDirectory: scratch.url) }?.tensor == "b")
        try index(["a": .string(files[0]), "b": .string(files[1]), "c": .string(files[1])])
        #expect(fileError { _ = try SafeTensors(modelDirectory: scratch.url) }?.tensor == "c")
        try index(["a": .string("../\(scratch.url.lastPathComponent)/\(files[0])")])
        #expect(fileError { _ = try SafeTensors(modelDirectory: scratch.url) }?.expected?.contains("beside") == true)
        try index([:])
        #expect(fileError { _ = try SafeTensors(modelDirectory: scratch.url) }?.kind == .empty)
        try index(["a": "model-00003-of-00002.safetensors"])
        #expect(fileError { _ = try SafeTensors(modelDirectory: scratch.url) }?.kind == .missing)
        try SafeTensors.write([.init("a", shape: [1], [Float(2)])], to: scratch[files[1]])
        try index(["a": .string(files[0]), "b": .string(files[1])])
        #expect(fileError { _ = try SafeTensors(modelDirectory: scratch.url) }?.tensor == "a")
    }
}
