import AlambicKernels
import AlambicTestSupport
import Foundation
import Testing

@Suite struct RoPETests {
    struct Case: CustomStringConvertible {
        var rows, length, heads, width, rowStride, headStride, first: Int
        var description: String {
            "\(rows) rows of length \(length) from \(first), \(heads) heads of \(width), \(rowStride) and \(headStride) apart"
        }
    }

    static let cases = [
        Case(rows: 1, length: 1, heads: 1, width: 2, rowStride: 2, headStride: 2, first: 0),
        Case(rows: 1, length: 1, heads: 3, width: 64, rowStride: 192, headStride: 64, first: 17),
        Case(rows: 10, length: 5, heads: 4, width: 64, rowStride: 400, headStride: 64, first: 2),
        Case(rows: 7, length: 7, heads: 2, width: 30, rowStride: 70, headStride: 33, first: 0),
        Case(rows: 6, length: 4, heads: 5, width: 6, rowStride: 41, headStride: 8, first: 1),
        Case(rows: 3, length: 3, heads: 2, width: 34, rowStride: 68, headStride: 34, first: 9),
        Case(rows: 100, length: 50, heads: 3, width: 128, rowStride: 384, headStride: 128, first: 0),
        Case(rows: 9, length: 3, heads: 1, width: 98, rowStride: 100, headStride: 98, first: 0),
    ]
    static let theta = 10_000.0

    /// The definition, in double precision, of the elements that turn.
    static func expected(_ x: [Float], _ c: Case, _ layout: RotaryLayout, back: Bool) -> [(at: Int, value: Double)] {
        var results: [(Int, Double)] = []
        for row in 0..<c.rows {
            for head in 0..<c.heads {
                for k in 0..<c.width / 2 {
                    let position = Double(c.first + row % c.length)
                    let angle = position * pow(theta, -2 * Double(k) / Double(c.width)) * (back ? -1 : 1)
                    let start = row * c.rowStride + head * c.headStride
                    let (a, b) = layout == .halves ? (k, k + c.width / 2) : (2 * k, 2 * k + 1)
                    let (xa, xb) = (Double(x[start + a]), Double(x[start + b]))
                    results.append((start + a, xa * cos(angle) - xb * sin(angle)))
                    results.append((start + b, xb * cos(angle) + xa * sin(angle)))
                }
            }
        }
        return results
    }

    @Test(arguments: cases) func turnsAndTurnsBack(_ c: Case) throws {
        var random = SplitMix(seed: UInt64(c.rows * 1000 + c.width))
        let values = random.floats(c.rows * c.rowStride)
        let tables = try RotaryTables(width: c.width, positions: c.first + c.length, theta: Self.theta, on: .default)
        let heads = RotaryHeads(heads: c.heads, rowStride: c.rowStride, headStride: c.headStride)
        let rows = RotaryRows(c.rows, length: c.length, first: c.first)
        let halves = values.map(bf16)
        for layout in RotaryLayout.allCases {
            for narrow in [false, true] {
                let x = narrow ? halves.map(float) : values
                try onEveryContext(Kernels.rope, "\(layout) \(c), bf16: \(narrow)") { context, label in
                    var results: [[Float]] = []
                    for back in [false, true] {
                        if narrow {
                            var y = [UInt16](repeating: 0x7777, count: x.count), inPlace = halves
                            if back {
                                try rotateBackward(
                                    halves.span, heads, layout: layout, rows: rows, by: tables, into: y.mutableSpan,
                                    on: context)
                                try rotateBackward(
                                    in: inPlace.mutableSpan, heads, layout: layout, rows: rows, by: tables, on: context)
                            } else {
                                try rotate(
                                    halves.span, heads, layout: layout, rows: rows, by: tables, into: y.mutableSpan,
                                    on: context)
                                try rotate(
                                    in: inPlace.mutableSpan, heads, layout: layout, rows: rows, by: tables, on: context)
                            }
                            results += [y.map(float), inPlace.map(float)]
                        } else {
                            let xs = Guarded(values), y = Guarded([Float](repeating: 7777, count: x.count))
                            let inPlace = Guarded(values)
                            if back {
                                try rotateBackward(
                                    xs.span, heads, layout: layout, rows: rows, by: tables, into: y.mutableSpan,
                                    on: context)
                                try rotateBackward(
                                    in: inPlace.mutableSpan, heads, layout: layout, rows: rows, by: tables, on: context)
                            } else {
                                try rotate(
                                    xs.span, heads, layout: layout, rows: rows, by: tables, into: y.mutableSpan,
                                    on: context)
                                try rotate(
                                    in: inPlace.mutableSpan, heads, layout: layout, rows: rows, by: tables, on: context)
                            }
                            results += [y.values(label), inPlace.values(label)]
                        }
                    }
                    return results
                } check: { results, label in
                    let untouched: Float = narrow ? float(0x7777) : 7777
                    for back in [false, true] {
                        let wanted = Self.expected(x, c, layout, back: back)
                        var y = [Double](repeating: Double(untouched), count: x.count), inPlace = x.map(Double.init)
                        for (at, value) in wanted { (y[at], inPlace[at]) = (value, value) }
                        // |x| <= 1: the table, two products and a sum.
                        let tolerance = 6 * roundoff + (narrow ? halfRoundoff * 2.0.squareRoot() : 0)
                        let n = back ? 2 : 0
                        expectWithin(results[n], y, "\(label), back: \(back)") { _ in tolerance }
                        expectWithin(results[n + 1], inPlace, "in place, \(label), back: \(back)") { _ in tolerance }
                    }
                }
            }
        }
    }

