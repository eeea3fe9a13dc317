import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// Forms of weights, their bytes, and what is refused.
@Suite struct PackedWeightTests {
    private static let shapes: [(rows: Int, columns: Int)] = [(1, 1), (3, 8), (5, 9), (16, 31), (7, 64), (33, 17)]

    private func weights(_ rows: Int, _ columns: Int, seed: UInt64, sparse: Bool) throws -> Tensor {
        var random = SplitMix(seed: seed)
        var values = random.floats(rows * columns)
        if sparse {
            for i in values.indices where random.next() % 4 != 0 { values[i] = 0 }
            // A row without a single element.
            for i in 0..<columns { values[rows / 2 * columns + i] = 0 }
        }
        return try Tensor([rows, columns], values)
    }

    private func forms(_ rows: Int, _ columns: Int, seed: UInt64) throws -> [PackedWeight] {
        let (dense, sparse) = (
            try weights(rows, columns, seed: seed, sparse: false), try weights(rows, columns, seed: seed, sparse: true)
        )
        return [
            .f32(dense), .int8(try QuantizedTensor(dense, on: .default)), .bitmask(try BitmaskTensor(sparse)),
            .bitmask(try BitmaskTensor(try QuantizedTensor(sparse, on: .default))),
        ]
    }

    private func read(_ stored: [StoredTensor], shape: Shape) throws -> PackedWeight {
        try PackedWeight("x.weight", shape: shape) { name in stored.first { $0.name == name } }
    }

    @Test(arguments: shapes) func roundTrips(shape: (rows: Int, columns: Int)) throws {
        for weight in try forms(shape.rows, shape.columns, seed: 3) {
            let stored = weight.stored(as: "x.weight")
            #expect(Set(stored.map(\.name)).isSubset(of: PackedWeight.names(of: "x.weight")))
            #expect(stored.reduce(0) { $0 + $1.bytes.count } == weight.byteCount, "\(weight.formName) \(shape)")
            let again = try read(stored, shape: weight.shape)
            #expect(again.formName == weight.formName)
            #expect(again.nonzeroCount == weight.nonzeroCount)
            let (a, b) = (try again.dense().elements, try weight.dense().elements)
            #expect(firstDifference(a, b) == nil, "\(weight.formName) \(shape)")
            for (x, y) in zip(stored, again.stored(as: "x.weight")) {
                #expect(x.name == y.name && x.shape == y.shape && x.type == y.type && x.bytes == y.bytes)
            }
        }
    }

    @Test func bitmaskIsWhatCompressedTensorsWrites() throws {
        // Rows 0 0 5 0 0 0 0 0 7 and 1 0 … 0: bits 2 and 8 of row 0, bit 0 of row 1, least significant first.
        var values = [Float](repeating: 0, count: 18)
        (values[2], values[8], values[9]) = (5, 7, 1)
        let stored = PackedWeight.bitmask(try BitmaskTensor(try Tensor([2, 9], values))).stored(as: "h.0.w.weight")
        let byName = Dictionary(uniqueKeysWithValues: stored.map { ($0.name, $0) })
        #expect(byName["h.0.w.bitmask"]?.bytes == [4, 1, 1, 0])
        #expect(byName["h.0.w.bitmask"]?.shape == [2, 2])
        #expect(byName["h.0.w.row_offsets"]?.bytes == [0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])
        #expect(byName["h.0.w.shape"]?.bytes == [2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0])
        #expect(byName["h.0.w.compressed"]?.shape == [3])
        #expect(byName["h.0.w.compressed"]?.bytes == [0, 0, 0xa0, 0x40, 0, 0, 0xe0, 0x40, 0, 0, 0x80, 0x3f])
    }

    @Test func int8IsClose() throws {
        let dense = try weights(20, 33, seed: 9, sparse: false)
        let quantized = try QuantizedTensor(dense, on: .default)
        let back = try quantized.dense().elements
        for (i, (a, b)) in zip(dense.elements, back).enumerated() {
            // Half a step, and the rounding of the scale.
            #expect(abs(a - b) <= quantized.scales.span[i / 33] * 0.5001, "element \(i)")
        }
    }

