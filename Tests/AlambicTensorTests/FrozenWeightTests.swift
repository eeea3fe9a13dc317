import AlambicKernels
import Testing

@testable import AlambicTensor

@Suite struct FrozenWeightTests {
    static func weights(rows: Int, columns: Int) throws -> Tensor {
        let tensor = try Tensor([rows, columns])
        try normal(seed: 3, stream: 1, mean: 0, deviation: 0.05, into: tensor.mutableSpan, on: .default)
        return tensor
    }

    /// Half a step of the scale at most, except beyond the last level opposite to the greatest weight.
    @Test(arguments: [(1, 32), (3, 64), (17, 96)])
    func fourBitsAreTheNearestLevels(rows: Int, columns: Int) throws {
        let weights = try Self.weights(rows: rows, columns: columns)
        let grouped = try GroupedTensor(weights, on: .default)
        let dense = try FrozenWeight.int4(grouped).dense(on: .default).elements
        for (index, pair) in zip(weights.elements, dense).enumerated() {
            let group = index / 32 * 32..<index / 32 * 32 + 32
            let greatest = weights.elements[group].map(abs).max() ?? 0
            // f16 rounds the scale by 2^-11.
            let step = greatest / 8 * (1 + 0x1p-11)
            #expect(abs(pair.0 - pair.1) <= step * (abs(pair.0) > 7.5 * greatest / 8 ? 1.01 : 0.505))
        }
    }

    /// What is widened is what products with packed 4-bit weights multiply.
    @Test func widenedIsWhatTheKernelsMultiply() throws {
        let (rows, columns) = (7, 64)
        let grouped = try GroupedTensor(try Self.weights(rows: rows, columns: columns), on: .default)
        let packed = try PackedMatrix(
            .bf16s4g32, nibbles: grouped.nibbles.span, scales: grouped.scales.span, N: rows, K: columns, on: .default)
        let identity = try Tensor([columns, columns])
        var ones = identity.mutableSpan
        for i in 0..<columns { ones[i * columns + i] = 1 }
        let product = try Tensor([columns, rows])
        try matmul(M: columns, identity.span, packed, into: product.mutableSpan, epilogue: Epilogue(), on: .default)
        let dense = try FrozenWeight.int4(grouped).dense(on: .default).elements
        let found = product.elements
        for n in 0..<rows {
            for k in 0..<columns { #expect(found[k * rows + n] == dense[n * columns + k]) }
        }
    }

    @Test func bitsAreEqualOnEveryInstructionSet() throws {
        let grouped = try GroupedTensor(try Self.weights(rows: 5, columns: 96), on: .default)
        let best = try FrozenWeight.int4(grouped).dense(on: .default).elements
        for variant in Kernels.quantize where variant.runsHere {
            for threads in 1...4 {
                let own = try FrozenWeight.int4(grouped).dense(on: variant.context(threads: threads)).elements
                #expect(own == best, "\(variant) x \(threads)")
            }
        }
    }

    @Test func zerosAndWhatIsTooLarge() throws {
        let zeros = try GroupedTensor(try Tensor([2, 32]), on: .default)
        #expect(try FrozenWeight.int4(zeros).dense(on: .default).elements.allSatisfy { $0 == 0 })
        for bad: Float in [.nan, .infinity, 1e9] {
            #expect(throws: KernelError.self) {
                try GroupedTensor(try Tensor([1, 32], [Float](repeating: bad, count: 32)), on: .default)
            }
        }
        #expect(throws: KernelError.self) { try GroupedTensor(try Tensor([2, 48]), on: .default) }
    }
}
