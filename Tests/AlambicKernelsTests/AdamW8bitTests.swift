import AlambicKernels
import AlambicTestSupport
import Foundation
import Testing

/// The values of codes by their definition, not rounded: decade i has 2^i of them, evenly spaced, ending in 10^(i - top).
private func dynamicTree(_ code: Int, top: Int) -> Double {
    if code == 0 { return 0 }
    let i = Int(log2(Double(code)).rounded(.down)), share = Double(code + 1 - (1 << i)) / Double(1 << i)
    return pow(10, Double(i - top)) * (0.1 + 0.9 * share)
}

/// Everything that a step with moments in 8 bits changes.
private struct Moments {
    let rows: Int, columns: Int
    var w: [Float]
    var m: [UInt8], v: [UInt8]
    var firstScales: [Float], secondScales: [Float]
    var blocks: Int { (columns + adamW8bitBlock - 1) / adamW8bitBlock }

    init(_ rows: Int, _ columns: Int, _ w: [Float]) {
        (self.rows, self.columns, self.w) = (rows, columns, w)
        let scales = rows * ((columns + adamW8bitBlock - 1) / adamW8bitBlock)
        m = [UInt8](repeating: 0, count: rows * columns)
        v = m
        firstScales = [Float](repeating: 0, count: scales)
        secondScales = firstScales
    }

    mutating func step(
        _ g: [Float], _ t: Int, rate: Double = 0.01, beta1: Double = 0.9, beta2: Double = 0.99,
        epsilon: Double = 1e-8, decay: Double = 0, clip: NormClip? = nil, panels: WeightPanels? = nil,
        on context: Context
    ) throws {
        // Spans of several parts of self at once would be overlapping accesses.
        var (w, m, v) = (w, m, v)
        var (firstScales, secondScales) = (firstScales, secondScales)
        try adamW8bitStep(
            weights: w.mutableSpan, gradient: g.span, rows: rows, columns: columns, firstMoment: m.mutableSpan,
            firstScales: firstScales.mutableSpan, secondMoment: v.mutableSpan,
            secondScales: secondScales.mutableSpan, rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon,
            weightDecay: decay, correction1: 1 / (1 - pow(beta1, Double(t))),
            correction2: 1 / (1 - pow(beta2, Double(t))), clip: clip, panels: panels, on: context)
        (self.w, self.m, self.v) = (w, m, v)
        (self.firstScales, self.secondScales) = (firstScales, secondScales)
    }

    func first(_ i: Int) -> Double {
        let value = dynamicTree(Int(m[i] & 127), top: 6) * Double(firstScales[block(i)])
        return m[i] & 128 == 0 ? value : -value
    }
    func second(_ i: Int) -> Double { dynamicTree(Int(v[i]), top: 7) * Double(secondScales[block(i)]) }
    func block(_ i: Int) -> Int { i / columns * blocks + i % columns / adamW8bitBlock }

    func equals(_ other: Moments) -> Bool {
        w.map(\.bitPattern) == other.w.map(\.bitPattern) && m == other.m && v == other.v
            && firstScales == other.firstScales && secondScales == other.secondScales
    }
}

@Suite struct AdamW8bitTests {
    static let shapes = [
        (1, 1), (1, 63), (1, 64), (1, 65), (3, 255), (2, 256), (5, 257), (33, 100), (2, 1000), (1, 33_000),
    ]

    /// Gradients over many decades, and zeros.
    private static func gradient(_ count: Int, seed: UInt64) -> [Float] {
        var generator = SplitMix(seed: seed)
        return (0..<count).map { i in
            let size = Float(pow(10, Double.random(in: -6...0, using: &generator)))
            return i % 17 == 3 ? 0 : Bool.random(using: &generator) ? size : -size
        }
    }

