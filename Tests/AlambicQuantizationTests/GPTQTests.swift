import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Foundation
import Testing

@testable import AlambicQuantization

/// Layers by themselves, against the algorithm as the paper has it, in double precision.
@Suite struct GPTQTests {
    private static func weight(_ outputs: Int, _ inputs: Int, sparse: Bool = false) throws -> Tensor {
        var random = SplitMix(seed: UInt64(outputs * 1000 + inputs))
        var values = random.normals(outputs * inputs, deviation: 0.1)
        if sparse { for i in values.indices where random.next() % 2 == 0 { values[i] = 0 } }
        return try Tensor([outputs, inputs], values)
    }

    /// Neighbouring inputs have a correlation of 0.9.
    private static func inputs(_ count: Int, _ rows: Int = 400, silent: Set<Int> = []) throws -> Tensor {
        var random = SplitMix(seed: UInt64(count))
        var values = random.normals(rows * count)
        for i in values.indices where i % count != 0 { values[i] = 0.9 * values[i - 1] + 0.44 * values[i] }
        for i in values.indices where silent.contains(i % count) { values[i] = 0 }
        return try Tensor([rows, count], values)
    }

    private static func hessian(_ x: Tensor) throws -> Hessian {
        let hessian = try Hessian(inputs: x.columns)
        try hessian.add(x, on: .default)
        return hessian
    }

    private static func gptq() throws -> GPTQ {
        GPTQ(on: try Calibration(try Corpus(text: Array("unused".utf8), tokenizer: .bytes), context: 2))
    }

    private static func quantized(
        _ weight: PackedWeight, _ x: Tensor, group: Int = 32, scales: GroupScales = .greatest, threads: Int = 2
    ) throws -> PackedWeight {
        try gptq().quantize(
            weight, inputs: hessian(x), to: Int4Scheme(group: group, scales: scales), on: try Context(threads: threads))
    }

    /// Σ ||(w - q) xᵀ||² over outputs and rows of x.
    private static func error(_ weight: Tensor, _ quantized: PackedWeight, _ x: Tensor) throws -> Double {
        let difference = zip(weight.elements, try quantized.dense().elements).map { Double($0) - Double($1) }
        let (inputs, elements) = (x.columns, x.elements)
        var error = 0.0
        for row in 0..<x.rows {
            for n in 0..<weight.rows {
                var sum = 0.0
                for k in 0..<inputs { sum += difference[n * inputs + k] * Double(elements[row * inputs + k]) }
                error += sum * sum
            }
        }
        return error
    }

