import AlambicKernels
import AlambicTestSupport
import Foundation
import Testing

@Suite struct SwiGLUTests {
    private static func sigmoid(_ g: Double) -> Double { 1 / (1 + exp(-g)) }
    private static func silu(_ g: Double) -> Double { g * sigmoid(g) }
    private static func siluDerivative(_ g: Double) -> Double {
        sigmoid(g) * (1 + g * sigmoid(-g))
    }

    /// The exponent has an error of a rounding of |g| / ln 2 and becomes a relative error of exp; a few roundings follow.
    private static func relative(_ g: Double) -> Double { roundoff * (4 * min(abs(g), 90) + 12) }

    /// rows, width
    private static let shapes = [(1, 1), (3, 15), (2, 16), (5, 33), (7, 64), (4, 129), (3, 8_200), (130, 200)]

    @Test(arguments: shapes) func valuesAndGradients(_ rows: Int, _ width: Int) throws {
        var random = SplitMix(seed: UInt64(rows * 10_000 + width))
        let count = rows * width
        var packed = random.normals(2 * count, deviation: 4)
        for (i, extreme) in [Float(0), -0.0, 100, -100, 88, -88, 1e-30].enumerated() where i < width {
            packed[i] = extreme
        }
        let dY = random.normals(count)
        let halves = packed.map(bf16), dYHalves = dY.map(bf16)
        for narrow in [false, true] {
            let x = narrow ? halves.map(float) : packed, gradient = narrow ? dYHalves.map(float) : dY
            func at(_ i: Int) -> (gate: Double, up: Double, dY: Double) {
                let (row, column) = (i / width, i % width)
                return (
                    Double(x[2 * width * row + column]), Double(x[2 * width * row + width + column]),
                    Double(gradient[i])
                )
            }
            let rounding = narrow ? halfRoundoff * 1.01 : roundoff
            let precision = narrow ? 0x1p-12 : 0  // the functions of bf16 are as good as their results need
            try onEveryContext(Kernels.swiglu, "swiglu \(rows) x \(width), bf16: \(narrow)") { context, label in
                var y: [Float], both: [Float]
                if narrow {
                    var yHalves = [UInt16](repeating: 0, count: count), dX = [UInt16](repeating: 0, count: 2 * count)
                    try swiglu(halves.span, rows: rows, width: width, into: yHalves.mutableSpan, on: context)
                    try swigluBackward(
                        dYHalves.span, halves.span, rows: rows, width: width, into: dX.mutableSpan, on: context)
                    (y, both) = (yHalves.map(float), dX.map(float))
                } else {
                    let yGuard = Guarded(count: count), dX = Guarded(count: 2 * count), xs = Guarded(packed)
                    try swiglu(xs.span, rows: rows, width: width, into: yGuard.mutableSpan, on: context)
                    try swigluBackward(
                        Guarded(dY).span, xs.span, rows: rows, width: width, into: dX.mutableSpan, on: context)
                    (y, both) = (yGuard.values(label), dX.values(label))
                }
                let dGate = (0..<count).map { both[2 * width * ($0 / width) + $0 % width] }
                let dUp = (0..<count).map { both[2 * width * ($0 / width) + width + $0 % width] }
                return [y, dGate, dUp]
            } check: { results, label in
                let y = (0..<count).map { Self.silu(at($0).gate) * at($0).up }
                expectWithin(results[0], y, "y, \(label)") {
                    abs(y[$0]) * (Self.relative(at($0).gate) + precision + rounding) + abs(at($0).up) * 1e-32
                }
                let dUp = (0..<count).map { Self.silu(at($0).gate) * at($0).dY }
                expectWithin(results[2], dUp, "dUp, \(label)") {
                    abs(dUp[$0]) * (Self.relative(at($0).gate) + precision + rounding) + abs(at($0).dY) * 1e-32
                }
                let dGate = (0..<count).map { at($0).dY * at($0).up * Self.siluDerivative(at($0).gate) }
                expectWithin(results[1], dGate, "dGate, \(label)") {
                    // Near its zero the derivative is a difference of terms of size s and |g| s (1 - s).
                    let (g, up, dY) = at($0)
                    let terms = Self.sigmoid(g) * (1 + abs(g) * Self.sigmoid(-g))
                    return abs(dGate[$0]) * rounding
                        + abs(up * dY) * (terms * (Self.relative(g) + precision) + 1e-32) + 1e-36
                }
            }
        }
    }

    /// A row of the one, then a row of the other.
    private static func rowsOf(_ gate: [Float], _ up: [Float], _ width: Int) -> [Float] {
        var rows: [Float] = []
        for start in stride(from: 0, to: gate.count, by: width) {
            rows += gate[start..<start + width]
            rows += up[start..<start + width]
        }
        return rows
    }

    @Test func twoArraysAndInPlaceAreThePackedForm() throws {
        var random = SplitMix(seed: 3)
        let (rows, width) = (5, 70)
        let gate = random.normals(rows * width), up = random.normals(rows * width), dY = random.normals(rows * width)
        let packed = Self.rowsOf(gate, up, width)
        for variant in Kernels.swiglu where variant.runsHere {
            let context = try variant.context(threads: 2)
            var y = [Float](repeating: 0, count: rows * width), z = y, both = packed
            var dGate = gate, dUp = up
            try swiglu(packed.span, rows: rows, width: width, into: y.mutableSpan, on: context)
            try swiglu(gate: gate.span, up: up.span, rows: rows, width: width, into: z.mutableSpan, on: context)
            #expect(firstDifference(y, z) == nil, "\(variant)")
            try swigluBackward(dY.span, packed.span, rows: rows, width: width, into: both.mutableSpan, on: context)
            try swigluBackward(
                dY.span, gate: gate.span, up: up.span, rows: rows, width: width, into: dGate.mutableSpan,
                dUp: dUp.mutableSpan, on: context)
            let split = Self.rowsOf(dGate, dUp, width)
            #expect(firstDifference(both, split) == nil, "\(variant)")
        }
    }

    /// What is larger than the cache is written past it, with the same bits.
    @Test func streamedIsTheSame() throws {
        let width = 4096, rows = max(Machine.local.l3Bytes, 16 << 20) / (6 * width) + 3
        let x = try Memory<UInt16>(count: 2 * rows * width), values = try Memory<Float>(count: 2 * rows * width)
        try normal(seed: 5, stream: 6, into: values.mutableSpan, on: .default)
        try convert(values.span, to: .bf16, into: x.mutableSpan, on: .default)
        let y = try Memory<UInt16>(count: rows * width), piece = try Memory<UInt16>(count: 4 * width)
        for variant in Kernels.swiglu where variant.runsHere {
            let context = try variant.context(threads: 2)
            try swiglu(x.span, rows: rows, width: width, into: y.mutableSpan, on: context)
            for row in [0, rows / 2, rows - 4] {
                try swiglu(
                    x.span(2 * width * row..<2 * width * (row + 4)), rows: 4, width: width, into: piece.mutableSpan,
                    on: context)
                #expect((0..<4 * width).allSatisfy { piece.span[$0] == y.span[row * width + $0] }, "\(variant)")
            }
        }
    }
}