    /// From zero moments one step makes m = (1 - beta1) g and v = (1 - beta2) g², which the codes must stand for: within
    /// half a spacing of the tree and 0.2 more for finding the nearest (ck_adamw8.h), and half a unit of bf16 for the
    /// value. The spacing of decade i is 0.9 · 10^(i - top) / 2^i; below the smallest value it is that value.
    @Test func codesAreNear() throws {
        for (rows, columns) in Self.shapes {
            let count = rows * columns
            let g = Self.gradient(count, seed: UInt64(columns))
            for variant in Kernels.adamW8bit where variant.runsHere {
                var x = Moments(rows, columns, [Float](repeating: 0, count: count))
                try x.step(g, 1, on: variant.context(threads: 1))
                for i in 0..<count {
                    let m = 0.1 * Double(g[i]), v = 0.01 * Double(g[i]) * Double(g[i])
                    for (name, found, exact, scale, top, last) in [
                        ("m", x.first(i), m, Double(x.firstScales[x.block(i)]), 6, 6),
                        ("v", x.second(i), v, Double(x.secondScales[x.block(i)]), 7, 7),
                    ] {
                        let share = abs(exact) / scale
                        let decade =
                            share.isNaN || share == 0
                            ? 0 : max(0, min(last, Int((log10(share) + Double(top)).rounded(.up))))
                        let spacing = max(
                            0.9 * pow(10, Double(decade - top)) / pow(2, Double(decade)), pow(10, -Double(top)))
                        // A second moment below the smallest value becomes that value.
                        let part = name == "v" && share < 1e-7 ? 1.01 : 0.7
                        let tolerance = scale * (part * spacing + share * 0x1p-8)
                        #expect(
                            abs(found - exact) <= tolerance || exact == 0 && found == 0,
                            "\(variant), \(rows)x\(columns), \(name)[\(i)] \(found), expected \(exact)")
                        #expect(name == "m" || exact == 0 || found > 0, "\(variant): v lost")
                    }
                }
                // The largest of a block is exact to the roundings of the moment itself.
                for b in 0..<x.firstScales.count {
                    let largest = (0..<count).filter { x.block($0) == b }.map { 0.1 * abs(Double(g[$0])) }.max() ?? 0
                    #expect(abs(Double(x.firstScales[b]) - largest) <= 4 * 0x1p-24 * largest, "\(variant), block \(b)")
                }
            }
        }
    }

    /// Zero gradients and no decay of the moments' shape: what has a code keeps it, while the scales shrink.
    @Test func codesAreStable() throws {
        let count = 700
        let g = Self.gradient(count, seed: 5), none = [Float](repeating: 0, count: count)
        for variant in Kernels.adamW8bit where variant.runsHere {
            var x = Moments(1, count, none)
            let context = try variant.context(threads: 1)
            try x.step(g, 1, on: context)
            let before = x
            for t in 2...20 { try x.step(none, t, on: context) }
            #expect(x.m == before.m && x.v == before.v, "\(variant)")
            #expect(zip(x.firstScales, before.firstScales).allSatisfy { $0 < $1 }, "\(variant)")
        }
    }

    @Test("all variants and threads make the same bits, packed forms or not")
    func sameBits() throws {
        for (rows, columns) in Self.shapes + [(40, 2100)] {
            let count = rows * columns
            var generator = SplitMix(seed: UInt64(count))
            let start = generator.floats(count)
            let gradients = (1...3).map { Self.gradient(count, seed: UInt64($0)) }
            var first: Moments?
            try onEveryVariant(Kernels.adamW8bit) { label, context in
                var x = Moments(rows, columns, start)
                let panels =
                    context.threads % 2 == 0 || columns > 5000
                    ? nil
                    : WeightPanels(
                        forward: try PackedMatrix(empty: .bf16, N: rows, K: columns, on: context),
                        backward: try PackedMatrix(empty: .bf16, N: columns, K: rows, on: context))
                for (t, g) in gradients.enumerated() {
                    try x.step(g, t + 1, decay: 0.1, panels: panels, on: context)
                }
                if let panels {
                    let back = try contents(of: #require(panels.backward), on: context)
                    #expect(turned(back, columns, rows) == x.w.map { rounded($0, for: .bf16) }, "\(label)")
                }
                if let first { #expect(x.equals(first), "\(label), \(rows)x\(columns)") }
                first = first ?? x
            }
        }
    }

    /// A step follows AdamW in double precision from the moments that the codes stand for after the step before.
    ///
    /// The moments' values are known to half a unit of bf16, 2⁻⁹ of each, and the step is m / √v: 2⁻⁹ + 2⁻¹⁰ of its size,
    /// which is at most √(1 / (1 - beta2)) rates; and 2⁻²⁴ |w| for roundings of the weight, several times.
    @Test func aStepFollowsTheAlgorithm() throws {
        let (rows, columns, rate, beta1, beta2, decay) = (3, 300, 0.01, 0.9, 0.99, 0.1)
        let count = rows * columns
        var generator = SplitMix(seed: 9)
        var x = Moments(rows, columns, generator.floats(count))
        let context = try Context(threads: 2)
        for t in 1...10 {
            let g = generator.floats(count)
            let before = x
            try x.step(g, t, rate: rate, beta1: beta1, beta2: beta2, decay: decay, on: context)
            let expected = (0..<count).map { i in
                let m = beta1 * before.first(i) + (1 - beta1) * Double(g[i])
                let v = beta2 * before.second(i) + (1 - beta2) * Double(g[i]) * Double(g[i])
                let w = Double(before.w[i])
                let (mHat, vHat) = (m / (1 - pow(beta1, Double(t))), v / (1 - pow(beta2, Double(t))))
                return w - rate * (mHat / (vHat.squareRoot() + 1e-8) + decay * w)
            }
            let excess = worstExcess(x.w, expected: expected) {
                8 * 0x1p-24 * (abs(expected[$0]) + 1) + rate * 20 * 0x1p-9
            }
            #expect(excess == nil, "step \(t): \(excess ?? "")")
        }
    }

    /// Without an epsilon a weight that never had a gradient only decays, whatever its neighbours do, and so does one whose
    /// second moment was too small to be kept while the first one was not. The same bits everywhere.
    @Test func nothingIsDividedByNothing() throws {
        let count = 2 * adamW8bitBlock + 7
        var gradients = [[Float]](repeating: [Float](repeating: 0, count: count), count: 3)
        // 1e-18 squared is below the smallest scale. The last block has no gradients at all.
        for i in stride(from: 0, to: adamW8bitBlock, by: 3) { for t in 0..<3 { gradients[t][i] = Float(i - 100) } }
        for i in adamW8bitBlock..<2 * adamW8bitBlock { gradients[0][i] = 1e-18 }
        var first: Moments?
        try onEveryVariant(Kernels.adamW8bit) { label, context in
            var x = Moments(1, count, [Float](repeating: 1, count: count))
            for (t, g) in gradients.enumerated() { try x.step(g, t + 1, epsilon: 0, decay: 0.5, on: context) }
            #expect(x.w.allSatisfy { $0.isFinite }, "\(label)")
            for i in 0..<count where gradients.allSatisfy({ $0[i] == 0 }) {
                #expect(abs(Double(x.w[i]) - 0.985_074_875) <= 4 * 0x1p-24, "\(label), weight \(i): \(x.w[i])")
            }
            if let first { #expect(x.equals(first), "\(label)") }
            first = first ?? x
        }
    }

    @Test func badSettingsAndNormsChangeNothing() throws {
        let context = try Context(threads: 1)
        let start = Moments(1, 3, [1, 2, 3])
        var x = start
        #expect(throws: KernelError.self) { try x.step([1, 1, 1], 1, beta1: 1, on: context) }
        let total = try Memory<Double>(count: 1)
        var span = total.mutableSpan
        span[0] = .nan
        try x.step([1, 1, 1], 1, clip: NormClip(norm: total, limit: 1), on: context)
        #expect(x.equals(start))
    }
}
