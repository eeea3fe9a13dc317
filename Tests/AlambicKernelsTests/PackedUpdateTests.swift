// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport
import Testing

/// What a packed matrix holds, `[N, K]`: its product with the identity, whose sums are exact. Elements must be normal
/// numbers or zero.
func contents(of packed: PackedMatrix, on context: Context) throws -> [Float] {
    let (N, K) = (packed.N, packed.K)
    var identity = [Float](repeating: 0, count: K * K)
    for i in 0..<K { identity[i * K + i] = 1 }
    var product = [Float](repeating: 0, count: K * N)
    try matmul(M: K, identity.span, packed, into: product.mutableSpan, epilogue: Epilogue(), on: context)
    return turned(product, K, N)
}

/// A float as a product's weights can hold it, by definition: the nearest of its type, ties to even.
func rounded(_ x: Float, for product: MatrixProduct) -> Float {
    switch product {
    case .bf16:
        if x == 0 { return x }
        let unit = Double(sign: .plus, exponent: Int(x.exponent) - 7, significand: 1)
        return Float((Double(x) / unit).rounded(.toNearestOrEven) * unit)
    case .f16: return Float(Float16(x))
    default: return x
    }
}

/// Variants of the products whose weights can be updated.
let updatableProducts = ProductVariant.here.filter { [.f32, .bf16, .f16].contains($0.product) }

/// Numbers with ties to round among them, and zeros of both signs.
func weightsToRound(_ count: Int, seed: UInt64) -> [Float] {
    var generator = SplitMix(seed: seed)
    return (0..<count).map { i in
        switch i % 5 {
        case 0: Float(Int.random(in: -1023...1023, using: &generator)) / 512  // has 10 bits: ties for bf16
        case 1: Float(Int.random(in: -4095...4095, using: &generator)) / 2048  // 12 bits: ties for f16
        case 2: i % 2 == 0 ? 0 : -0.0
        default: Float.random(in: -1...1, using: &generator)
        }
    }
}

@Suite struct PackedUpdateTests {
    /// Around panels of 8, 16 and 32, and around the pass's tiles of 32 x 1024.
    static let shapes = [
        (1, 1), (2, 31), (8, 16), (15, 33), (31, 64), (32, 32), (33, 7), (65, 129), (3, 1023), (34, 1025), (70, 130),
    ]

    @Test("both orientations, each and together, hold the rounded weights", arguments: updatableProducts)
    func rounds(_ case_: ProductVariant) throws {
        for (index, (rows, columns)) in Self.shapes.enumerated() {
            let w = weightsToRound(rows * columns, seed: UInt64(index))
            let expected = w.map { rounded($0, for: case_.product) }
            for threads in rows * columns < 5000 ? threadCounts : [2] {
                let context = try case_.variant.context(threads: threads)
                let label = "\(case_), \(rows)x\(columns), \(threads) threads"
                func empty(_ N: Int, _ K: Int) throws -> PackedMatrix {
                    try PackedMatrix(empty: case_.product, N: N, K: K, on: context)
                }
                let (forward, backward) = (try empty(rows, columns), try empty(columns, rows))
                #expect(try contents(of: forward, on: context).allSatisfy { $0 == 0 }, "\(label), empty")
                try forward.update(from: w.span, on: context)
                try backward.update(from: w.span, orientation: .asIs, on: context)
                let (both, back) = (try empty(rows, columns), try empty(columns, rows))
                try updatePacked(forward: both, backward: back, from: w.span, on: context)
                for (name, packed) in [("forward", forward), ("both forward", both)] {
                    // Zeros lose their sign in a sum.
                    #expect(try contents(of: packed, on: context) == expected, "\(label), \(name)")
                }
                for (name, packed) in [("backward", backward), ("both backward", back)] {
                    let here = turned(try contents(of: packed, on: context), columns, rows)
                    #expect(here == expected, "\(label), \(name)")
                }
            }
        }
    }

    /// Large enough to be written around the caches.
    @Test func largeMatrices() throws {
        let (N, K) = (4100, 1100)
        let w = weightsToRound(N * K, seed: 7)
        let context = try Context(threads: 2)
        let halves = w.map { UInt16(rounded($0, for: .bf16).bitPattern >> 16) }
        let fromHalves = try PackedMatrix(.bf16, halves.span, N: N, K: K, on: context)
        let (forward, backward) = (
            try PackedMatrix(empty: .bf16, N: N, K: K, on: context),
            try PackedMatrix(empty: .bf16, N: K, K: N, on: context)
        )
        try updatePacked(forward: forward, backward: backward, from: w.span, on: context)
        var generator = SplitMix(seed: 8)
        let a = generator.floats(3 * K)
        var results: [[Float]] = []
        for packed in [fromHalves, forward] {
            var c = [Float](repeating: 0, count: 3 * N)
            try matmul(M: 3, a.span, packed, into: c.mutableSpan, epilogue: Epilogue(), on: context)
            results.append(c)
        }
        #expect(firstDifference(results[0], results[1]) == nil)
        // Some rows of W back.
        for n in [0, 33, N - 1] {
            var unit = [Float](repeating: 0, count: N)
            unit[n] = 1
            var row = [Float](repeating: 0, count: K)
            try matmul(M: 1, unit.span, backward, into: row.mutableSpan, epilogue: Epilogue(), on: context)
            #expect(row == w[n * K..<(n + 1) * K].map { rounded($0, for: .bf16) }, "row \(n)")
        }
    }

    @Test func listsNoteUpdates() throws {
        let context = try Context(threads: 2)
        let list = try OperationList(on: context)
        let (N, K) = (40, 50)
        let w = try Memory<Float>(count: N * K)
        let forward = try PackedMatrix(empty: .bf16, N: N, K: K, on: context)
        let backward = try PackedMatrix(empty: .bf16, N: K, K: N, on: context)
        try updatePacked(forward: forward, backward: backward, from: w.span, on: list.context)
        for scale: Float in [1, 2] {
            var span = w.mutableSpan
            for i in 0..<N * K { span[i] = scale * Float(i % 100) }
            try list.run()
            #expect(try contents(of: forward, on: context) == (0..<N * K).map { scale * Float($0 % 100) })
            #expect(
                turned(try contents(of: backward, on: context), K, N) == (0..<N * K).map { scale * Float($0 % 100) })
        }
    }

    @Test func unsuitableMatricesAreRefused() throws {
        let context = try Context(threads: 1)
        let scales: [Float] = [1, 1], w: [Float] = [1, 2, 3, 4]
        let scaled = try PackedMatrix(.f32, w.span, N: 2, K: 2, scales: scales.span, on: context)
        #expect(throws: KernelError.self) { try scaled.update(from: w.span, on: context) }
        let (bf16, f16) = (
            try PackedMatrix(empty: .bf16, N: 2, K: 2, on: context),
            try PackedMatrix(empty: .f16, N: 2, K: 2, on: context)
        )
        #expect(throws: KernelError.self) {
            try updatePacked(forward: bf16, backward: f16, from: w.span, on: context)
        }
        #expect(throws: KernelError.self) {
            try updatePacked(forward: bf16, backward: bf16, from: w.span, on: context)
        }
    }
}