    @Test(arguments: [(32, 32), (64, 32), (160, 32), (128, 128), (256, 128), (288, 32)])
    func isThePapersAlgorithm(inputs: Int, group: Int) throws {
        let (outputs, x) = (24, try Self.inputs(inputs))
        let weight = try Self.weight(outputs, inputs)
        guard case .int4(let found) = try Self.quantized(.f32(weight), x, group: group) else {
            Issue.record("no int4 weight")
            return
        }
        let levels = try found.levels()
        let factor = NaiveGPTQ.factor(x, damping: 0.01)
        var compared = 0
        for n in 0..<outputs {
            let naive = NaiveGPTQ.quantize(weight.rows(n..<n + 1).elements, factor, group: group)
            guard !naive.isClose else { continue }
            compared += 1
            let row = (0..<inputs).map { levels.span[n * inputs + $0] }
            #expect(row == naive.levels, "output \(n) of \(inputs) inputs in groups of \(group)")
            for g in 0..<inputs / group {
                #expect(
                    found.scales.span[n * inputs / group + g] == naive.scales[g].bitPattern, "output \(n), group \(g)")
            }
        }
        // Where a decision was a near tie, f32 may decide otherwise; most outputs have none.
        #expect(compared > outputs / 2, "\(compared) of \(outputs) outputs compared")
    }

    @Test(arguments: GroupScales.allCases) func correlatedInputsGainMuch(scales: GroupScales) throws {
        for (inputs, group) in [(64, 32), (256, 128)] {
            let (weight, x) = (try Self.weight(16, inputs), try Self.inputs(inputs))
            let rounded = try Int4Scheme(group: group, scales: scales).quantize(.f32(weight), on: .default)
            let (before, after) = (
                try Self.error(weight, rounded, x),
                try Self.error(weight, try Self.quantized(.f32(weight), x, group: group, scales: scales), x)
            )
            #expect(after < 0.6 * before, "\(inputs) inputs: \(before) → \(after)")
        }
    }

    @Test func bitsAreEqualForAnyNumberOfThreads() throws {
        let (weight, x) = (try Self.weight(600, 160), try Self.inputs(160))
        let one = try Self.quantized(.f32(weight), x, threads: 1).dense().elements
        for threads in 2...4 {
            #expect(firstDifference(try Self.quantized(.f32(weight), x, threads: threads).dense().elements, one) == nil)
        }
    }

    @Test func inputsThatWereNeverThereAreRoundedToNearest() throws {
        let weight = try Self.weight(8, 64)
        // None at all: rounding.
        let nothing = try Self.quantized(.f32(weight), try Tensor([3, 64]))
        let rounded = try Int4Scheme().quantize(.f32(weight), on: .default)
        #expect(try nothing.dense().elements == rounded.dense().elements)
        // Some: each of their weights within half a step; the others still gain.
        let silent: Set = [0, 5, 31, 32, 63]
        let x = try Self.inputs(64, silent: silent)
        guard case .int4(let grouped) = try Self.quantized(.f32(weight), x) else { return }
        let (dense, wide) = (try grouped.dense().elements, try Memory<Float>(count: 16))
        try convert(grouped.scales.span, from: .f16, into: wide.mutableSpan, on: .default)
        for n in 0..<8 {
            for k in silent {
                let step = abs(wide.span[n * 2 + k / 32])
                let off = abs(dense[n * 64 + k] - weight.elements[n * 64 + k])
                // The level opposite to the greatest is cut off at 7.
                #expect(off <= step * 0.501 || abs(weight.elements[n * 64 + k]) > 7 * step, "output \(n), input \(k)")
            }
        }
        #expect(try Self.error(weight, .int4(grouped), x) < 0.6 * Self.error(weight, rounded, x))
    }

    @Test func zerosOfSparseWeightsStay() throws {
        let (weight, x) = (try Self.weight(16, 128, sparse: true), try Self.inputs(128))
        let sparse = PackedWeight.bitmask(try BitmaskTensor(weight))
        let quantized = try Self.quantized(sparse, x)
        #expect(quantized.formName == "bitmask-int4")
        for (before, after) in zip(weight.elements, try quantized.dense().elements) where before == 0 {
            #expect(after == 0)
        }
        let rounded = try RoundToNearest.quantize(sparse, to: Int4Scheme(), on: .default)
        #expect(rounded.formName == "bitmask-int4")
        #expect(try Self.error(weight, quantized, x) < 0.8 * Self.error(weight, rounded, x))
    }

    @Test func badNumbersAreErrors() throws {
        let (weight, x) = (try Self.weight(4, 32), try Self.inputs(32))
        for bad in [Float.nan, .infinity, 1e30] {
            let damaged = try weight.copied()
            damaged.storage.set(40, to: bad)
            #expect(throws: KernelError.self) { try Self.quantized(.f32(damaged), x) }
        }
        let damaged = try x.copied()
        damaged.storage.set(7, to: .nan)
        let error = #expect(throws: KernelError.self) { try Self.quantized(.f32(weight), damaged) }
        #expect(error?.description.contains("not finite") == true)
    }

    @Test func sumsOfManyInputsAreExactEnough() throws {
        // Whole numbers: every sum is exact in f32 already.
        var random = SplitMix(seed: 5)
        let x = try Tensor([5000, 3], random.integers(15000, in: Int32(-3)...3).map(Float.init))
        let hessian = try Self.hessian(x)
        #expect(hessian.rows == 5000)
        for i in 0..<3 {
            for j in 0..<3 {
                let sum = (0..<5000).reduce(0.0) { $0 + Double(x.elements[$1 * 3 + i] * x.elements[$1 * 3 + j]) }
                let found = hessian.sum.element(i * 3 + j)
                #expect(found == sum)
            }
        }
    }
}

