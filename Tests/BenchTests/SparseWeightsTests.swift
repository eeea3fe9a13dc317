import AlambicKernels
import Testing

@testable import bench

/// The weights that sparse cases multiply with.
@Suite struct SparseWeightsTests {
    @Test("as many zeros as asked for, those of before among them")
    func elements() throws {
        let weights = try randomBytes(90 * 70)
        let struck = try StruckWeights(weights, N: 90, K: 70, .elements, on: .default)
        func zeros() -> [Int] { (0..<90 * 70).filter { weights.span[$0] == 0 } }
        #expect(struck.strike(percent: 0) == 90 * 70 && zeros().isEmpty)
        var before: [Int] = []
        for percent in [50, 80, 95] {
            let kept = struck.strike(percent: percent), now = zeros()
            #expect(now.count == 90 * 70 - kept && Set(now).isSuperset(of: before))
            // Five standard deviations of the binomial distribution.
            let share = Double(percent) / 100, count = Double(90 * 70)
            let deviation = (count * share * (1 - share)).squareRoot()
            #expect(abs(Double(now.count) - share * count) < 5 * deviation)
            before = now
        }
        #expect(struck.strike(percent: 100) == 0 && zeros().count == 90 * 70)
    }

    @Test("blocks are zero as a whole or not at all, those at the edges too")
    func blocks() throws {
        let (N, K) = (37, 23)
        let weights = try halves(N * K, .bf16)
        let struck = try StruckWeights(weights, N: N, K: K, .blocks, on: .default)
        let kept = struck.strike(percent: 50)
        #expect((0..<N * K).count { weights.span[$0] != 0 } == kept && kept > 0 && kept < N * K)
        for n in stride(from: 0, to: N, by: 16) {
            for k in stride(from: 0, to: K, by: 2) {
                let rows = n..<min(n + 16, N), steps = k..<min(k + 2, K)
                let zeros = rows.flatMap { row in steps.map { weights.span[row * K + $0] == 0 } }
                #expect(Set(zeros).count == 1, "block at \(n), \(k)")
            }
        }
    }

    @Test("bytes and operations of the bitmask case are those of what is left and of the dense product")
    func bitmaskCase() throws {
        let benchCase = try #require(allCases.first { $0.name == "bitmask" && $0.dtype == "bf16" })
        let context = try Machine.local.context(threads: 1)
        let workload = try benchCase.prepare(BenchShape(3, 64, 128, 75), context)
        #expect(workload.ops == 2 * 3 * 64 * 128)
        let fixed = Double(64 * 128 / 8 + 2 * 3 * 128 + 4 * 3 * 64)
        let weights = workload.bytes - fixed, expected = 2 * 0.25 * 64 * 128
        #expect(abs(weights - expected) < 0.1 * expected)
        try workload.run(0)
        #expect(benchCase.accepts?(BenchShape(1, 1, 1, 101)) == false)
    }

    @Test("sets of sparse shapes are for sparse cases alone")
    func sets() throws {
        let choice = try ShapeChoice("sparse-gpt2")
        let bitmask = try #require(allCases.first { $0.name == "bitmask" })
        let dense = try #require(allCases.first { $0.name == "matmul-packed" })
        #expect(choice.shapes(of: bitmask).count == 4 * 5 * 4 && choice.shapes(of: dense).isEmpty)
        #expect(choice.shapes(of: bitmask).map(\.description).contains("512x50257x768x90"))
    }
}
