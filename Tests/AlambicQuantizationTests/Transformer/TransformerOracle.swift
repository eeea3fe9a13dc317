import AlambicTensor
import Foundation

@testable import AlambicQuantization

/// What integer-only transformers compute, by the equations of Kim et al. 2021 and Jacob et al. 2018, one number at a
/// time in 64 bits or more. Constants are made of the scales here; of a linear layer its integers are read.
enum TransformerOracle {
    /// M₀ and n of a real number.
    static func multiplier(_ real: Double) -> FixedPointMultiplier {
        var (significand, exponent) = frexp(real)
        if (significand * 0x1p31).rounded() == 0x1p31 { (significand, exponent) = (0.5, exponent + 1) }
        guard exponent >= -31 else { return FixedPointMultiplier(mantissa: 0, shift: 0) }
        return FixedPointMultiplier(mantissa: Int32((significand * 0x1p31).rounded()), shift: Int32(-exponent))
    }

    private static func clamped(_ x: Int64, _ low: Int64, _ high: Int64) -> Int64 { min(max(x, low), high) }

    // MARK: functions

    private static func exponential(_ q: Int64, _ scale: Double) -> Int64 {
        let ln2 = Int64(floor(0.6931471805599453 / scale))
        let b = Int64(floor(1.353 / scale)), c = Int64(floor(0.344 / (0.3585 * scale * scale)))
        let z = -q / ln2
        guard z < 60 else { return 0 }
        let p = q + z * ln2
        return ((p + b) * (p + b) + c) >> z
    }

    static func softmax(_ row: [Int64], _ scale: Double, bits: Int) -> [Int64] {
        let greatest = row.max() ?? 0
        let all = row.map { exponential($0 - greatest, scale) }
        let sum = all.reduce(0, +)
        return all.map { ($0 << Int64(bits)) / sum }
    }

    /// The level of x Φ(x).
    static func gelu(_ q: Int64, _ scale: Double, _ output: AffineParameters) -> Int64 {
        let inner = scale / 2.0.squareRoot()
        let farthest = Int64(floor(1.769 / inner)), b = Int64(floor(-1.769 / inner))
        let c = Int64(floor(1 / (-0.2888 * inner * inner)))
        let u = min(abs(q), farthest) + b
        let erf = (u * u + c) * (q < 0 ? -1 : 1)
        let value = -q * (erf + c)
        let step = scale * (0.2888 * scale * scale / 2) / 2
        let shift = max(0, Int64(floor(log2(Double(output.scale) / 65536 / step))))
        let real = step * Double(sign: .plus, exponent: Int(shift), significand: 1) / Double(output.scale)
        let small = clamped(value >> shift, Int64(Int32.min), Int64(Int32.max))
        let level = IntegerOracle.multiplied(small, multiplier(real)) + Int64(output.zeroPoint)
        return clamped(level, Int64(output.lowest), Int64(output.highest))
    }

    /// A norm of integers of 20 bits, in 128 bits: the row and ε are made finer by the greatest power of two, up to 2³⁰,
    /// for which the row's squares around the nearest whole number to the mean, and ε, are below 2⁶¹.
    static func norm(
        _ row: [Int64], gains: [Float], biases: [Float], epsilon: Double, scale: Double, _ output: AffineParameters
    ) -> [Int64] {
        let count = Int128(row.count), limit = Int128(1) << 61
        func mean(_ x: [Int128]) -> Int128 { floored(2 * x.reduce(0, +) + count, 2 * count) }
        func squares(_ x: [Int128], around centre: Int128) -> Int128 {
            x.reduce(0) { $0 + ($1 - centre) * ($1 - centre) }
        }
        let whole = row.map { Int128($0) }
        let rough = squares(whole, around: mean(whole))
        let steps = min(epsilon / (scale * scale), 0x1p60)
        func fits(_ finer: Int128) -> Bool {
            rough * finer * finer < limit && steps * Double(finer) * Double(finer) < 0x1p61
        }
        let finer = (0...30).map { Int128(1) << $0 }.last { fits($0) } ?? 1
        let x = whole.map { $0 * finer }
        let centre = mean(x)
        let total = squares(x, around: centre) / count + Int128(steps * Double(finer) * Double(finer))
        var deviation = Int128(Double(total).squareRoot())
        while deviation * deviation > total { deviation -= 1 }
        while (deviation + 1) * (deviation + 1) <= total { deviation += 1 }
        return row.indices.map { j in
            let normalized = deviation == 0 ? 0 : Int64((x[j] - centre) * 16384 / deviation)
            var value = Int64((Double(biases[j]) / Double(output.scale)).rounded(.toNearestOrAwayFromZero))
            if gains[j] != 0 {
                let real = Double(abs(gains[j])) / Double(output.scale) / 16384
                value += IntegerOracle.multiplied(normalized, multiplier(real)) * (gains[j] < 0 ? -1 : 1)
            }
            return clamped(value + Int64(output.zeroPoint), Int64(output.lowest), Int64(output.highest))
        }
    }

