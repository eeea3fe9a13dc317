import Foundation
import Testing

@testable import AlambicFiles

/// A safetensors file made by hand: nothing here shares code with the writer.
func safetensors(_ header: String, data: Int = 0, length: UInt64? = nil) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = length ?? UInt64(header.utf8.count)
    for _ in 0..<8 {
        bytes.append(UInt8(rest & 0xff))
        rest >>= 8
    }
    bytes += Array(header.utf8)
    bytes += (0..<data).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
    return bytes
}

@Suite struct SafeTensorsTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    @Test func roundTripOfEveryElementType() throws {
        let file = scratch["model.safetensors"]
        let floats: [Float] = [1, -0.0, .pi, .infinity, 1e-45, -3.25]
        try SafeTensors.write(
            [
                .init("f32", shape: [2, 3], floats), .init("f64", shape: [1], [Double.pi]),
                .init("i8", shape: [3], [Int8.min, 0, .max]), .init("u8", shape: [2], [UInt8](1...2)),
                .init("i16", shape: [1], [Int16.min]), .init("u16", shape: [1], [UInt16.max]),
                .init("i32", shape: [2], [Int32.min, .max]), .init("u32", shape: [1], [UInt32.max]),
                .init("i64", shape: [1, 1], [Int64.min]), .init("u64", shape: [], [UInt64.max]),
                .init("empty", shape: [0, 5], [Float]()),
            ], metadata: ["format": "pt", "note": "a \"quoted\"\nline"], to: file)
        let read = try SafeTensors(contentsOf: file)
        #expect(read.metadata == ["format": "pt", "note": "a \"quoted\"\nline"])
        #expect(try read.array("f32", of: Float.self, shape: [2, 3]).map(\.bitPattern) == floats.map(\.bitPattern))
        #expect(try read.floats("f32").map(\.bitPattern) == floats.map(\.bitPattern))
        #expect(try read.array("f64", of: Double.self) == [Double.pi])
        #expect(try read.array("i8", of: Int8.self) == [Int8.min, 0, .max])
        #expect(try read.array("u8", of: UInt8.self) == [1, 2])
        #expect(try read.array("i16", of: Int16.self) == [Int16.min])
        #expect(try read.array("u16", of: UInt16.self) == [UInt16.max])
        #expect(try read.array("i32", of: Int32.self) == [Int32.min, .max])
        #expect(try read.array("u32", of: UInt32.self) == [UInt32.max])
        #expect(try read.array("i64", of: Int64.self, shape: [1, 1]) == [Int64.min])
        #expect(try read.array("u64", of: UInt64.self, shape: []) == [UInt64.max])
        #expect(try read.array("empty", of: Float.self, shape: [0, 5]) == [])
        #expect(try read.withBytes(of: "i8") { Array($0) } == [0x80, 0, 0x7f])
        // Descending alignment, then names.
        #expect(read.names == ["u64", "i64", "f64", "empty", "f32", "u32", "i32", "u16", "i16", "i8", "u8"])
        #expect(read["nothing"] == nil)
    }
}

