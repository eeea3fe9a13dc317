// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport
import Testing

/// AMX's bf16 arithmetic is defined to the last bit (docs/Numerics.md): 32 steps of K at a time, from zero, one chain of
/// fused multiply-adds over the even ones and one over the odd ones, which are added and join the sum.
@Suite struct MatmulTileTests {
    @Test("sums of tiles, bit by bit", arguments: [MatrixProduct.bf16, .bf16s8, .bf16s4g32, .bf16u4g128])
    func arithmetic(product: MatrixProduct) throws {
        for variant in product.variants where variant.runsHere && variant.name.hasPrefix("amx") {
            let context = try variant.context(threads: 2)
            for (index, rows) in [1, 5, 16, 17, 32, 33, 70].enumerated() {
                let K = product.group == 1 ? [31, 32, 70, 500][index % 4] : 512
                let operands = MatmulOperands(product, M: rows, N: 37, K: K, seed: UInt64(index))
                let sums = try #require(try operands.run(on: context, operands.pack(on: context)))
                let expected = (0..<rows * 37).map { Self.sum(operands, row: $0 / 37, column: $0 % 37) }
                #expect(firstDifference(sums, expected) == nil, "\(operands) \(variant)")
            }
        }
    }

    private static func sum(_ operands: MatmulOperands, row: Int, column: Int) -> Float {
        let (K, group) = (operands.K, operands.product.group)
        /// The sum over 32 steps from `start` on, of weights over `scale`.
        func tile(from start: Int, scale: Double) -> Float {
            var chains: (Float, Float) = (0, 0)
            for k in start..<min(start + 32, K) {
                let (a, b) = (Float(operands.a[row * K + k]), Float(operands.b[column * K + k] / scale))
                if k % 2 == 0 { chains.0.addProduct(a, b) } else { chains.1.addProduct(a, b) }
            }
            return chains.0 + chains.1
        }
        if group == 1 { return stride(from: 0, to: K, by: 32).reduce(0) { $0 + tile(from: $1, scale: 1) } }
        var total: Float = 0
        for g in 0..<K / group {
            let scale = Float(Float16(bitPattern: operands.groupScales[column * (K / group) + g]))
            let inside = stride(from: g * group, to: (g + 1) * group, by: 32).reduce(Float(0)) {
                $0 + tile(from: $1, scale: Double(scale))
            }
            total.addProduct(scale, inside)
        }
        return total
    }
}
