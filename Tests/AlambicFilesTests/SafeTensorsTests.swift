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