/// Algorithm 1 of the paper without blocks, over an explicit inverse.
private enum NaiveGPTQ {
    /// The upper Cholesky factor of (Xᵀ X + λ I)⁻¹.
    static func factor(_ x: Tensor, damping: Double) -> [[Double]] {
        let (n, elements) = (x.columns, x.elements.map(Double.init))
        var h = [[Double]](repeating: [Double](repeating: 0, count: n), count: n)
        for row in 0..<x.rows {
            for i in 0..<n { for j in 0..<n { h[i][j] += elements[row * n + i] * elements[row * n + j] } }
        }
        let lambda = damping * (0..<n).reduce(0) { $0 + h[$1][$1] } / Double(n)
        for i in 0..<n { h[i][i] += lambda }
        let inverse = inverted(h)
        // inverse = Uᵀ U, row by row.
        var u = [[Double]](repeating: [Double](repeating: 0, count: n), count: n)
        for i in 0..<n {
            for j in i..<n {
                let sum = (0..<i).reduce(inverse[i][j]) { $0 - u[$1][i] * u[$1][j] }
                u[i][j] = i == j ? sum.squareRoot() : sum / u[i][i]
            }
        }
        return u
    }

    /// Gauss and Jordan.
    private static func inverted(_ matrix: [[Double]]) -> [[Double]] {
        let n = matrix.count
        var rows = matrix.enumerated().map { i, row in row + (0..<n).map { $0 == i ? 1.0 : 0 } }
        for i in 0..<n {
            let pivot = rows[i][i]
            for j in 0..<2 * n { rows[i][j] /= pivot }
            for other in 0..<n where other != i {
                let factor = rows[other][i]
                for j in 0..<2 * n { rows[other][j] -= factor * rows[i][j] }
            }
        }
        return rows.map { Array($0[n...]) }
    }

    /// One output's levels and scales; `isClose` when some decision was so close that f32 may take another one.
    static func quantize(
        _ weights: [Float], _ u: [[Double]], group: Int
    ) -> (levels: [Int8], scales: [Float16], isClose: Bool) {
        var w = weights.map(Double.init)
        var (levels, scales, isClose) = ([Int8](), [Float16](), false)
        for k in w.indices {
            if k % group == 0 {
                let members = w[k..<k + group]
                let greatest = members.max { abs($0) < abs($1) } ?? 0
                let others = members.map(abs).sorted()
                isClose = isClose || others[group - 1] - others[group - 2] < 1e-5 * others[group - 1]
                let scale = greatest / -8
                isClose = isClose || Float16(scale * (1 + 1e-5)) != Float16(scale * (1 - 1e-5))
                scales.append(Float16(scale))
            }
            let scale = Double(scales[k / group])
            let ratio = w[k] / scale
            isClose = isClose || (ratio < 7 && abs(ratio - ratio.rounded(.down) - 0.5) < 2e-4)
            let level = min(max(ratio.rounded(.toNearestOrEven), -8), 7)
            levels.append(Int8(level))
            let error = (w[k] - level * scale) / u[k][k]
            for later in k + 1..<max(k + 1, w.count) { w[later] -= error * u[k][later] }
        }
        return (levels, scales, isClose)
    }
}

extension Memory {
    fileprivate func element(_ place: Int) -> Element { span[place] }

    fileprivate func set(_ place: Int, to value: Element) {
        var elements = mutableSpan
        elements[place] = value
    }
}
