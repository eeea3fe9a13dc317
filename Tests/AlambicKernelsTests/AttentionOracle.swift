import Foundation

/// Attention in doubles with all scores in memory, and bounds on what an evaluation in single precision, or with bf16
/// operands, may differ.
///
/// Bounds are first-order worst cases with u = 2^-24: a sum of n products in any order is off by n u times the sum of their
/// sizes; a score off by e makes its probability off by a factor 1 ± e; the exponential is within 4 u. With bf16, h = 2^-8:
/// probabilities and derivatives of scores are off by a factor 1 ± h more where they are operands (half of it from rounding;
/// exponentials of the backward pass take a sixteenth), results by 1 ± h where they are stored.
struct AttentionOracle {
    let shape: AttentionCase
    var output: [Double], outputBound: [Double]
    var logSumExp: [Double], logSumExpBound: [Double]
    private var probability: [Double]  // [batch, heads, length, length]
    private var probabilityBound: [Double]
    private let qkv: [Double]
    private let unit = 0x1p-24, half: Double

    init(_ shape: AttentionCase, qkv: [Double]) {
        (self.shape, self.qkv) = (shape, qkv)
        half = shape.isBF16 ? 0x1p-8 : 0
        output = Array(repeating: 0, count: shape.batch * shape.length * shape.columns)
        outputBound = output
        logSumExp = Array(repeating: 0, count: shape.batch * shape.heads * shape.length)
        logSumExpBound = logSumExp
        probability = Array(repeating: 0, count: shape.batch * shape.heads * shape.length * shape.length)
        probabilityBound = probability
        for b in 0..<shape.batch {
            for h in 0..<shape.heads {
                for i in 0..<shape.length { row(b, h, i) }
            }
        }
    }

    private func query(_ b: Int, _ i: Int, _ h: Int) -> Int { (b * shape.length + i) * shape.row + h * shape.width }

    private func key(_ b: Int, _ j: Int, _ h: Int) -> Int {
        (b * shape.length + j) * shape.row + shape.columns + h * shape.kvHeads / shape.heads * shape.width
    }

    private func value(_ b: Int, _ j: Int, _ h: Int) -> Int { key(b, j, h) + shape.kvHeads * shape.width }

    private func seen(_ i: Int) -> Range<Int> { 0..<(shape.mask == .causal ? i + 1 : shape.length) }

    private mutating func row(_ b: Int, _ h: Int, _ i: Int) {
        let width = shape.width, q = query(b, i, h), row = (b * shape.heads + h) * shape.length + i
        let keys = seen(i)
        var scores: [Double] = []
        var scoreBound = 0.0
        for j in keys {
            let k = key(b, j, h)
            var sum = 0.0, size = 0.0
            for d in 0..<width {
                sum += qkv[q + d] * qkv[k + d]
                size += abs(qkv[q + d] * qkv[k + d])
            }
            scores.append(sum / Double(width).squareRoot())
            scoreBound = max(scoreBound, Double(width + 3) * unit * size / Double(width).squareRoot())
        }
        let top = scores.reduce(-Double.infinity) { max($0, $1) }
        var total = 0.0
        for s in scores { total += exp(s - top) }
        logSumExp[row] = log(total) + top
        // Differences s - top are rounded once, at their size.
        let spread = scores.reduce(0) { max($0, top - $1) }
        let factor = 2 * scoreBound + Double(keys.count + keys.count / 64 + 12) * unit
        logSumExpBound[row] = factor + 3 * unit * (abs(logSumExp[row]) + abs(top))
        let out = (b * shape.length + i) * shape.columns + h * width
        for j in keys {
            let p = exp(scores[j] - logSumExp[row]), v = value(b, j, h)
            probability[row * shape.length + j] = p
            probabilityBound[row * shape.length + j] =
                p * (scoreBound + logSumExpBound[row] + unit * (4 + abs(scores[j] - logSumExp[row])))
                // Probabilities below the smallest normal number may be lost.
                + 0x1p-120
            for d in 0..<width {
                output[out + d] += p * qkv[v + d]
                outputBound[out + d] += (2 * factor + spread * unit * p + half) * p * abs(qkv[v + d]) + 0x1p-120
            }
        }
        for d in 0..<width { outputBound[out + d] = stored(output[out + d], outputBound[out + d]) }
    }

    /// The bound of a value off by `bound` after it is rounded to an element.
    private func stored(_ value: Double, _ bound: Double) -> Double { bound + half * (abs(value) + bound) }

    /// The gradient of `Σ dOutput output` with regard to qkv, and its bounds.
    func backward(_ dOutput: [Double]) -> (gradient: [Double], bound: [Double]) {
        var gradient = [Double](repeating: 0, count: qkv.count)
        var bound = gradient
        let width = shape.width, scale = 1 / Double(width).squareRoot()
        let sums = Double(shape.length * shape.heads / shape.kvHeads + 8) * unit
        for b in 0..<shape.batch {
            for h in 0..<shape.heads {
                for i in 0..<shape.length {
                    let out = (b * shape.length + i) * shape.columns + h * width, q = query(b, i, h)
                    var mean = 0.0, meanBound = 0.0
                    for d in 0..<width {
                        let g = dOutput[out + d], o = output[out + d]
                        mean += g * o
                        meanBound += abs(g) * outputBound[out + d] + Double(width + 2) * unit * abs(g * o)
                    }
                    for j in seen(i) {
                        let k = key(b, j, h), v = value(b, j, h)
                        let at = ((b * shape.heads + h) * shape.length + i) * shape.length + j
                        let p = probability[at], pBound = probabilityBound[at]
                        var dp = 0.0, dpBound = 0.0
                        for d in 0..<width {
                            dp += dOutput[out + d] * qkv[v + d]
                            dpBound += Double(width + 2) * unit * abs(dOutput[out + d] * qkv[v + d])
                        }
                        let ds = p * (dp - mean)
                        let dsBound = stored(
                            ds, pBound * abs(dp - mean) + p * (dpBound + meanBound) + 3 * unit * abs(ds))
                        let pStored = stored(p, pBound)
                        for d in 0..<width {
                            let g = dOutput[out + d]
                            gradient[q + d] += ds * qkv[k + d] * scale
                            bound[q + d] += (dsBound + sums * abs(ds)) * abs(qkv[k + d]) * scale
                            gradient[k + d] += ds * qkv[q + d] * scale
                            bound[k + d] += (dsBound + sums * abs(ds)) * abs(qkv[q + d]) * scale
                            gradient[v + d] += p * g
                            bound[v + d] += (pStored + sums * p) * abs(g)
                        }
                    }
                }
            }
        }
        return (gradient, zip(gradient, bound).map { stored($0, $1 + 0x1p-120) })
    }
}
