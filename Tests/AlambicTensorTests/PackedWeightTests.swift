import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// Forms of weights, their bytes, and what is refused.
@Suite struct PackedWeightTests {
    private static let shapes: [(rows: Int, columns: Int)] = [
        (1, 1), (3, 8), (5, 9), (16, 31), (7, 64), (33, 17), (5, 128),
    ]

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

    /// 16-bit floats, and 4-bit integers where groups divide the columns, dense and sparse.
    private func shortForms(_ rows: Int, _ columns: Int, seed: UInt64) throws -> [PackedWeight] {
        var forms: [PackedWeight] = []
        for isSparse in [false, true] {
            let tensor = try weights(rows, columns, seed: seed, sparse: isSparse)
            var dense: [PackedWeight] = []
            for format in HalfFormat.allCases {
                let halves = try HalfTensor(tensor.shape)
                try convert(tensor.span, to: format, into: halves.mutableSpan, on: .default)
                dense.append(PackedWeight(halves, format))
            }
            for group in GroupedTensor.groups where columns.isMultiple(of: group) {
                dense.append(.int4(try GroupedTensor(tensor, group: group, on: .default)))
            }
            forms += isSparse ? try dense.map { try $0.sparse() } : dense
        }
        return forms
    }

    private func read(_ stored: [StoredTensor], shape: Shape) throws -> PackedWeight {
        try PackedWeight("x.weight", shape: shape) { name in stored.first { $0.name == name } }
    }

