import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct QuantizeRowsTests {
    /// By the definition, one element at a time.
    static func reference(_ x: [Float], rows: Int, columns: Int) -> (q: [Int8], scales: [Float]) {
        var q: [Int8] = []
        var scales: [Float] = []
        for row in 0..<rows {
            let values = x[row * columns..<(row + 1) * columns]
            guard values.allSatisfy(\.isFinite) else {
                scales.append(.nan)
                q += [Int8](repeating: 0, count: columns)
                continue
            }
            var scale = (values.map(abs).max() ?? 0) / 127
            if scale < .leastNormalMagnitude { scale = 1 }
            q += values.map { Int8(($0 * (1 / scale)).rounded(.toNearestOrEven)) }
            scales.append(scale)
        }
        return (q, scales)
    }

    func compare(_ x: [Float], rows: Int, columns: Int, _ what: String, threads: [Int] = threadCounts) throws {
        let expected = Self.reference(x, rows: rows, columns: columns)
        let restored = (0..<rows * columns).map { Float(expected.q[$0]) * expected.scales[$0 / max(columns, 1)] }
        try onEveryVariant(Kernels.quantize, threads: threads) { label, context in
            var q = [Int8](repeating: 99, count: rows * columns)
            var scales = [Float](repeating: 99, count: rows)
            try quantizeRows(
                x.span, rows: rows, columns: columns, into: q.mutableSpan, scales: scales.mutableSpan, on: context)
            #expect(q == expected.q, "\(label), \(rows) x \(columns), \(what)")
            #expect(
                zip(scales, expected.scales).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN },
                "\(label), \(rows) x \(columns), \(what): \(scales) against \(expected.scales)")
            // bf16 rows are those that they widen to.
            let halves = x.map { UInt16($0.bitPattern >> 16) }
            let wide = Self.reference(halves.map { Float(bitPattern: UInt32($0) << 16) }, rows: rows, columns: columns)
            var (halfQ, halfScales) = (q, scales)
            try quantizeRows(
                halves.span, rows: rows, columns: columns, into: halfQ.mutableSpan,
                scales: halfScales.mutableSpan, on: context)
            #expect(halfQ == wide.q, "\(label), \(rows) x \(columns), \(what), bf16")
            #expect(
                zip(halfScales, wide.scales).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN },
                "\(label), \(rows) x \(columns), \(what), bf16")
            var y = [Float](repeating: 99, count: rows * columns)
            try dequantizeRows(
                q.span, scales: scales.span, rows: rows, columns: columns, into: y.mutableSpan, on: context)
            #expect(
                zip(y, restored).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN },
                "\(label), \(rows) x \(columns), \(what)")
        }
    }

    @Test func drawnRows() throws {
        for (index, shape) in drawnShapes(40, tiles: [[4, 16], [4, 8, 16, 64]], most: [70, 300], seed: 17).enumerated()
        {
            var generator = SplitMix(seed: UInt64(index))
            let magnitude = Float([1e-30, 1e-3, 1, 100, 1e30][index % 5])
            let x = generator.floats(shape[0] * shape[1], in: -magnitude...magnitude)
            try compare(x, rows: shape[0], columns: shape[1], "seed \(index)")
        }
        var generator = SplitMix(seed: 99)
        try compare(generator.normals(3 * 20_000), rows: 3, columns: 20_000, "long rows")
    }

    /// With a greatest element of 127 the scale is 1, and every half shows which way it is rounded.
    @Test func halvesGoToEven() throws {
        let halves = (-127...126).map { Float($0) + 0.5 } + [127]
        try compare(halves, rows: 1, columns: halves.count, "halves")
        let q = Self.reference(halves, rows: 1, columns: halves.count).q
        #expect(q[126...129] == [0, 0, 2, 2], "the oracle")
    }

    @Test func specialRows() throws {
        for columns in [1, 5, 16, 17, 33, 100] {
            for place in [0, columns / 2, columns - 1] {
                let tiny = Float.leastNonzeroMagnitude
                for value: Float in [
                    .nan, .infinity, -.infinity, 0, -0.0, .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
                    tiny, tiny * 190, .leastNormalMagnitude, .leastNormalMagnitude * 126.99,
                    .leastNormalMagnitude * 127,
                ] {
                    for rest: Float in [0, 0.75, -tiny] {
                        var x = [Float](repeating: rest, count: 2 * columns)
                        x[place] = value
                        try compare(x, rows: 2, columns: columns, "\(value) at \(place) among \(rest)", threads: [1])
                    }
                }
            }
        }
    }

    @Test func emptyMatrices() throws {
        try compare([], rows: 0, columns: 5, "no rows")
        try compare([], rows: 3, columns: 0, "no columns")
    }
}