    /// The greatest integer that is at most a / b, b > 0.
    private static func floored(_ a: Int128, _ b: Int128) -> Int128 { a >= 0 ? a / b : -((b - 1 - a) / b) }

    // MARK: attention and block

    /// One sequence; rows of all heads side by side.
    static func attention(
        _ q: [[Int64]], _ k: [[Int64]], _ v: [[Int64]], heads: Int, bits: Int, _ query: AffineParameters,
        _ key: AffineParameters, _ value: AffineParameters, _ output: AffineParameters
    ) -> [[Int64]] {
        let width = (q.first?.count ?? 0) / heads
        var scale = Double(query.scale) * Double(key.scale) / Double(width).squareRoot()
        var rescaling: FixedPointMultiplier?
        if scale < 0x1p-16 || scale > 0x1p-8 { (rescaling, scale) = (multiplier(scale * 1024), 0x1p-10) }
        let real = Double(value.scale) / Double(output.scale) / Double(sign: .plus, exponent: bits, significand: 1)
        return q.indices.map { t in
            (0..<heads).flatMap { head in
                let columns = head * width..<(head + 1) * width
                let scores = (0...t).map { j in
                    let sum = columns.reduce(Int64(0)) {
                        $0 + (q[t][$1] - Int64(query.zeroPoint)) * (k[j][$1] - Int64(key.zeroPoint))
                    }
                    return rescaling.map { IntegerOracle.multiplied(sum, $0) } ?? sum
                }
                let p = softmax(scores, scale, bits: bits)
                return columns.map { c in
                    let sum = (0...t).reduce(Int64(0)) { $0 + p[$1] * (v[$1][c] - Int64(value.zeroPoint)) }
                    let level = IntegerOracle.multiplied(sum, multiplier(real)) + Int64(output.zeroPoint)
                    return clamped(level, Int64(output.lowest), Int64(output.highest))
                }
            }
        }
    }

    /// What a block makes of the residual stream of one sequence.
    static func block(_ block: IntegerBlock, _ source: IntegerBlockSource, _ x: [[Int64]]) -> [[Int64]] {
        func normalized(_ rows: [[Int64]], _ index: Int, _ output: AffineParameters) -> [[Int64]] {
            let (gains, biases) = (source.parameters[index].elements, source.parameters[index + 1].elements)
            return rows.map {
                norm(
                    $0, gains: gains, biases: biases, epsilon: source.epsilon, scale: Double(source.residualScale),
                    output)
            }
        }
        func added(_ rows: [[Int64]], _ branch: [[Int64]]) -> [[Int64]] {
            zip(rows, branch).map { zip($0, $1).map { clamped($0 + $1, -524287, 524287) } }
        }
        func linear(_ layer: IntegerLinear, _ rows: [[Int64]]) -> [[Int64]] {
            rows.map { IntegerOracle.linear(layer, $0) }
        }
        let r = source.ranges
        let first = normalized(x, 0, r.attentionInput)
        let attended = attention(
            linear(block.query, first), linear(block.key, first), linear(block.value, first), heads: source.heads,
            bits: 22, r.query, r.key, r.value, r.attended)
        let middle = added(x, linear(block.projection, attended))
        let second = normalized(middle, 6, r.feedForwardInput)
        let activated = linear(block.expansion, second).map { $0.map { gelu($0, 0x1p-10, r.activated) } }
        return added(middle, linear(block.contraction, activated))
    }
}