    @Test(arguments: shapes) func roundTrips(shape: (rows: Int, columns: Int)) throws {
        let (rows, columns) = (shape.rows, shape.columns)
        for weight in try forms(rows, columns, seed: 3) + shortForms(rows, columns, seed: 4) {
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

    @Test func sparseFormsAreTheirDenseSelves() throws {
        for weight in try shortForms(6, 128, seed: 8) {
            guard case .bitmask(let sparse) = weight else {
                let again = try weight.sparse()
                #expect(firstDifference(try again.dense().elements, try weight.dense().elements) == nil)
                #expect(again.nonzeroCount == weight.nonzeroCount)
                #expect(again.formName == "bitmask-" + weight.formName)
                continue
            }
            let expanded = try sparse.expanded()
            #expect("bitmask-" + expanded.formName == weight.formName && expanded.nonzeroCount == weight.nonzeroCount)
            #expect(weight.nonzeroCount < 6 * 128 / 2 && weight.byteCount < expanded.byteCount)
        }
        // A negative zero is a zero.
        let zeros = try HalfTensor([1, 3], [0x8000, 0, 0x3f80])
        #expect(PackedWeight.bf16(zeros).nonzeroCount == 1)
        #expect(try PackedWeight.bf16(zeros).sparse().nonzeroCount == 1)
    }

    @Test func int4IsWhatCompressedTensorsWrites() throws {
        // Scale 1 for k < 32 with integers k mod 16 - 8, scale -2 for the others with -8 alone.
        var values = (0..<64).map { $0 < 32 ? Float($0 % 16 - 8) : 0 }
        values[40] = 16
        let stored = PackedWeight.int4(try GroupedTensor(try Tensor([1, 64], values), on: .default)).stored(
            as: "x.weight")
        #expect(stored.map(\.name) == ["x.weight_packed", "x.weight_scale", "x.weight_shape"])
        #expect(stored.map(\.type) == [.s32, .f16, .s64])
        #expect(stored.map(\.shape) == [[1, 8], [1, 2], [2]])
        // A word holds eight columns, the first in its lowest bits: 0x76543210, 0xfedcba98, 0x88888888.
        let ramp: [UInt8] = [0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe]
        let rest = [UInt8](repeating: 0x88, count: 4) + [0x80] + [UInt8](repeating: 0x88, count: 11)
        #expect(stored[0].bytes == ramp + ramp + rest)
        #expect(stored[1].bytes == [0x00, 0x3c, 0x00, 0xc0])
        #expect(stored[2].bytes == [1, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test func otherProgramsScalesAreTakenWhereExact() throws {
        let weight = try PackedWeight.int4(
            GroupedTensor(try Tensor([1, 32], (0..<32).map { Float($0 - 16) }), on: .default))
        func reading(_ type: DType, _ bytes: [UInt8]) throws -> PackedWeight {
            try read(
                damaged(weight, "x.weight_scale") { _ in
                    StoredTensor(name: "x.weight_scale", type: type, shape: [1, 1], bytes: bytes)
                }, shape: [1, 32])
        }
        // The scale is 2.
        let dense = try weight.dense().elements
        #expect(try reading(.bf16, [0x00, 0x40]).dense().elements == dense)
        #expect(try reading(.f32, [0, 0, 0x00, 0x40]).dense().elements == dense)
        // 2^100, and 1 + 2^-20.
        for (type, bytes) in [(DType.bf16, [0x80, 0x71]), (.f32, [0x08, 0, 0x80, 0x3f])] as [(DType, [UInt8])] {
            let error = #expect(throws: WeightFormatError.self) { try reading(type, bytes) }
            #expect(error?.reason.contains("F16 does not hold exactly") == true, "\(String(describing: error))")
        }
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

    @Test func damagedShortFormsAreRefused() throws {
        let shape: Shape = [5, 128]
        let all = Dictionary(
            try shortForms(5, 128, seed: 4).map { ($0.formName, $0) }, uniquingKeysWith: { first, _ in first })
        func changed(_ stored: StoredTensor, type: DType? = nil, shape: [Int]? = nil, bytes: [UInt8]? = nil)
            -> StoredTensor
        {
            StoredTensor(
                name: stored.name, type: type ?? stored.type, shape: shape ?? stored.shape, bytes: bytes ?? stored.bytes
            )
        }
        func patched(_ places: [Int: UInt8]) -> (StoredTensor) -> StoredTensor {
            { stored in
                var bytes = stored.bytes
                for (place, byte) in places { bytes[place] = byte }
                return changed(stored, bytes: bytes)
            }
        }
        func shorter(_ stored: StoredTensor) -> StoredTensor { changed(stored, bytes: Array(stored.bytes.dropLast())) }
        for (name, infinity) in [("bf16", [0x80, 0xff]), ("f16", [0x00, 0x7c])] as [(String, [UInt8])] {
            let (dense, sparse) = (try #require(all[name]), try #require(all["bitmask-" + name]))
            let text = name == "bf16" ? "-inf" : "inf"
            let last = patched([6: infinity[0], 7: infinity[1]])
            expectRefusal(damaged(dense, "x.weight", last), shape: shape, tensor: "x.weight", "element 3 is \(text)")
            expectRefusal(damaged(dense, "x.weight", shorter), shape: shape, tensor: "x.weight", "expected 1280 bytes")
            expectRefusal(dense.stored(as: "x.weight"), shape: [4, 128], tensor: "x.weight", "expected shape [4, 128]")
            expectRefusal(
                damaged(sparse, "x.compressed", last), shape: shape, tensor: "x.compressed", "element 3 is \(text)")
            expectRefusal(damaged(sparse, "x.compressed", shorter), shape: shape, tensor: "x.compressed", "bytes")
        }
        let (int4, sparse) = (try #require(all["int4"]), try #require(all["bitmask-int4"]))
        for (weight, name) in [(int4, "x.weight_packed"), (int4, "x.weight_scale"), (int4, "x.weight_shape")] {
            if name != "x.weight_packed" {
                expectRefusal(damaged(weight, name) { _ in nil }, shape: shape, tensor: name, "missing")
            }
            expectRefusal(damaged(weight, name, shorter), shape: shape, tensor: name, "bytes")
            expectRefusal(damaged(weight, name) { changed($0, type: .u8) }, shape: shape, tensor: name, "element type")
        }
        let packed = int4.stored(as: "x.weight")
        expectRefusal(packed, shape: [5, 64], tensor: "x.weight_scale", "[5, 2] (groups of 32), found shape [5, 4]")
        expectRefusal(
            packed, shape: [4, 128], tensor: "x.weight_scale", "[4, 4] (groups of 32) or [4, 1] (groups of 128)")
        expectRefusal(
            packed, shape: [5, 48], tensor: "x.weight_scale", "48 inputs, which no group of 32 or 128 divides")
        expectRefusal(
            damaged(int4, "x.weight_packed") { changed($0, shape: [5, 15], bytes: Array($0.bytes.dropLast(20))) },
            shape: shape, tensor: "x.weight_packed", "expected shape [5, 16], found [5, 15]")
        expectRefusal(
            damaged(int4, "x.weight_shape", patched([8: 64])), shape: shape, tensor: "x.weight_shape",
            "expected [5, 128], found [5, 64]")
        for weight in [int4, sparse] {
            expectRefusal(
                damaged(weight, "x.weight_scale", patched([4: 0x01, 5: 0xfe])), shape: shape, tensor: "x.weight_scale",
                "element 2 is nan, not a finite number")
            expectRefusal(
                damaged(weight, "x.weight_scale") { changed($0, shape: [5, 2], bytes: Array($0.bytes.prefix(20))) },
                shape: shape, tensor: "x.weight_scale", "found shape [5, 2]")
        }
        let count = sparse.nonzeroCount
        expectRefusal(
            damaged(sparse, "x.compressed") { changed($0, shape: [$0.shape[0] + 1], bytes: $0.bytes + [0]) },
            shape: shape,
            tensor: "x.compressed", "expected shape [\((count + 1) / 2)]")
        expectRefusal(damaged(sparse, "x.weight_scale") { _ in nil }, shape: shape, tensor: "x.weight_scale", "missing")
        // One bit more than there are elements: there is no nibble for it, or one that says that nothing is there.
        let mask = try #require(sparse.stored(as: "x.weight").first { $0.name == "x.bitmask" })
        let (place, byte) = try #require(mask.bytes.enumerated().reversed().first { $0.element != 0xff })
        let more = damaged(sparse, "x.bitmask", patched([place: byte | (byte &+ 1)]))
        #expect(throws: WeightFormatError.self) { try read(more, shape: shape) }
    }
}
