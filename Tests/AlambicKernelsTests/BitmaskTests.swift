import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct BitmaskTests {
    /// Rows of every kind by turns: random, empty, full, one element.
    static func matrix(rows: Int, columns: Int, seed: UInt64) -> [Float] {
        var generator = SplitMix(seed: seed)
        var x: [Float] = []
        for row in 0..<rows {
            let density = [0.5, 0, 1, 0.1, 0.9][(row + Int(seed)) % 5]
            var values = generator.floats(columns, in: 0.5...1)
            for j in values.indices where Double.random(in: 0..<1, using: &generator) >= density { values[j] = 0 }
            x += values
        }
        return x
    }

    /// By the definition, one element at a time.
    static func reference<T>(_ x: [T], rows: Int, columns: Int, isZero: (T) -> Bool) -> (
        mask: [UInt8], offsets: [Int64], values: [T]
    ) {
        let bytes = (columns + 7) / 8
        var mask = [UInt8](repeating: 0, count: rows * bytes)
        var offsets: [Int64] = []
        var values: [T] = []
        for i in 0..<rows {
            offsets.append(Int64(values.count))
            for j in 0..<columns where !isZero(x[i * columns + j]) {
                mask[i * bytes + j / 8] |= 1 << UInt8(j % 8)
                values.append(x[i * columns + j])
            }
        }
        return (mask, offsets, values)
    }

    static let shapes =
        drawnShapes(40, tiles: [[2, 8], [4, 8, 16, 32, 64]], most: [30, 300], seed: 5)
        + [[0, 5], [5, 0], [1, 1], [7, 20_000], [3_000, 24]]

    @Test func floatsMakeTheRoundTrip() throws {
        for (index, shape) in Self.shapes.enumerated() {
            let (rows, columns) = (shape[0], shape[1])
            let x = Self.matrix(rows: rows, columns: columns, seed: UInt64(index))
            let expected = Self.reference(x, rows: rows, columns: columns) { $0 == 0 }
            try onEveryVariant(Kernels.bitmask) { label, context in
                let what = "\(label), \(rows) x \(columns), seed \(index)"
                var mask = [UInt8](repeating: 0xaa, count: bitmaskByteCount(rows: rows, columns: columns))
                var offsets = [Int64](repeating: -1, count: rows)
                let count = try bitmask(
                    x.span, rows: rows, columns: columns, into: mask.mutableSpan, rowOffsets: offsets.mutableSpan,
                    on: context)
                #expect(
                    count == expected.values.count && mask == expected.mask && offsets == expected.offsets, "\(what)")
                // Guards on both sides show what is written where it should not be.
                let room = try Memory<Float>(count: count + 64)
                try compressBitmask(
                    x.span, mask: mask.span, rowOffsets: offsets.span, rows: rows, columns: columns,
                    into: room.mutableSpan(32..<32 + count), on: context)
                let values = (0..<count).map { room.span[32 + $0] }
                #expect(firstDifference(values, expected.values) == nil, "\(what)")
                #expect((0..<32).allSatisfy { room.span[$0] == 0 && room.span[32 + count + $0] == 0 }, "\(what)")
                let back = try Memory<Float>(count: x.count + 64)
                try expandBitmask(
                    values.span, mask: mask.span, rowOffsets: offsets.span, rows: rows, columns: columns,
                    into: back.mutableSpan(32..<32 + x.count), on: context)
                #expect(firstDifference((0..<x.count).map { back.span[32 + $0] }, x) == nil, "\(what)")
                #expect((0..<32).allSatisfy { back.span[$0] == 0 && back.span[32 + x.count + $0] == 0 }, "\(what)")
            }
        }
    }

    @Test func bytesMakeTheRoundTrip() throws {
        for (index, shape) in Self.shapes.enumerated() {
            let (rows, columns) = (shape[0], shape[1])
            let x = Self.matrix(rows: rows, columns: columns, seed: UInt64(index)).map { value in
                value == 0 ? 0 : Int8(truncatingIfNeeded: Int(value * 254) - 254) | 1
            }
            let expected = Self.reference(x, rows: rows, columns: columns) { $0 == 0 }
            try onEveryVariant(Kernels.bitmask) { label, context in
                let what = "\(label), \(rows) x \(columns), seed \(index)"
                var mask = [UInt8](repeating: 0xaa, count: bitmaskByteCount(rows: rows, columns: columns))
                var offsets = [Int64](repeating: -1, count: rows)
                let count = try bitmask(
                    x.span, rows: rows, columns: columns, into: mask.mutableSpan, rowOffsets: offsets.mutableSpan,
                    on: context)
                #expect(
                    count == expected.values.count && mask == expected.mask && offsets == expected.offsets, "\(what)")
                let room = try Memory<Int8>(count: count + 128)
                try compressBitmask(
                    x.span, mask: mask.span, rowOffsets: offsets.span, rows: rows, columns: columns,
                    into: room.mutableSpan(64..<64 + count), on: context)
                let values = (0..<count).map { room.span[64 + $0] }
                #expect(values == expected.values, "\(what)")
                #expect((0..<64).allSatisfy { room.span[$0] == 0 && room.span[64 + count + $0] == 0 }, "\(what)")
                let back = try Memory<Int8>(count: x.count + 128)
                try expandBitmask(
                    values.span, mask: mask.span, rowOffsets: offsets.span, rows: rows, columns: columns,
                    into: back.mutableSpan(64..<64 + x.count), on: context)
                #expect((0..<x.count).map { back.span[64 + $0] } == x, "\(what)")
                #expect((0..<64).allSatisfy { back.span[$0] == 0 && back.span[64 + x.count + $0] == 0 }, "\(what)")
            }
        }
    }

    @Test func masksAreApplied() throws {
        for (index, shape) in Self.shapes.enumerated() {
            let (rows, columns) = (shape[0], shape[1])
            let x = Self.matrix(rows: rows, columns: columns, seed: UInt64(index))
            let mask = Self.reference(x, rows: rows, columns: columns) { $0 == 0 }.mask
            var generator = SplitMix(seed: 7)
            var y = generator.floats(rows * columns)
            for i in stride(from: 0, to: y.count, by: 5) { y[i] = .nan }
            let expected = zip(x, y).map { $0 == 0 ? 0 : $1 }
            try onEveryVariant(Kernels.bitmask) { label, context in
                let z = try Memory<Float>(count: y.count + 64)
                var inside = z.mutableSpan(32..<32 + y.count)
                for i in y.indices { inside[i] = y[i] }
                try applyBitmask(mask.span, rows: rows, columns: columns, to: inside, on: context)
                let difference = firstDifference((0..<y.count).map { z.span[32 + $0] }, expected)
                #expect(difference == nil, "\(label), \(rows) x \(columns), seed \(index): \(difference ?? "")")
                #expect((0..<32).allSatisfy { z.span[$0] == 0 && z.span[32 + y.count + $0] == 0 }, "\(label)")
            }
        }
    }

    @Test func whatCountsAsZero() throws {
        let tiny = Float.leastNonzeroMagnitude
        let x: [Float] = [0, -0.0, .nan, tiny, -tiny, .infinity, 0, 0, 1]
        try onEveryVariant(Kernels.bitmask, threads: [1]) { label, context in
            var mask: [UInt8] = [0, 0]
            var offsets: [Int64] = [0]
            let count = try bitmask(
                x.span, rows: 1, columns: 9, into: mask.mutableSpan, rowOffsets: offsets.mutableSpan, on: context)
            #expect(count == 5 && mask == [0b0011_1100, 1], "\(label)")
        }
    }

    /// Masks and offsets that do not fit their values are refused before anything is read or written through them.
    @Test func inconsistentMasksAreRefused() throws {
        let good: (mask: [UInt8], offsets: [Int64]) = ([0b101, 0, 0b111, 0b1, 0, 0b10], [0, 2, 6])
        // 3 rows of 10 columns with 2, 4 and 1 values
        let cases: [(String, [UInt8], [Int64], Int)] = [
            ("too few values", good.mask, good.offsets, 6),
            ("too many values", good.mask, good.offsets, 8),
            ("a padding bit", [0b101, 0b1000_0000, 0b111, 0b1, 0, 0b10], good.offsets, 7),
            ("an offset too large", good.mask, [0, 2, 7], 7),
            ("an enormous offset", good.mask, [0, 2, .max], 7),
            ("a negative offset", good.mask, [-1, 2, 6], 7),
            ("a bit too many", [0b111, 0, 0b111, 0b1, 0, 0b10], good.offsets, 7),
        ]
        for variant in Kernels.bitmask where variant.runsHere {
            let context = try variant.context(threads: 1)
            for (what, mask, offsets, count) in cases {
                let values = [Float](repeating: 1, count: count)
                var y = [Float](repeating: 5, count: 30)
                #expect(throws: KernelError.self, "\(variant), \(what)") {
                    try expandBitmask(
                        values.span, mask: mask.span, rowOffsets: offsets.span, rows: 3, columns: 10,
                        into: y.mutableSpan, on: context)
                }
                #expect(y.allSatisfy { $0 == 5 }, "\(variant), \(what)")
                var bytes = [Int8](repeating: 5, count: count)
                let dense = [Int8](repeating: 1, count: 30)
                #expect(throws: KernelError.self, "\(variant), \(what)") {
                    try compressBitmask(
                        dense.span, mask: mask.span, rowOffsets: offsets.span, rows: 3, columns: 10,
                        into: bytes.mutableSpan, on: context)
                }
                #expect(bytes.allSatisfy { $0 == 5 }, "\(variant), \(what)")
            }
            let values = [Float](repeating: 1, count: 7)
            var y = [Float](repeating: 5, count: 30)
            try expandBitmask(
                values.span, mask: good.mask.span, rowOffsets: good.offsets.span, rows: 3, columns: 10,
                into: y.mutableSpan, on: context)
            #expect(y.reduce(0, +) == 7, "\(variant)")
        }
    }
    /// In a list, mask and offsets may change after they were checked: rows that do not fit any more are left out.
    @Test func masksThatChangeAfterNotingDoNoHarm() throws {
        // 3 rows of 10 columns with 2, 4 and 1 values
        let good: (mask: [UInt8], offsets: [Int64]) = ([0b101, 0, 0b111, 0b1, 0, 0b10], [0, 2, 6])
        let cases: [(String, [UInt8], [Int64], fitting: [Bool])] = [
            ("as noted", good.mask, good.offsets, [true, true, true]),
            ("an enormous offset", good.mask, [0, .max, 6], [false, false, true]),
            ("a negative offset", good.mask, [0, -2, 6], [false, false, true]),
            ("offsets that go down", good.mask, [0, 9, 6], [false, false, true]),
            ("full rows", [0xff, 0b11, 0b111, 0b1, 0xff, 0b11], good.offsets, [false, true, false]),
            ("a padding bit", [0b101, 0x80, 0b111, 0b1, 0, 0b10], good.offsets, [false, true, true]),
        ]
        for variant in Kernels.bitmask where variant.runsHere {
            let list = try OperationList(on: variant.context(threads: 2))
            let mask = try Memory<UInt8>(count: 6), offsets = try Memory<Int64>(count: 3)
            let values = try Memory<Float>(count: 7), room = try Memory<Float>(count: 7 + 64)
            let y = try Memory<Float>(count: 30), bytes = try Memory<Int8>(count: 7), z = try Memory<Int8>(count: 30)
            var m = mask.mutableSpan, o = offsets.mutableSpan, v = values.mutableSpan
            func write(_ newMask: [UInt8], _ newOffsets: [Int64]) {
                for i in 0..<6 { m[i] = newMask[i] }
                for i in 0..<3 { o[i] = newOffsets[i] }
            }
            write(good.mask, good.offsets)
            for i in 0..<7 { v[i] = 1 }
            try expandBitmask(
                values.span, mask: mask.span, rowOffsets: offsets.span, rows: 3, columns: 10, into: y.mutableSpan,
                on: list.context)
            try expandBitmask(
                bytes.span, mask: mask.span, rowOffsets: offsets.span, rows: 3, columns: 10, into: z.mutableSpan,
                on: list.context)
            try compressBitmask(
                y.span, mask: mask.span, rowOffsets: offsets.span, rows: 3, columns: 10,
                into: room.mutableSpan(32..<39), on: list.context)
            for (what, newMask, newOffsets, fitting) in cases {
                write(newMask, newOffsets)
                var before = y.mutableSpan
                for i in 0..<30 { before[i] = 5 }
                try list.run()
                for row in 0..<3 {
                    let sum = (0..<10).reduce(0) { $0 + y.span[10 * row + $1] }
                    #expect(sum == (fitting[row] ? [2, 4, 1][row] : 50), "\(variant), \(what), row \(row)")
                }
                #expect((0..<32).allSatisfy { room.span[$0] == 0 && room.span[39 + $0] == 0 }, "\(variant), \(what)")
            }
        }
    }
}
