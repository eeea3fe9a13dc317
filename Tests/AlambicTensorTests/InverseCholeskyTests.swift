import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

@Suite struct InverseCholeskyTests {
    /// Xᵀ X + a little, of twice as many rows as columns: a condition number in the hundreds.
    private static func matrix(_ n: Int) throws -> Memory<Double> {
        var random = SplitMix(seed: UInt64(n))
        let x = random.normals(2 * n * n)
        let matrix = try Memory<Double>(count: n * n)
        var elements = matrix.mutableSpan
        for i in 0..<n {
            for j in i..<n {
                var sum = i == j ? 0.1 : 0
                for row in 0..<2 * n { sum += Double(x[row * n + i]) * Double(x[row * n + j]) }
                (elements[i * n + j], elements[j * n + i]) = (sum, sum)
            }
        }
        return matrix
    }

    private static func factor(_ matrix: Memory<Double>, _ n: Int) throws -> [[Double]]? {
        guard let factor = try InverseCholesky(matrix, order: n) else { return nil }
        return (0..<n).map { i in
            var row: [Double] = []
            factor.row(i, into: &row)
            return [Double](repeating: 0, count: i) + row
        }
    }

    /// Uᵀ U H = I says that Uᵀ U is the inverse; U is upper triangular by construction, and its diagonal is positive.
    @Test(arguments: [1, 2, 7, 127, 128, 129, 200, 257])
    func isTheFactorOfTheInverse(n: Int) throws {
        let matrix = try Self.matrix(n)
        let u = try #require(try Self.factor(matrix, n))
        let h = matrix.span
        // V = U H, then Uᵀ V.
        var v = [Double](repeating: 0, count: n * n)
        for i in 0..<n {
            #expect(u[i].count == n && u[i][i] > 0)
            for k in i..<n { for j in 0..<n { v[i * n + j] += u[i][k] * h[k * n + j] } }
        }
        var worst = 0.0
        for i in 0..<n {
            var row = [Double](repeating: 0, count: n)
            for k in 0...i { for j in 0..<n { row[j] += u[k][i] * v[k * n + j] } }
            for j in 0..<n { worst = max(worst, abs(row[j] - (i == j ? 1 : 0))) }
        }
        // n rounding errors of 2^-53, times the condition number.
        #expect(worst < 1e-16 * 1e4 * Double(n), "order \(n): off by \(worst)")
    }

    @Test func twoByTwoByHand() throws {
        // H = [4 2; 2 3], H⁻¹ = [3 -2; -2 4] / 8 = Uᵀ U.
        let matrix = try Memory<Double>(count: 4)
        for (i, value) in [4.0, 2, 2, 3].enumerated() { matrix.set(i, to: value) }
        let u = try #require(try Self.factor(matrix, 2))
        #expect(abs(u[0][0] * u[0][0] - 3.0 / 8) < 1e-15)
        #expect(abs(u[0][0] * u[0][1] + 2.0 / 8) < 1e-15)
        #expect(abs(u[0][1] * u[0][1] + u[1][1] * u[1][1] - 4.0 / 8) < 1e-15)
    }

    @Test func manyCallersAtOnce() async throws {
        let matrix = try Self.matrix(200)
        let alone = try #require(try Self.factor(matrix, 200))
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 { group.addTask { try Self.factor(matrix, 200) == alone } }
            for try await equal in group { #expect(equal) }
        }
    }

    @Test(arguments: [1, 150, 299])
    func whatIsNotPositiveDefiniteHasNone(place: Int) throws {
        for bad in [0, -1, Double.nan, .infinity] {
            let matrix = try Self.matrix(300)
            matrix.set(place * 300 + place, to: bad)
            #expect(try Self.factor(matrix, 300) == nil, "\(bad) at \(place)")
        }
    }
}

extension Memory {
    fileprivate func set(_ place: Int, to value: Element) {
        var elements = mutableSpan
        elements[place] = value
    }
}
