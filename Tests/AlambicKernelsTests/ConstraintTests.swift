import AlambicKernels
import AlambicTestSupport
import Foundation
import Testing

@Suite struct ConstraintTests {
    static let lengths = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 65, 127, 1000]

    /// (3, 4) has norm 5: at limit 2.5 it is halved; (0.6, 0.8) is within 1, and so stays bit for bit.
    @Test func maxNormByHand() throws {
        for variant in Kernels.constraint where variant.runsHere {
            let context = try variant.context(threads: 1)
            var w: [Float] = [3, 4, 0.6, 0.8, -5, 12, 0, 0]
            try maxNorm(rows: 4, columns: 2, limit: 2.5, in: w.mutableSpan, on: context)
            #expect(Array(w[..<4]) == [1.5, 2, 0.6, 0.8], "\(variant)")
            #expect(abs(w[4] + 2.5 * 5 / 13) < 1e-6 && abs(w[5] - 2.5 * 12 / 13) < 1e-6, "\(variant)")
            #expect(w[6] == 0 && w[7] == 0, "\(variant)")
            try maxNorm(rows: 4, columns: 2, limit: 0, in: w.mutableSpan, on: context)
            #expect(w.allSatisfy { $0 == 0 }, "\(variant): a limit of zero")
        }
    }

    /// Against double precision. The factor and the product round once each.
    @Test func maxNormOfManyShapes() throws {
        for columns in Self.lengths {
            let rows = 37
            var generator = SplitMix(seed: UInt64(columns))
            let start = generator.floats(rows * columns, in: -2...2)
            let limit = 0.9 * Double(columns).squareRoot()
            var expected = start.map(Double.init)
            for row in 0..<rows {
                let range = row * columns..<(row + 1) * columns
                let norm = range.reduce(0) { $0 + expected[$1] * expected[$1] }.squareRoot()
                if norm > limit { for i in range { expected[i] *= limit / norm } }
            }
            var seen: [String: [Float]] = [:]
            try onEveryVariant(Kernels.constraint) { label, context in
                var w = start
                try maxNorm(rows: rows, columns: columns, limit: limit, in: w.mutableSpan, on: context)
                let excess = worstExcess(w, expected: expected) { 0x1p-22 * (abs(expected[$0]) + 1e-30) }
                #expect(excess == nil, "\(label), \(rows)x\(columns): \(excess ?? "")")
                let key = "\(context.isa)"
                if let other = seen[key] { #expect(firstDifference(w, other) == nil, "\(label), \(rows)x\(columns)") }
                seen[key] = w
            }
        }
    }

    /// Squares that overflow single precision, and values that are no numbers.
    @Test func maxNormOfExtremes() throws {
        for variant in Kernels.constraint where variant.runsHere {
            let context = try variant.context(threads: 1)
            var w: [Float] = [3e30, -4e30, .nan, 1, 1e-30, 1e-30, -.infinity, 2]
            try maxNorm(rows: 4, columns: 2, limit: 1, in: w.mutableSpan, on: context)
            #expect(abs(w[0] - 0.6) < 1e-6 && abs(w[1] + 0.8) < 1e-6, "\(variant)")
            #expect(w[2].isNaN && w[3] == 1 && w[4] == 1e-30, "\(variant)")
            #expect(w[6] == -.infinity && w[7] == 2, "\(variant): nothing is known of a row that is infinitely long")
        }
        var w: [Float] = [1]
        #expect(throws: KernelError.self) {
            try maxNorm(rows: 1, columns: 1, limit: -1, in: w.mutableSpan, on: .default)
        }
        #expect(throws: KernelError.self) {
            try maxNorm(rows: 1, columns: 1, limit: .nan, in: w.mutableSpan, on: .default)
        }
        #expect(throws: KernelError.self) { try softThreshold(by: -0.1, in: w.mutableSpan, on: .default) }
        #expect(w == [1])
    }

    @Test func softThresholdShrinksTowardsZero() throws {
        for count in Self.lengths + [20_000] {
            var generator = SplitMix(seed: UInt64(count) + 9)
            let start = generator.floats(count)
            try onEveryVariant(Kernels.constraint) { label, context in
                var w = start
                try softThreshold(by: 0.25, in: w.mutableSpan, on: context)
                #expect(w == start.map { $0 > 0.25 ? $0 - 0.25 : $0 < -0.25 ? $0 + 0.25 : 0 }, "\(label), \(count)")
            }
        }
        var special: [Float] = [.nan, 0.25, -0.25, -0, .infinity]
        try softThreshold(by: 0.25, in: special.mutableSpan, on: .default)
        #expect(special[0].isNaN && Array(special[1...]) == [0, 0, 0, .infinity])
    }

    @Test func l1AddsTheSign() throws {
        for count in Self.lengths + [20_000] {
            var generator = SplitMix(seed: UInt64(count) + 5)
            var w = generator.floats(count)
            w[count / 2] = 0
            let weights = w
            let start = generator.floats(count)
            try onEveryVariant(Kernels.constraint) { label, context in
                var g = start
                try addL1Gradient(of: weights.span, coefficient: 0.5, to: g.mutableSpan, on: context)
                let expected = zip(start, weights).map { $0 + ($1 > 0 ? 0.5 : $1 < 0 ? -0.5 : 0) }
                #expect(g == expected, "\(label), \(count)")
            }
        }
    }
}
