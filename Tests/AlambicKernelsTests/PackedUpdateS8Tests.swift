// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import AlambicTestSupport
import Testing

/// Packed int8 weights that are quantized again from f32: against rows quantized by definition.
@Suite struct PackedUpdateS8Tests {
    /// What a packed matrix stands for, `[N, K]`: its product with the identity, whose sums are exact.
    private func contents(of packed: PackedMatrix, on context: Context) throws -> [Float] {
        let (N, K) = (packed.N, packed.K)
        var identity = [Int8](repeating: 0, count: K * K)
        for i in 0..<K { identity[i * K + i] = 1 }
        var product = [Float](repeating: 0, count: K * N)
        try matmul(M: K, identity.span, packed, into: product.mutableSpan, epilogue: Epilogue(), on: context)
        return turned(product, K, N)
    }

    private func expected(_ w: [Float], rows: Int, columns: Int) -> [Float] {
        let (q, scales) = QuantizeRowsTests.reference(w, rows: rows, columns: columns)
        return q.indices.map { Float(q[$0]) * scales[$0 / columns] }
    }

    @Test("both orientations, each and together", arguments: ProductVariant.here.filter { $0.product == .s8 })
    func quantizes(_ case_: ProductVariant) throws {
        for (index, (rows, columns)) in (PackedUpdateTests.shapes + [(150, 260), (2100, 5)]).enumerated() {
            var random = SplitMix(seed: UInt64(index))
            var w = random.floats(rows * columns, in: -3...3)
            // A row of zeros and a column of zeros have scale 1; a product with either is exact.
            for j in 0..<columns where rows > 2 { w[columns + j] = 0 }
            for i in 0..<rows where columns > 8 { w[i * columns + 7] = 0 }
            let forwards = expected(w, rows: rows, columns: columns)
            let backwards = expected(turned(w, rows, columns), rows: columns, columns: rows)
            for threads in rows * columns < 5000 ? threadCounts : [2] {
                let context = try case_.variant.context(threads: threads)
                let label = "\(case_), \(rows)x\(columns), \(threads) threads"
                func empty(_ N: Int, _ K: Int) throws -> PackedMatrix {
                    try PackedMatrix(empty: .s8, N: N, K: K, on: context)
                }
                let (forward, backward) = (try empty(rows, columns), try empty(columns, rows))
                #expect(try contents(of: forward, on: context).allSatisfy { $0 == 0 }, "\(label), empty")
                try forward.update(from: w.span, on: context)
                try backward.update(from: w.span, orientation: .asIs, on: context)
                let (both, back) = (try empty(rows, columns), try empty(columns, rows))
                let panels = WeightPanels(forward: both, backward: back)
                #expect(!panels.followSteps)
                for _ in 0..<2 { try panels.update(from: w.span, on: context) }
                #expect(try contents(of: forward, on: context) == forwards, "\(label), forward")
                #expect(try contents(of: both, on: context) == forwards, "\(label), both forward")
                #expect(try contents(of: backward, on: context) == backwards, "\(label), backward")
                #expect(try contents(of: back, on: context) == backwards, "\(label), both backward")
            }
        }
    }

    @Test func whatIsNotFiniteIsSeen() throws {
        let context = try Context(threads: 2)
        var w = [Float](repeating: 1, count: 40 * 50)
        w[3 * 50 + 4] = .nan
        w[5 * 50 + 6] = .infinity
        let forward = try PackedMatrix(empty: .s8, N: 40, K: 50, on: context)
        let backward = try PackedMatrix(empty: .s8, N: 50, K: 40, on: context)
        try updatePacked(forward: forward, backward: backward, from: w.span, on: context)
        let (f, b) = (try contents(of: forward, on: context), try contents(of: backward, on: context))
        for n in 0..<40 { #expect(f[n * 50..<(n + 1) * 50].allSatisfy(\.isNaN) == (n == 3 || n == 5), "row \(n)") }
        for k in 0..<50 { #expect(b[k * 40..<(k + 1) * 40].allSatisfy(\.isNaN) == (k == 4 || k == 6), "column \(k)") }
    }

    @Test func listsNoteUpdatesAndStepsRefuse() throws {
        let context = try Context(threads: 2)
        let list = try OperationList(on: context)
        let w = try Memory<Float>(count: 40 * 50)
        let packed = try PackedMatrix(empty: .s8, N: 40, K: 50, on: context)
        try packed.update(from: w.span, on: list.context)
        for scale: Float in [1, 2] {
            var span = w.mutableSpan
            for i in 0..<40 * 50 { span[i] = i % 50 == 0 ? scale * 127 : scale * Float(i % 100) }
            let values = (0..<40 * 50).map { $0 % 50 == 0 ? scale * 127 : scale * Float($0 % 100) }
            try list.run()
            #expect(try contents(of: packed, on: context) == values)
        }
        var weights = [Float](repeating: 1, count: 40 * 50)
        let gradient = weights
        #expect(throws: KernelError.self) {
            try sgdStep(
                weights: weights.mutableSpan, gradient: gradient.span, velocity: nil, rate: 0.1,
                panels: WeightPanels(forward: packed), on: context)
        }
        let (bytes, floats): ([Int8], [Float]) = ([1, 2, 3, 4], [1, 2, 3, 4])
        let unscaled = try PackedMatrix(.s8, bytes.span, N: 2, K: 2, on: context)
        #expect(throws: KernelError.self) { try unscaled.update(from: floats.span, on: context) }
    }
}
