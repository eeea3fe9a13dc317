import Foundation

/// Causal attention in doubles with all scores in memory, and bounds on what a single-precision evaluation may differ.
///
/// Bounds are first-order worst cases with u = 2^-24: a sum of n products in any order is off by n u times the sum of their
/// sizes; a score off by e makes its probability off by a factor 1 ± e; the exponential is within 4 u.
struct AttentionOracle {
    let batch, length, heads, width: Int
    var output: [Double], outputBound: [Double]
    var logSumExp: [Double], logSumExpBound: [Double]
    private var probability: [Double]  // [batch, heads, length, length]
    private var probabilityBound: [Double]
    private let qkv: [Double]
    private let unit = 0x1p-24

    init(qkv: [Double], batch: Int, length: Int, heads: Int, width: Int) {
        (self.batch, self.length, self.heads, self.width, self.qkv) = (batch, length, heads, width, qkv)
        let columns = heads * width
        output = Array(repeating: 0, count: batch * length * columns)
        outputBound = output
        logSumExp = Array(repeating: 0, count: batch * heads * length)
        logSumExpBound = logSumExp
        probability = Array(repeating: 0, count: batch * heads * length * length)
        probabilityBound = probability
        for b in 0..<batch {
            for h in 0..<heads {
                for i in 0..<length { row(b, h, i) }
            }
        }
    }

    private func at(_ b: Int, _ i: Int, _ part: Int, _ h: Int) -> Int {
        ((b * length + i) * 3 + part) * heads * width + h * width
    }

    private mutating func row(_ b: Int, _ h: Int, _ i: Int) {
        let q = at(b, i, 0, h), row = (b * heads + h) * length + i
        var scores: [Double] = []
        var scoreBound = 0.0
        for j in 0...i {
            let k = at(b, j, 1, h)
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
        let factor = 2 * scoreBound + Double(i + i / 64 + 12) * unit
        logSumExpBound[row] = factor + 3 * unit * (abs(logSumExp[row]) + abs(top))
        let out = (b * length + i) * heads * width + h * width
        for j in 0...i {
            let p = exp(scores[j] - logSumExp[row]), v = at(b, j, 2, h)
            probability[row * length + j] = p
            probabilityBound[row * length + j] =
                p * (scoreBound + logSumExpBound[row] + unit * (4 + abs(scores[j] - logSumExp[row])))
                // Probabilities below the smallest normal number may be lost.
                + 0x1p-120
            for d in 0..<width {
                output[out + d] += p * qkv[v + d]
                outputBound[out + d] += (2 * factor + spread * unit * p) * p * abs(qkv[v + d]) + 0x1p-120
            }
        }
    }

    /// The gradient of `Σ dOutput output` with regard to qkv, and its bounds.
    func backward(_ dOutput: [Double]) -> (gradient: [Double], bound: [Double]) {
        var gradient = [Double](repeating: 0, count: qkv.count)
        var bound = gradient
        let scale = 1 / Double(width).squareRoot(), sums = Double(length + 8) * unit
        for b in 0..<batch {
            for h in 0..<heads {
                for i in 0..<length {
                    let out = (b * length + i) * heads * width + h * width, q = at(b, i, 0, h)
                    var mean = 0.0, meanBound = 0.0
                    for d in 0..<width {
                        let g = dOutput[out + d], o = output[out + d]
                        mean += g * o
                        meanBound += abs(g) * outputBound[out + d] + Double(width + 2) * unit * abs(g * o)
                    }
                    for j in 0...i {
                        let k = at(b, j, 1, h), v = at(b, j, 2, h)
                        let p = probability[((b * heads + h) * length + i) * length + j]
                        let pBound = probabilityBound[((b * heads + h) * length + i) * length + j]
                        var dp = 0.0, dpBound = 0.0
                        for d in 0..<width {
                            dp += dOutput[out + d] * qkv[v + d]
                            dpBound += Double(width + 2) * unit * abs(dOutput[out + d] * qkv[v + d])
                        }
                        let ds = p * (dp - mean)
                        let dsBound = pBound * abs(dp - mean) + p * (dpBound + meanBound) + 3 * unit * abs(ds)
                        for d in 0..<width {
                            let g = dOutput[out + d]
                            gradient[q + d] += ds * qkv[k + d] * scale
                            bound[q + d] += (dsBound + sums * abs(ds)) * abs(qkv[k + d]) * scale
                            gradient[k + d] += ds * qkv[q + d] * scale
                            bound[k + d] += (dsBound + sums * abs(ds)) * abs(qkv[q + d]) * scale
                            gradient[v + d] += p * g
                            bound[v + d] += (pBound + sums * p) * abs(g)
                        }
                    }
                }
            }
        }
        return (gradient, bound.map { $0 + 0x1p-120 })
    }
}
