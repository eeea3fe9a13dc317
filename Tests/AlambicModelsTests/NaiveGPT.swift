import Foundation

/// GPT-2 from its definition in double precision, one element at a time. Nothing here comes from the library but the
/// order of the parameters.
struct NaiveGPT {
    let layers: Int
    let heads: Int
    let width: Int
    /// In the order of GPT-2's walk; matrices are [outputs, inputs].
    var parameters: [[Double]]

    private func linear(_ x: [Double], _ w: [Double], _ b: [Double]) -> [Double] {
        b.indices.map { n in
            var sum = b[n]
            for k in x.indices { sum += x[k] * w[n * x.count + k] }
            return sum
        }
    }

    private func norm(_ x: [Double], _ gain: [Double], _ bias: [Double]) -> [Double] {
        let mean = x.reduce(0, +) / Double(x.count)
        let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
        return x.indices.map { gain[$0] * (x[$0] - mean) / (variance + Double(Float(1e-5))).squareRoot() + bias[$0] }
    }

    private func attention(_ qkv: [[Double]]) -> [[Double]] {
        let headWidth = width / heads
        return qkv.indices.map { i in
            var y = [Double](repeating: 0, count: width)
            for h in 0..<heads {
                let columns = h * headWidth..<(h + 1) * headWidth
                let scores = (0...i).map { j in
                    let dot = columns.reduce(0.0) { $0 + qkv[i][$1] * qkv[j][width + $1] }
                    return exp(dot / Double(headWidth).squareRoot())
                }
                let total = scores.reduce(0, +)
                for c in columns {
                    for j in 0...i { y[c] += scores[j] / total * qkv[j][2 * width + c] }
                }
            }
            return y
        }
    }

    /// Logits of each token of one sequence.
    func logits(_ ids: [Int32]) -> [[Double]] {
        let p = parameters
        var x = ids.enumerated().map { t, id in
            (0..<width).map { p[0][Int(id) * width + $0] + p[1][t * width + $0] }
        }
        for layer in 0..<layers {
            let q = Array(p[(2 + 12 * layer)..<(14 + 12 * layer)])
            let attended = attention(x.map { linear(norm($0, q[0], q[1]), q[2], q[3]) })
            for t in x.indices {
                let y = linear(attended[t], q[4], q[5])
                for c in 0..<width { x[t][c] += y[c] }
                let inner = linear(norm(x[t], q[6], q[7]), q[8], q[9]).map {
                    0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0)))
                }
                let z = linear(inner, q[10], q[11])
                for c in 0..<width { x[t][c] += z[c] }
            }
        }
        let last = 2 + 12 * layers
        return x.map { row in
            let h = norm(row, p[last], p[last + 1])
            return (0..<p[0].count / width).map { v in
                h.indices.reduce(0.0) { $0 + h[$1] * p[0][v * width + $1] }
            }
        }
    }

    /// The mean cross-entropy over all tokens of some sequences of one length.
    func loss(_ ids: [Int32], _ targets: [Int32], length: Int) -> Double {
        var sum = 0.0
        for start in stride(from: 0, to: ids.count, by: length) {
            for (t, z) in logits(Array(ids[start..<start + length])).enumerated() {
                sum += log(z.reduce(0) { $0 + exp($1) }) - z[Int(targets[start + t])]
            }
        }
        return sum / Double(ids.count)
    }
}
