// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport

/// One product, with operands drawn from its seed.
struct Product: CustomStringConvertible {
    let M: Int, N: Int, K: Int
    let orientationA: Orientation, orientationB: Orientation
    let store: Store
    let biased: Bool
    let seed: UInt64
    let a: [Float], b: [Float], c: [Float], bias: [Float]

    init(
        M: Int, N: Int, K: Int, _ orientationA: Orientation = .asIs, _ orientationB: Orientation = .transposed,
        store: Store = .replace, biased: Bool = false, seed: UInt64
    ) {
        (self.M, self.N, self.K, self.store, self.biased, self.seed) = (M, N, K, store, biased, seed)
        (self.orientationA, self.orientationB) = (orientationA, orientationB)
        var generator = SplitMix(seed: seed)
        a = generator.floats(M * K)
        b = generator.floats(K * N)
        c = generator.floats(M * N)
        bias = generator.floats(N)
    }

    var description: String { "\(M)x\(N)x\(K) \(orientationA) \(orientationB) \(store) bias \(biased) seed \(seed)" }

    /// Runs on a part of a buffer filled with a sentinel, `offset` elements off alignment; nil when something was written
    /// outside C.
    func run(on context: Context, packed: PackedMatrix? = nil, offset: Int = 1) throws -> [Float]? {
        let margin = 64 + offset
        let poison: Float = -123456.5
        let memory = try Memory<Float>(count: M * N + 2 * margin)
        var whole = memory.mutableSpan
        for i in 0..<memory.count { whole[i] = poison }
        for i in 0..<M * N where store == .accumulate { whole[margin + i] = c[i] }
        let output = memory.mutableSpan(margin..<margin + M * N)
        switch (packed, biased) {
        case (.some(let packed), false): try matmul(M: M, a.span, packed, into: output, store: store, on: context)
        case (.some(let packed), true):
            try matmul(M: M, a.span, packed, into: output, store: store, bias: bias.span, on: context)
        case (.none, false):
            try matmul(
                M: M, N: N, K: K, a.span, orientationA, b.span, orientationB, into: output, store: store, on: context)
        case (.none, true):
            try matmul(
                M: M, N: N, K: K, a.span, orientationA, b.span, orientationB, into: output, store: store,
                bias: bias.span,
                on: context)
        }
        let result = memory.span
        for i in 0..<margin where result[i] != poison || result[memory.count - 1 - i] != poison { return nil }
        return (0..<M * N).map { result[margin + $0] }
    }

    func pack(on context: Context) throws -> PackedMatrix {
        try PackedMatrix(f32: b.span, N: N, K: K, orientation: orientationB, on: context)
    }

    /// What is outside its tolerance, or nil. A chain of K multiply-adds, and a bias, are within (K + 2) u (|A||B| + |C| +
    /// |bias|) of the exact result, u = 2^-24 (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1); twice
    /// that where the multiply rounds too.
    func excess(_ actual: [Float]) -> String? {
        var expected = [Double](repeating: 0, count: M * N)
        var size = expected
        for i in 0..<M {
            for j in 0..<N {
                var sum = 0.0
                var absolute = 0.0
                for k in 0..<K {
                    let x = Double(orientationA == .asIs ? a[i * K + k] : a[k * M + i])
                    let y = Double(orientationB == .asIs ? b[k * N + j] : b[j * K + k])
                    sum += x * y
                    absolute += abs(x * y)
                }
                if store == .accumulate {
                    sum += Double(c[i * N + j])
                    absolute += abs(Double(c[i * N + j]))
                }
                if biased {
                    sum += Double(bias[j])
                    absolute += abs(Double(bias[j]))
                }
                expected[i * N + j] = sum
                size[i * N + j] = absolute
            }
        }
        return worstExcess(actual, expected: expected) { 2 * Double(K + 2) * 0x1p-24 * size[$0] + 0x1p-149 }
    }
}

/// Shapes around the tile sides of all kernels, and around blocks of K.
func productShapes(_ count: Int, most: [Int] = [90, 130, 700], seed: UInt64) -> [[Int]] {
    drawnShapes(count, tiles: [[4, 6, 14, 32], [8, 16, 32, 64], [4, 16, 64, 192, 240, 256]], most: most, seed: seed)
}
