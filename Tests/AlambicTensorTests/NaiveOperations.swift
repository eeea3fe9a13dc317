import Foundation

// Every operation of the graph, written again from its definition in double precision, one element at a time. Nothing
// here comes from the library.
enum Naive {
    /// y[m, n] = sum_k x[m, k] w[n, k] + b[n].
    static func linear(_ x: [Double], _ w: [Double], _ b: [Double]?, rows: Int, inputs: Int) -> [Double] {
        let outputs = w.count / inputs
        var y = [Double](repeating: 0, count: rows * outputs)
        for m in 0..<rows {
            for n in 0..<outputs {
                var sum = b?[n] ?? 0
                for k in 0..<inputs { sum += x[m * inputs + k] * w[n * inputs + k] }
                y[m * outputs + n] = sum
            }
        }
        return y
    }

    static func layerNorm(_ x: [Double], _ gain: [Double], _ bias: [Double], epsilon: Double) -> [Double] {
        let width = gain.count
        var y = x
        for row in 0..<x.count / width {
            let values = x[row * width..<(row + 1) * width]
            let mean = values.reduce(0, +) / Double(width)
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
            for c in 0..<width {
                y[row * width + c] = gain[c] * (x[row * width + c] - mean) / (variance + epsilon).squareRoot() + bias[c]
            }
        }
        return y
    }

    static func gelu(_ x: [Double]) -> [Double] {
        x.map { 0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * pow($0, 3)))) }
    }

    static func embedding(
        _ ids: [Int32], _ table: [Double], _ positions: [Double], width: Int, length: Int
    ) -> [Double] {
        ids.enumerated().flatMap { i, id in
            (0..<width).map { table[Int(id) * width + $0] + positions[i % length * width + $0] }
        }
    }

    /// qkv [batch, length, 3 width] -> [batch, length, width].
    static func attention(_ qkv: [Double], batch: Int, length: Int, heads: Int) -> [Double] {
        let width = qkv.count / (batch * length * 3)
        let headWidth = width / heads
        func at(_ b: Int, _ t: Int, _ part: Int, _ h: Int, _ e: Int) -> Double {
            qkv[((b * length + t) * 3 + part) * width + h * headWidth + e]
        }
        var y = [Double](repeating: 0, count: batch * length * width)
        for b in 0..<batch {
            for h in 0..<heads {
                for i in 0..<length {
                    var scores: [Double] = []
                    for j in 0...i {
                        var dot = 0.0
                        for e in 0..<headWidth { dot += at(b, i, 0, h, e) * at(b, j, 1, h, e) }
                        scores.append(exp(dot / Double(headWidth).squareRoot()))
                    }
                    let total = scores.reduce(0, +)
                    for e in 0..<headWidth {
                        var sum = 0.0
                        for j in 0...i { sum += scores[j] / total * at(b, j, 2, h, e) }
                        y[(b * length + i) * width + h * headWidth + e] = sum
                    }
                }
            }
        }
        return y
    }

    static func logSoftmax(_ z: [Double]) -> [Double] {
        let total = log(z.reduce(0) { $0 + exp($1) })
        return z.map { $0 - total }
    }

    private static func rows(_ z: [Double], _ width: Int) -> [[Double]] {
        stride(from: 0, to: z.count, by: width).map { Array(z[$0..<$0 + width]) }
    }

    /// The mean over targets other than -1 of the cross-entropy.
    static func crossEntropy(_ logits: [Double], _ targets: [Int32]) -> Double {
        let losses = zip(rows(logits, logits.count / targets.count), targets).compactMap { row, target in
            target < 0 ? nil : -logSoftmax(row)[Int(target)]
        }
        return losses.isEmpty ? 0 : losses.reduce(0, +) / Double(losses.count)
    }

    /// Hinton's soft and hard losses, means over targets other than -1; soft with the factor T².
    static func distillation(
        _ logits: [Double], teacher: [Double], _ targets: [Int32], temperature t: Double
    ) -> (soft: Double, hard: Double) {
        let width = logits.count / targets.count
        var losses: [Double] = []
        for (row, target) in targets.enumerated() where target >= 0 {
            let p = logSoftmax(rows(teacher, width)[row].map { $0 / t })
            let q = logSoftmax(rows(logits, width)[row].map { $0 / t })
            losses.append(t * t * zip(p, q).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) })
        }
        return (losses.reduce(0, +) / Double(losses.count), crossEntropy(logits, targets))
    }

    /// The mean over rows of 1 - cos.
    static func cosine(_ x: [Double], _ y: [Double], width: Int) -> Double {
        let losses = zip(rows(x, width), rows(y, width)).map { a, b in
            let dot = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
            let norms = a.reduce(0) { $0 + $1 * $1 }.squareRoot() * b.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return 1 - dot / norms
        }
        return losses.reduce(0, +) / Double(losses.count)
    }
}

/// Central differences: exact to about 1e-9 for functions of size 1 in double precision.
func finiteDifferences(_ x: [Double], step: Double = 1e-5, _ f: ([Double]) -> Double) -> [Double] {
    var moved = x
    return x.indices.map { i in
        moved[i] = x[i] + step
        let above = f(moved)
        moved[i] = x[i] - step
        let below = f(moved)
        moved[i] = x[i]
        return (above - below) / (2 * step)
    }
}
