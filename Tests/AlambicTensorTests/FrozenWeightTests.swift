import AlambicKernels
import Foundation
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

    /// A form that a weight has already is shared, and every form stands for what it was made of but for its rounding.
    @Test(arguments: FrozenWeight.Form.allCases)
    func formsAreRoundedOnceOrShared(form: FrozenWeight.Form) throws {
        let dense = try Self.weights(rows: 5, columns: 64)
        let quantized = try QuantizedTensor(dense, on: .default)
        let frozen = try FrozenWeight(.int8(quantized), as: form, on: .default)
        #expect(frozen.shape == [5, 64] && frozen.form == form)
        let (source, own) = (try quantized.dense().elements, try frozen.dense(on: .default).elements)
        // Weights of a deviation of 0.05 are below 0.25, and a step of 4 bits is at most an eighth of the greatest.
        let tolerance: Float = [.f32: 0, .bf16: 0.25 * 0x1p-8, .int8: 0, .int4: 0.25 / 8][form] ?? 0
        #expect(zip(source, own).allSatisfy { abs($0 - $1) <= tolerance })
        if case .int8(let same) = frozen { #expect(same.values === quantized.values) }
        guard case .f32(let kept) = try FrozenWeight(.f32(dense), as: .f32, on: .default) else { return }
        #expect(kept.elements == dense.elements)
        #expect(frozen.bytes == [.f32: 1280, .bf16: 640, .int8: 340, .int4: 180][form])
    }

    @Test func zerosAndWhatIsTooLarge() throws {
        let zeros = try GroupedTensor(try Tensor([2, 32]), on: .default)
        #expect(try FrozenWeight.int4(zeros).dense(on: .default).elements.allSatisfy { $0 == 0 })
        for bad: Float in [.nan, .infinity, 1e9] {
            #expect(throws: KernelError.self) {
                try GroupedTensor(try Tensor([1, 32], [Float](repeating: bad, count: 32)), on: .default)
            }
            // One among others, wherever it stands.
            for place in [0, 40, 63] {
                var weights = [Float](repeating: 0.5, count: 64)
                weights[place] = bad
                #expect(throws: KernelError.self) { try GroupedTensor(try Tensor([1, 64], weights), on: .default) }
            }
        }
        #expect(throws: KernelError.self) { try GroupedTensor(try Tensor([2, 48]), on: .default) }
    }

    /// The search never leaves a group worse off than the scale that cuts nothing off, and often better.
    @Test(arguments: GroupedTensor.groups) func searchedScalesAreNoWorse(group: Int) throws {
        let weights = try Self.weights(rows: 9, columns: 256)
        func errors(_ scales: GroupScales) throws -> [Double] {
            let dense = try GroupedTensor(weights, group: group, scales: scales, on: .default).dense().elements
            return stride(from: 0, to: dense.count, by: group).map { start in
                (start..<start + group).reduce(0.0) { $0 + pow(Double(dense[$1]) - Double(weights.elements[$1]), 2) }
            }
        }
        let (greatest, searched) = (try errors(.greatest), try errors(.leastSquares))
        // Scales are rounded to f16 after the search: 2^-11 of 8 levels, which weighs little beside half a level.
        for (a, b) in zip(greatest, searched) { #expect(b <= a * 1.02) }
        #expect(searched.reduce(0, +) < 0.95 * greatest.reduce(0, +))
    }

    @Test func groupsOf128AreMultipliedLikeTheirDenseSelves() throws {
        let grouped = try GroupedTensor(try Self.weights(rows: 7, columns: 256), group: 128, on: .default)
        #expect(grouped.scales.count == 14)
        let packed = try PackedMatrix(
            .bf16s4g128, nibbles: grouped.nibbles.span, scales: grouped.scales.span, N: 7, K: 256, on: .default)
        let identity = try Tensor([256, 256])
        for i in 0..<256 { identity.storage.set(i * 257, to: 1) }
        let product = try Tensor([256, 7])
        try matmul(M: 256, identity.span, packed, into: product.mutableSpan, epilogue: Epilogue(), on: .default)
        let (dense, found) = (try grouped.dense().elements, product.elements)
        for n in 0..<7 { for k in 0..<256 { #expect(found[k * 7 + n] == dense[n * 256 + k]) } }
        for (group, columns) in [(64, 128), (0, 128), (128, 64), (32, 33)] {
            #expect(throws: KernelError.self) {
                try GroupedTensor(try Tensor([1, columns]), group: group, on: .default)
            }
        }
    }
}

extension Memory {
    fileprivate func set(_ place: Int, to value: Element) {
        var elements = mutableSpan
        elements[place] = value
    }
}