    /// Stored tensors with one of them changed, or left out.
    private func damaged(
        _ weight: PackedWeight, _ name: String, _ change: (StoredTensor) -> StoredTensor?
    ) -> [StoredTensor] {
        weight.stored(as: "x.weight").compactMap { $0.name == name ? change($0) : $0 }
    }

    private func expectRefusal(
        _ stored: [StoredTensor], shape: Shape, tensor: String, _ reason: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(sourceLocation: sourceLocation) {
            try read(stored, shape: shape)
        } throws: { error in
            guard let error = error as? WeightFormatError else { return false }
            return error.tensor == tensor && error.reason.contains(reason)
        }
    }

    @Test func damageIsRefused() throws {
        let all = try forms(5, 9, seed: 4)
        let (f32, int8, sparse, sparseInt8) = (all[0], all[1], all[2], all[3])
        let shape: Shape = [5, 9]
        func set(_ index: Int, _ byte: UInt8) -> (StoredTensor) -> StoredTensor {
            { stored in
                var bytes = stored.bytes
                bytes[index] = byte
                return StoredTensor(name: stored.name, type: stored.type, shape: stored.shape, bytes: bytes)
            }
        }
        func shorter(_ stored: StoredTensor) -> StoredTensor {
            StoredTensor(
                name: stored.name, type: stored.type, shape: stored.shape, bytes: Array(stored.bytes.dropLast()))
        }
        func retyped(_ stored: StoredTensor) -> StoredTensor {
            StoredTensor(name: stored.name, type: .s64, shape: stored.shape, bytes: stored.bytes)
        }
        expectRefusal([], shape: shape, tensor: "x.weight", "missing")
        expectRefusal(f32.stored(as: "x.weight"), shape: [9, 5], tensor: "x.weight", "expected shape [9, 5]")
        expectRefusal(damaged(f32, "x.weight", shorter), shape: shape, tensor: "x.weight", "bytes")
        expectRefusal(damaged(f32, "x.weight", retyped), shape: shape, tensor: "x.weight", "F32")
        // 0x7fc00000 is a NaN.
        let withNaN = damaged(f32, "x.weight") { set(7, 0x7f)(set(6, 0xc0)($0)) }
        expectRefusal(withNaN, shape: shape, tensor: "x.weight", "element 1 is nan")
        expectRefusal(damaged(int8, "x.weight_scale") { _ in nil }, shape: shape, tensor: "x.weight_scale", "missing")
        expectRefusal(damaged(int8, "x.weight_scale", shorter), shape: shape, tensor: "x.weight_scale", "bytes")
        for weight in [sparse, sparseInt8] {
            for name in ["x.bitmask", "x.row_offsets", "x.shape"] {
                expectRefusal(damaged(weight, name) { _ in nil }, shape: shape, tensor: name, "missing")
                expectRefusal(damaged(weight, name, shorter), shape: shape, tensor: name, "bytes")
            }
            expectRefusal(damaged(weight, "x.shape", set(0, 6)), shape: shape, tensor: "x.shape", "found [6, 9]")
            let negative = damaged(weight, "x.row_offsets", set(7, 0x80))
            expectRefusal(negative, shape: shape, tensor: "x.row_offsets", "row 0")
            let outside = damaged(weight, "x.bitmask", set(1, 0x80))
            expectRefusal(outside, shape: shape, tensor: "x.bitmask", "beyond its 9")
            // Every bit of row 0 set: more elements than the rows after it say.
            expectRefusal(
                damaged(weight, "x.bitmask", set(0, 0xff)), shape: shape, tensor: "x.row_offsets", "row 1")
            // Every bit of the last row set: more elements than there are.
            expectRefusal(
                damaged(weight, "x.bitmask", set(8, 0xff)), shape: shape, tensor: "x.compressed", "expected shape")
        }
    }
}
