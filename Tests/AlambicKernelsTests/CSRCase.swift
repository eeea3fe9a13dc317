// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport

/// A product with a sparse matrix, and what it must give, element by element from the definition.
struct SparseCase: CustomStringConvertible {
    let M: Int
    let N: Int
    let K: Int
    let seed: UInt64
    let a: [Float]
    let bias: [Float]
    var w: CompressedRows<Float>
    var description: String { "\(M)x\(N)x\(K), \(w.values.count) elements, seed \(seed)" }

    /// - Parameter densities: of the rows of W, by turns.
    init(M: Int, N: Int, K: Int, densities: [Double] = [0.1, 0, 1, 0.5, 0.02], seed: UInt64) {
        var generator = SplitMix(seed: seed)
        (self.M, self.N, self.K, self.seed) = (M, N, K, seed)
        a = roundedToBF16(generator.floats(M * K))
        bias = generator.floats(N)
        w = CompressedRows(rowOffsets: [0], columns: [], values: [])
        for n in 0..<N {
            let density = densities[(n + Int(seed)) % densities.count]
            for k in 0..<K where Double.random(in: 0..<1, using: &generator) < density {
                w.columns.append(Int32(k))
                w.values += roundedToBF16(generator.floats(1))
            }
            w.rowOffsets.append(Int64(w.values.count))
        }
    }

    var dense: [Float] {
        var x = [Float](repeating: 0, count: N * K)
        for n in 0..<N {
            for e in Int(w.rowOffsets[n])..<Int(w.rowOffsets[n + 1]) { x[n * K + Int(w.columns[e])] = w.values[e] }
        }
        return x
    }

    /// One chain for each sum, fused or not; then the bias.
    func expected(fused: Bool, bias: Bool = true) -> [Float] {
        var c: [Float] = []
        for i in 0..<M {
            for n in 0..<N {
                var sum: Float = 0
                for e in Int(w.rowOffsets[n])..<Int(w.rowOffsets[n + 1]) {
                    let x = a[i * K + Int(w.columns[e])]
                    if fused { sum.addProduct(w.values[e], x) } else { sum = sum + w.values[e] * x }
                }
                c.append(bias ? sum + self.bias[n] : sum)
            }
        }
        return c
    }

    func run(_ matrix: SparseMatrix, label: String, on context: Context) throws -> [Float] {
        let (left, c) = (Guarded(a), Guarded(count: M * N))
        try matmul(M: M, left.span, matrix, into: c.mutableSpan, bias: bias.span, on: context)
        return c.values("\(self), \(label)")
    }

    func run(on context: Context, label: String = "") throws -> [Float] {
        try run(SparseMatrix(w, N: N, K: K, on: context), label: label, on: context)
    }
}
