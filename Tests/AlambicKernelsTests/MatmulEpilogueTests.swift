// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport
import Foundation
import Testing

@Suite struct MatmulEpilogueTests {
    static let variants = Kernels.matmulF32.filter(\.runsHere)

    private static func gelu(_ x: Double, tanh form: Bool) -> Double {
        form
            ? 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
            : 0.5 * x * erfc(-x / 2.0.squareRoot())
    }
    private static func slope(_ x: Double, tanh form: Bool) -> Double {
        let h = 1e-5
        return (gelu(x + h, tanh: form) - gelu(x - h, tanh: form)) / (2 * h)
    }
    private static func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }

    /// f32 product of 17 x 45 with K = 1, so that sums are single products.
    private let M = 17
    private let N = 45
    private var a: [Float] { (0..<M).map { Float($0 % 7) - 2.5 } }
    private var b: [Float] { (0..<N).map { Float($0 % 11) * 0.25 - 1.125 } }
    private func sum(_ i: Int) -> Double { Double(a[i / N]) * Double(b[i % N]) }
    private var operand: [Float] { (0..<M * N).map { Float($0 * 37 % 101) * 0.0625 - 3 } }
    private var bias: [Float] { (0..<N).map { Float($0) * 0.125 - 2 } }

    private func run<C: MatrixElement & Numeric>(
        _ context: Context, _ zero: C, as format: HalfFormat = .bf16, _ epilogue: borrowing Epilogue
    ) throws -> [C] {
        var c = [C](repeating: zero, count: M * N)
        try matmul(
            .f32, M: M, N: N, K: 1, a.span, .asIs, b.span, .asIs, into: c.mutableSpan, as: format, epilogue: epilogue,
            on: context)
        return c
    }

    private func check(_ actual: [Float], relative: Double = 0x1p-20, _ label: String, _ expected: (Int) -> Double) {
        let all = (0..<M * N).map(expected)
        let excess = worstExcess(actual, expected: all) { relative * (abs(all[$0]) + 1) }
        #expect(excess == nil, "\(label): \(excess ?? "")")
    }

    @Test("scales, bias and every function", arguments: variants)
    func functions(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        let rowScales = (0..<M).map { Float($0 + 1) * 0.25 }, columnScales = (0..<N).map { Float($0 % 5) * 0.5 - 1 }
        let bias = bias, operand = operand
        func v(_ i: Int) -> Double {
            sum(i) * Double(rowScales[i / N]) * Double(columnScales[i % N]) + Double(bias[i % N])
        }
        func scaled() throws -> [Float] {
            try run(
                context, Float(0),
                Epilogue().rowScales(rowScales.span).columnScales(columnScales.span).bias(bias.span))
        }
        check(try scaled(), relative: 0x1p-23, "scales and bias") { v($0) }
        let onlyRows = try run(context, Float(0), Epilogue().rowScales(rowScales.span))
        check(onlyRows, relative: 0x1p-23, "row scales") { sum($0) * Double(rowScales[$0 / N]) }
        let onlyColumns = try run(context, Float(0), Epilogue().columnScales(columnScales.span))
        check(onlyColumns, relative: 0x1p-23, "column scales") { sum($0) * Double(columnScales[$0 % N]) }
        for function in Epilogue.Function.allCases {
            let actual = try run(context, Float(0), Epilogue().bias(bias.span).function(function))
            check(actual, "\(function)") { i in
                let x = sum(i) + Double(bias[i % N])
                return switch function {
                case .geluTanh: Self.gelu(x, tanh: true)
                case .geluErf: Self.gelu(x, tanh: false)
                case .silu: Self.silu(x)
                }
            }
        }
        for combination in Epilogue.Combination.allCases {
            let actual = try run(
                context, Float(0), Epilogue().bias(bias.span).combining(combination, with: operand.span))
            check(actual, relative: 0x1p-17, "\(combination)") { i in
                let x = sum(i) + Double(bias[i % N]), y = Double(operand[i])
                return switch combination {
                case .geluTanhGradient: x * Self.slope(y, tanh: true)
                case .geluErfGradient: x * Self.slope(y, tanh: false)
                case .siluGate: x * Self.silu(y)
                case .multiply: x * y
                }
            }
        }
    }

    @Test("saved values, dropout and residual, in that order", arguments: variants)
    func order(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        let bias = bias, residual = operand
        var saved = [Float](repeating: 0, count: M * N)
        let actual = try run(
            context, Float(0),
            Epilogue().bias(bias.span).saving(into: saved.mutableSpan).function(.silu)
                .dropout(rate: 0.3, seed: 9, stream: 1 << 40).residual(residual.span))
        check(saved, relative: 0x1p-23, "saved") { sum($0) + Double(bias[$0 % N]) }
        let whole = try run(context, Float(0), Epilogue().bias(bias.span).function(.silu))
        var dropped = [Float](repeating: 0, count: M * N)
        try AlambicKernels.dropout(
            whole.span, rate: 0.3, seed: 9, stream: 1 << 40, into: dropped.mutableSpan, on: context)
        #expect(firstDifference(actual, (0..<M * N).map { dropped[$0] + residual[$0] }) == nil)
        #expect(dropped.contains(0) && dropped.contains { $0 != 0 })
    }

    @Test("16-bit results and operands", arguments: variants, HalfFormat.allCases)
    func halves(variant: Variant, format: HalfFormat) throws {
        let context = try variant.context(threads: 1)
        let bias = bias, operand = operand
        var halfOperand = [UInt16](repeating: 0, count: M * N), expected = halfOperand, saved = halfOperand
        try convert(operand.span, to: format, into: halfOperand.mutableSpan, on: context)
        var wide = [Float](repeating: 0, count: M * N)
        try convert(halfOperand.span, from: format, into: wide.mutableSpan, on: context)
        let floats = try run(
            context, Float(0), Epilogue().bias(bias.span).combining(.multiply, with: wide.span).residual(wide.span))
        try convert(floats.span, to: format, into: expected.mutableSpan, on: context)
        let actual = try run(
            context, UInt16(0), as: format,
            Epilogue().bias(bias.span).saving(into: saved.mutableSpan, as: format)
                .combining(.multiply, with: halfOperand.span, as: format).residual(halfOperand.span, as: format))
        #expect(actual == expected)
        // The format is C's unless another one is given.
        let inherited = try run(
            context, UInt16(0), as: format,
            Epilogue().bias(bias.span).combining(.multiply, with: halfOperand.span).residual(halfOperand.span))
        #expect(inherited == expected)
        let before = try run(context, Float(0), Epilogue().bias(bias.span))
        try convert(before.span, to: format, into: expected.mutableSpan, on: context)
        #expect(saved == expected)
    }

    @Test("an epilogue has one function, and one format")
    func oneFunction() async {
        await #expect(processExitsWith: .failure) { _ = Epilogue().function(.silu).function(.geluErf) }
        await #expect(processExitsWith: .failure) {
            let operand: [Float] = [1]
            _ = Epilogue().combining(.multiply, with: operand.span).function(.silu)
        }
        await #expect(processExitsWith: .failure) {
            let operand: [UInt16] = [1]
            _ = Epilogue().combining(.multiply, with: operand.span, as: .f16).residual(operand.span, as: .bf16)
        }
    }

    @Test("requantized results", arguments: variants)
    func requantized(variant: Variant) throws {
        let context = try variant.context(threads: 1)
        for (scale, zeroPoint) in [(Float(0.125), Int32(0)), (0.03125, -3), (0.015625, 100)] {
            let actual = try run(context, Int8(0), Epilogue().requantized(scale: scale, zeroPoint: zeroPoint))
            for i in 0..<M * N {
                let exact = (sum(i) / Double(scale)).rounded(.toNearestOrEven) + Double(zeroPoint)
                #expect(Double(actual[i]) == min(127, max(-128, exact)), "[\(i)] at \(scale), \(zeroPoint)")
            }
        }
        var x = a
        x[3] = .nan
        x[4] = .infinity
        var c = [Int8](repeating: 1, count: M * N)
        let ones = [Float](repeating: 1, count: N)
        try matmul(
            .f32, M: M, N: N, K: 1, x.span, .asIs, ones.span, .asIs, into: c.mutableSpan,
            epilogue: Epilogue().requantized(scale: 1, zeroPoint: 5), on: context)
        #expect(c[3 * N..<4 * N].allSatisfy { $0 == 5 } && c[4 * N..<5 * N].allSatisfy { $0 == 127 })
    }

    @Test("sums of several blocks of K reach small results whole", arguments: ProductVariant.here)
    func partialSums(_ case_: ProductVariant) throws {
        guard case_.product != .u8s8 else { return }
        let context = try case_.variant.context(threads: 2)
        let operands = MatmulOperands(case_.product, M: 40, N: 50, K: case_.depth(6000), seed: 91)
        let packed = try operands.pack(on: context)
        var generator = SplitMix(seed: 92)
        let x = generator.floats(40 * operands.K), bias = generator.floats(50)
        var floats = [Float](repeating: 0, count: 2000), halves = [UInt16](repeating: 0, count: 2000)
        var expected = halves
        try matmul(M: 40, x.span, packed, into: floats.mutableSpan, epilogue: Epilogue().bias(bias.span), on: context)
        try matmul(M: 40, x.span, packed, into: halves.mutableSpan, epilogue: Epilogue().bias(bias.span), on: context)
        try convert(floats.span, to: case_.product == .f16 ? .f16 : .bf16, into: expected.mutableSpan, on: context)
        #expect(halves == expected, "\(operands)")
    }

    @Test("C may be its own residual, however deep K is", arguments: variants)
    func inPlace(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        let K = 6000
        let (x, w) = ([Float](repeating: 1, count: 20 * K), [Float](repeating: 1, count: 20 * K))
        let c = try Memory<Float>(count: 400)
        var span = c.mutableSpan
        for i in 0..<400 { span[i] = Float(i) }
        try matmul(
            .f32, M: 20, N: 20, K: K, x.span, .asIs, w.span, .transposed, into: c.mutableSpan,
            epilogue: Epilogue().residual(c.span), on: context)
        let result = c.span
        for i in 0..<400 { #expect(result[i] == Float(i + K)) }
    }

    @Test("accumulating adds to what C holds", arguments: variants)
    func accumulating(variant: Variant) throws {
        let context = try variant.context(threads: 2)
        var c = operand
        try matmul(
            .f32, M: M, N: N, K: 1, a.span, .asIs, b.span, .asIs, into: c.mutableSpan, store: .accumulate,
            epilogue: Epilogue().bias(bias.span), on: context)
        check(c, relative: 0x1p-22, "accumulate") { Double(operand[$0]) + sum($0) + Double(bias[$0 % N]) }
    }
}