    /// Packed queries, keys and values turn in one call, and rows do not depend on how many there are.
    @Test func rowsAreTheSameAlone() throws {
        var random = SplitMix(seed: 8)
        let (length, width, queries, keys) = (9, 32, 4, 2)
        let rowStride = (queries + 2 * keys) * width
        let qkv = random.normals(length * rowStride)
        let tables = try RotaryTables(width: width, positions: length, on: .default)
        let heads = RotaryHeads(heads: queries + keys, rowStride: rowStride, headStride: width)
        for layout in RotaryLayout.allCases {
            var all = qkv
            try rotate(
                in: all.mutableSpan, heads, layout: layout, rows: RotaryRows(length, length: length), by: tables,
                on: .default)
            for row in 0..<length {
                var one = Array(qkv[row * rowStride..<(row + 1) * rowStride])
                try rotate(
                    in: one.mutableSpan, heads, layout: layout, rows: RotaryRows(1, length: 1, first: row), by: tables,
                    on: .default)
                let same = Array(all[row * rowStride..<(row + 1) * rowStride])
                #expect(firstDifference(one, same) == nil, "\(layout), row \(row)")
                let values = (queries + keys) * width..<rowStride
                #expect(one[values] == qkv[row * rowStride..<(row + 1) * rowStride].dropFirst(values.lowerBound))
            }
        }
    }

    /// What is larger than the cache is written past it, with the same bits.
    @Test func streamedIsTheSame() throws {
        let (width, count) = (64, 16)
        let rows = max(Machine.local.l3Bytes, 16 << 20) / (4 * width * count) + 3
        let x = try Memory<UInt16>(count: rows * width * count), values = try Memory<Float>(count: x.count)
        try normal(seed: 5, stream: 6, into: values.mutableSpan, on: .default)
        try convert(values.span, to: .bf16, into: x.mutableSpan, on: .default)
        let y = try Memory<UInt16>(count: x.count), piece = try Memory<UInt16>(count: 4 * width * count)
        let tables = try RotaryTables(width: width, positions: rows, on: .default)
        let heads = RotaryHeads(heads: count, rowStride: width * count, headStride: width)
        for variant in Kernels.rope where variant.runsHere {
            let context = try variant.context(threads: 2)
            for layout in RotaryLayout.allCases {
                try rotate(
                    x.span, heads, layout: layout, rows: RotaryRows(rows, length: rows), by: tables,
                    into: y.mutableSpan,
                    on: context)
                for row in [0, rows / 2, rows - 4] {
                    try rotate(
                        x.span(row * width * count..<(row + 4) * width * count), heads, layout: layout,
                        rows: RotaryRows(4, length: 4, first: row), by: tables, into: piece.mutableSpan, on: context)
                    let same = (0..<piece.count).allSatisfy { piece.span[$0] == y.span[row * width * count + $0] }
                    #expect(same, "\(variant), \(layout), row \(row)")
                }
            }
        }
    }

    @Test func refusesWhatHasNoAngles() throws {
        var x = [Float](repeating: 1, count: 8)
        let heads = RotaryHeads(heads: 1, rowStride: 4, headStride: 4)
        let tables = try RotaryTables(width: 4, positions: 3, on: .default)
        let error = #expect(throws: KernelError.self) {
            try rotate(
                in: x.mutableSpan, heads, layout: .halves, rows: RotaryRows(2, length: 2, first: 2), by: tables,
                on: .default)
        }
        #expect(error?.code == .badArgument && x == [Float](repeating: 1, count: 8))
        let odd = #expect(throws: KernelError.self) { try RotaryTables(width: 3, positions: 3, on: .default) }
        #expect(odd?.code == .badShape)
    }
}