/// Files that lie, one lie each.
@Suite struct SafeTensorsBadInputTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch(inMemory: true) }

    struct Lie: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [UInt8]
        var kind: FileError.Kind
        /// What the line must contain.
        var words: [String]
        var testDescription: String { name }

        init(_ name: String, _ bytes: [UInt8], _ kind: FileError.Kind, _ words: String...) {
            (self.name, self.bytes, self.kind, self.words) = (name, bytes, kind, words)
        }
    }

    static func header(_ dtype: String, _ shape: String, _ offsets: String, name: String = "w") -> String {
        #"{"\#(name)":{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}}"#
    }

    static func two(_ first: String, _ second: String) -> String {
        #"{"a":{"dtype":"U8","shape":[4],"data_offsets":\#(first)},"#
            + #""b":{"dtype":"U8","shape":[4],"data_offsets":\#(second)}}"#
    }

    static let lies: [Lie] = [
        Lie("nothing", [], .empty, "at least 8 bytes", "found 0"),
        Lie("seven bytes", [1, 2, 3, 4, 5, 6, 7], .truncated, "found 7"),
        Lie("header of 2^60", safetensors("{}", length: 1 << 60), .malformed, "at byte 0", "1152921504606846976"),
        Lie("header of 2^64 - 1", safetensors("{}", length: .max), .malformed, "18446744073709551615"),
        Lie("header of 2^63", safetensors("{}", length: 1 << 63), .malformed, "9223372036854775808"),
        Lie("header at the limit, not there", safetensors("{}", length: 100_000_000), .truncated, "found 2 bytes"),
        Lie("header one byte too long", safetensors("{}", length: 3), .truncated, "expected 3 bytes", "found 2"),
        Lie("no header", safetensors(""), .truncated, "expected a value", "at byte 8"),
        Lie("not JSON", safetensors("<xml/>"), .malformed, "not valid JSON", "found '<'"),
        Lie("an array", safetensors("[]"), .malformed, "expected an object", "found an array"),
        Lie("cut JSON", safetensors(#"{"w":{"dtype":"F"#), .truncated, "the end of the string"),
        Lie("invalid UTF-8", safetensors("{\"w", length: 6) + [0xff, 0x22, 0x7d], .malformed, "a string in UTF-8"),
        Lie("data instead of a header", safetensors("{\"w") + [0xff], .truncated, "the end of the string"),
        Lie("bytes after the JSON", safetensors("{} {}"), .malformed, "the end of the JSON"),
        Lie("deep nesting", safetensors(String(repeating: "[", count: 100_000)), .malformed, "levels of nesting"),
        Lie(
            "repeated name", safetensors(#"{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"w":{}}"#), .malformed,
            "'w' occurs twice"),
        Lie(
            "repeated key", safetensors(#"{"w":{"dtype":"U8","dtype":"U8"}}"#), .malformed, "'dtype' occurs twice"),
        Lie("unknown dtype", safetensors(header("F33", "[1]", "[0,4]"), data: 4), .unsupported, "'w'", "\"F33\""),
        Lie("dtype in lower case", safetensors(header("f32", "[1]", "[0,4]"), data: 4), .unsupported, "\"f32\""),
        Lie("no dtype", safetensors(#"{"w":{"shape":[1],"data_offsets":[0,4]}}"#, data: 4), .malformed, "no such key"),
        Lie("dtype is a number", safetensors(#"{"w":{"dtype":32}}"#), .malformed, "dtype", "found 32"),
        Lie("tensor is a number", safetensors(#"{"w":3}"#), .malformed, "'w'", "no such key"),
        Lie("negative size", safetensors(header("U8", "[-4]", "[0,4]"), data: 4), .malformed, "shape", "[-4]"),
        Lie("fractional size", safetensors(header("U8", "[4.0]", "[0,4]"), data: 4), .malformed, "shape"),
        Lie("size in words", safetensors(header("U8", "[\"4\"]", "[0,4]"), data: 4), .malformed, "shape"),
        Lie("size beyond 64 bits", safetensors(header("U8", "[99999999999999999999]", "[0,4]"), data: 4), .malformed),
        Lie(
            "product overflows", safetensors(header("F32", "[4294967296,4294967296]", "[0,4]"), data: 4), .malformed,
            "beyond any memory"),
        Lie(
            "bits overflow", safetensors(header("F64", "[1152921504606846976]", "[0,4]"), data: 4), .malformed,
            "beyond any memory"),
        Lie(
            "product overflows to zero", safetensors(header("U8", "[9223372036854775807,9,0]", "[0,0]")), .malformed,
            "beyond any memory"),
        Lie("half a byte", safetensors(header("F4", "[3]", "[0,2]"), data: 2), .malformed, "whole number of bytes"),
        Lie("three offsets", safetensors(header("U8", "[4]", "[0,4,4]"), data: 4), .malformed, "[begin, end]"),
        Lie("one offset", safetensors(header("U8", "[4]", "[4]"), data: 4), .malformed, "[begin, end]"),
        Lie("negative offset", safetensors(header("U8", "[4]", "[-4,0]"), data: 4), .malformed, "data_offsets"),
        Lie("ends before it begins", safetensors(header("U8", "[4]", "[4,0]"), data: 4), .malformed, "begin <= end"),
        Lie("past the end", safetensors(header("U8", "[5]", "[0,5]"), data: 4), .truncated, "at most 4", "found 5"),
        Lie(
            "far past the end", safetensors(header("U8", "[4]", "[9223372036854775803,9223372036854775807]"), data: 4),
            .truncated, "past the end"),
        Lie("range too short", safetensors(header("F32", "[2]", "[0,4]"), data: 4), .malformed, "8 bytes for F32 [2]"),
        Lie("range too long", safetensors(header("F32", "[1]", "[0,8]"), data: 8), .malformed, "4 bytes", "found 8"),
        Lie("the same bytes", safetensors(two("[0,4]", "[0,4]"), data: 4), .malformed, "overlaps"),
        Lie("overlapping", safetensors(two("[0,4]", "[2,6]"), data: 6), .malformed, "'b'", "overlaps"),
        Lie("a hole", safetensors(two("[0,4]", "[5,9]"), data: 9), .malformed, "'b'", "hole"),
        Lie("a hole at the start", safetensors(header("U8", "[4]", "[1,5]"), data: 5), .malformed, "hole"),
        Lie("bytes left over", safetensors(two("[0,4]", "[4,8]"), data: 9), .malformed, "found 1 more bytes"),
        Lie("data without tensors", safetensors("{}", data: 3), .malformed, "found 3 more bytes"),
        Lie("metadata is a list", safetensors(#"{"__metadata__":[]}"#), .mismatched, "__metadata__", "an object"),
        Lie("metadata holds a number", safetensors(#"{"__metadata__":{"a":1}}"#), .mismatched, "__metadata__.a"),
    ]

    @Test(arguments: lies) func everyLieIsNamed(lie: Lie) throws {
        let file = try scratch.put("model.safetensors", lie.bytes)
        let error = fileError("\(lie.name)") { _ = try SafeTensors(contentsOf: file) }
        #expect(error?.kind == lie.kind)
        #expect(error?.path == file.path)
        for word in lie.words { #expect(error?.description.contains(word) == true, "\(error?.description ?? "")") }
    }

    /// A small but complete file, as bytes.
    func sample() throws -> [UInt8] {
        let file = scratch["sample"]
        try SafeTensors.write(
            [
                .init("h.0.attn.c_attn.weight", shape: [2, 3], [Float](repeating: 0.5, count: 6)),
                .init("h.0.attn.c_attn.bitmask", shape: [5], [UInt8](0..<5)),
                .init("h.0.row_offsets", shape: [2], [Int64(0), 3]), .init("é", shape: [], [Int8(1)]),
            ], to: file)
        return [UInt8](try Data(contentsOf: file))
    }

    @Test func cutAtEveryByte() throws {
        let whole = try sample()
        for count in 0..<whole.count {
            let file = try scratch.put("cut", Array(whole[..<count]))
            let error = fileError("cut at \(count)") { _ = try SafeTensors(contentsOf: file) }
            #expect([.truncated, .empty].contains(error?.kind), "cut at \(count): \(error?.description ?? "")")
        }
    }

    @Test func flippedBytesNeverCrash() throws {
        let whole = try sample()
        let headerEnd = 8 + Int(whole[0]) + Int(whole[1]) << 8
        for seed in 0..<4_000 {
            var random = SplitMix(seed: UInt64(seed))
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let at = Int.random(in: 0..<headerEnd, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: bytes[at] = .random(in: 0...255, using: &random)
                case 2: bytes[at] = Array("0123456789{}[]\",:\\-eE.u".utf8).randomElement(using: &random) ?? 0
                default: bytes.swapAt(at, Int.random(in: 0..<headerEnd, using: &random))
                }
            }
            if seed % 5 == 0 { bytes.removeLast(Int.random(in: 0..<20, using: &random)) }
            let file = try scratch.put("flipped", bytes)
            do {
                // What passes the checks must be readable to the last byte, inside the file.
                let tensors = try SafeTensors(contentsOf: file)
                var total = 0
                for name in tensors.names {
                    let info = try tensors.info(name)
                    #expect(info.offset + info.byteCount <= bytes.count, "seed \(seed)")
                    total += try tensors.withBytes(of: name) { $0.count }
                }
                #expect(total == tensors.byteCount, "seed \(seed)")
            } catch let error as FileError {
                #expect(!error.description.contains("\n"), "seed \(seed)")
            }
        }
    }

    @Test func randomBytesNeverCrash() throws {
        for seed in 0..<500 {
            var random = SplitMix(seed: UInt64(seed))
            let count = Int.random(in: 0..<200, using: &random)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            // Otherwise the length alone would be refused.
            for (index, byte) in [UInt8(clamping: count - 8), 0, 0, 0, 0, 0, 0, 0].enumerated() where index < count {
                bytes[index] = byte
            }
            let file = try scratch.put("random", bytes)
            #expect(fileError("seed \(seed)") { _ = try SafeTensors(contentsOf: file) } != nil)
        }
    }

    @Test func aFileThatShrinksWhileItIsOpenIsAnError() throws {
        let file = scratch["model.safetensors"]
        try SafeTensors.write([.init("w", shape: [1000], [Float](repeating: 1, count: 1000))], to: file)
        let tensors = try SafeTensors(contentsOf: file)
        #expect(truncate(file.path, 100) == 0)
        let error = fileError { _ = try tensors.floats("w") }
        #expect(error?.kind == .truncated)
        #expect(error?.tensor == "w")
    }

    @Test func wrongTensorsAreNamed() throws {
        let file = scratch["model.safetensors"]
        try SafeTensors.write(
            [.init("w", shape: [2, 3], [Float](repeating: 1, count: 6)), .init("ids", shape: [1], [Int64(1)])], to: file
        )
        let tensors = try SafeTensors(contentsOf: file)
        let missing = fileError { _ = try tensors.floats("x") }
        #expect(missing?.tensor == "x" && missing?.problem == "the tensor is missing")
        let dtype = fileError { _ = try tensors.array("w", of: Int8.self) }
        #expect(dtype?.expected == "I8" && dtype?.found == "F32" && dtype?.offset != nil)
        #expect(fileError { _ = try tensors.floats("ids") }?.found == "I64")
        let shape = fileError { _ = try tensors.floats("w", shape: [3, 2]) }
        #expect(shape?.expected == "[3, 2]" && shape?.found == "[2, 3]")
        try tensors.requireNothingBut(["w"], ignoring: { $0 == "ids" })
        #expect(fileError { try tensors.requireNothingBut(["w"]) }?.tensor == "ids")
    }

    @Test func weightsThatAreNotFiniteAreNamed() throws {
        let file = scratch["model.safetensors"]
        try SafeTensors.write([.init("w", shape: [4], [Float(1), 2, .nan, .infinity])], to: file)
        let tensors = try SafeTensors(contentsOf: file)
        var values = [Float](repeating: 0, count: 4)
        try tensors.readFloats("w", shape: [4], into: values.mutableSpan)
        #expect(values[1] == 2)
        let error = fileError { try tensors.requireFinite("w", values.span) }
        #expect(error?.found == "nan" && error?.problem.contains("element 2") == true)
        #expect(try error?.offset == UInt64(tensors.info("w").offset + 8))
        values[2...] = [0, 0]
        try tensors.requireFinite("w", values.span)
        #expect(fileError { try tensors.read("w", shape: [2, 2], into: values.mutableSpan) }?.found == "[4]")
    }

    @Test func pathsThatAreNoFiles() throws {
        #expect(fileError { _ = try SafeTensors(contentsOf: scratch["none"]) }?.kind == .missing)
        #expect(fileError { _ = try SafeTensors(contentsOf: scratch.url) }?.kind == .notAFile)
        #expect(fileError { _ = try SafeTensors(contentsOf: URL(fileURLWithPath: "/dev/zero")) }?.kind == .notAFile)
        #expect(mkfifo(scratch["pipe"].path, 0o600) == 0)
        #expect(fileError { _ = try SafeTensors(contentsOf: scratch["pipe"]) }?.kind == .notAFile)
        #expect(fileError { _ = try SafeTensors(modelDirectory: scratch["none"]) }?.kind == .missing)
        #expect(fileError { _ = try SafeTensors(modelDirectory: scratch.url) }?.kind == .missing)
        try scratch.put("file", "x")
        #expect(fileError { _ = try SafeTensors(modelDirectory: scratch["file"]) }?.kind == .notADirectory)
    }

    @Test func namesCannotBreakTheLine() throws {
        let header = Self.header("F32", "[1]", "[0,8]", name: #"a\nb\u001b[31m"#)
        let file = try scratch.put("model.safetensors", safetensors(header, data: 8))
        let error = fileError { _ = try SafeTensors(contentsOf: file) }
        #expect(error?.description.contains("\u{1b}") == false)
    }
}
