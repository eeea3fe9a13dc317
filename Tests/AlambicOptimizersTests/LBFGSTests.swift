import AlambicKernels
import AlambicTensor
import Foundation
import Testing

@testable import AlambicOptimizers

/// A vector of doubles in pieces, as if each were on a machine of its own. It counts what is asked of it.
private final class Pieces: LBFGSVector {
    var pieces: [[Double]]
    init(_ pieces: [[Double]]) { self.pieces = pieces }
    convenience init(_ values: [Double], cut: Int) { self.init([Array(values[..<cut]), Array(values[cut...])]) }
    var values: [Double] { Array(pieces.joined()) }
    func dot(_ other: Pieces) -> Double {
        zip(pieces, other.pieces).map { zip($0, $1).reduce(0) { $0 + $1.0 * $1.1 } }.reduce(0, +)
    }
    func accumulate(_ x: Pieces, times a: Double) {
        for i in pieces.indices { for j in pieces[i].indices { pieces[i][j] += a * x.pieces[i][j] } }
    }
    func scale(by a: Double) { for i in pieces.indices { for j in pieces[i].indices { pieces[i][j] *= a } } }
    func copy(from other: Pieces) { pieces = other.pieces }
    func copied() -> Pieces { Pieces(pieces) }
}

private func rosenbrock(_ x: [Double]) -> (Double, [Double]) {
    var value = 0.0
    var gradient = [Double](repeating: 0, count: x.count)
    for i in 0..<x.count - 1 {
        let (a, b) = (x[i + 1] - x[i] * x[i], 1 - x[i])
        value += 100 * a * a + b * b
        gradient[i] += -400 * x[i] * a - 2 * b
        gradient[i + 1] += 200 * a
    }
    return (value, gradient)
}

@Suite struct LBFGSTests {
    /// The two loops are the product with the matrix that BFGS's own formula gives (Nocedal and Wright 2006, equations 7.16 to
    /// 7.19): H ← (1 - ρ s yᵀ) H (1 - ρ y sᵀ) + ρ s sᵀ, from γ times the identity.
    @Test func twoLoopsAreTheMatrix() throws {
        let n = 5
        func vector(_ seed: UInt64) -> [Double] { AgainstDoublePrecision.values(n, seed: seed).map(Double.init) }
        var history = LBFGSHistory<Pieces>(capacity: 3)
        var pairs: [(s: [Double], y: [Double])] = []
        for k in 0..<5 {
            let s = vector(UInt64(2 * k + 1))
            // y = A s for a positive diagonal, and a little more: the curvature is positive.
            let y = s.enumerated().map { $1 * Double($0 + 1) }
            #expect(try history.take(step: Pieces(s, cut: 2), change: Pieces(y, cut: 2)))
            pairs.append((s, y))
        }
        #expect(history.count == 3)
        pairs.removeFirst(2)
        func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
        let last = pairs[2]
        let gamma = dot(last.s, last.y) / dot(last.y, last.y)
        var h = (0..<n).map { i in (0..<n).map { i == $0 ? gamma : 0 } }
        for (s, y) in pairs {
            let rho = 1 / dot(s, y)
            func left(_ i: Int, _ j: Int) -> Double { (i == j ? 1 : 0) - rho * s[i] * y[j] }
            var next = h
            for i in 0..<n {
                for j in 0..<n {
                    var sum = rho * s[i] * s[j]
                    for k in 0..<n { for l in 0..<n { sum += left(i, k) * h[k][l] * left(j, l) } }
                    next[i][j] = sum
                }
            }
            h = next
        }
        let q = vector(99)
        let expected = h.map { dot($0, q) }
        let product = Pieces(q, cut: 2)
        try history.multiply(into: product)
        for (found, wanted) in zip(product.values, expected) { #expect(abs(found - wanted) < 1e-9 * (1 + abs(wanted))) }
    }

    @Test func negativeCurvatureIsNotRemembered() throws {
        var history = LBFGSHistory<Pieces>(capacity: 3)
        #expect(try !history.take(step: Pieces([1, 0], cut: 1), change: Pieces([-1, 0], cut: 1)))
        #expect(try !history.take(step: Pieces([1, 0], cut: 1), change: Pieces([0, 1], cut: 1)))
        #expect(try !history.take(step: Pieces([1, 0], cut: 1), change: Pieces([.nan, 1], cut: 1)))
        #expect(try history.take(step: Pieces([1, 0], cut: 1), change: Pieces([0.1, 1], cut: 1)))
        #expect(history.count == 1)
    }

    /// Every step that says so satisfies both conditions, on a function whose valley is curved.
    @Test func rosenbrockIsMinimised() throws {
        let start = Pieces([-1.2, 1, -1.2, 1], cut: 1)
        let search = try LBFGS(start)
        var reports: [LBFGSReport] = []
        for _ in 0..<200 where search.gradientNorm.isNaN || search.gradientNorm > 1e-8 {
            let before = search.x.values
            let old = rosenbrock(before)
            let report = try search.step { x in
                let (value, gradient) = rosenbrock(x.values)
                return (value, Pieces(gradient, cut: 1))
            }
            reports.append(report)
            let after = search.x.values
            let new = rosenbrock(after)
            // φ'(α) is along p = (x' - x) / α.
            let move = zip(after, before).map { ($0 - $1) / report.stepLength }
            let slopes = [old, new].map { zip($0.1, move).reduce(0) { $0 + $1.0 * $1.1 } }
            #expect(new.0 == report.value)
            #expect(new.0 <= old.0 + 1e-4 * report.stepLength * slopes[0] + 1e-15, "sufficient decrease")
            if report.satisfiesWolfe { #expect(abs(slopes[1]) <= 0.9 * abs(slopes[0]) + 1e-12, "curvature") }
        }
        #expect(search.gradientNorm <= 1e-8)
        for x in search.x.values { #expect(abs(x - 1) < 1e-6) }
        #expect(search.evaluations < 120, "\(search.evaluations) evaluations")
        #expect(reports.allSatisfy { $0.moved && !$0.restarted })
        #expect(reports.reduce(0) { $0 + $1.evaluations } == search.evaluations)
        #expect(start.values == [-1.2, 1, -1.2, 1], "the start is copied")
    }

    /// A convex quadratic in single precision, with curvatures over three decades.
    @Test func tensorsConverge() throws {
        let context = try Context(threads: 2)
        let n = 500
        let target = AgainstDoublePrecision.values(n, seed: 3)
        let curvature = (0..<n).map { Float(pow(10, -3 * Double($0) / Double(n))) }
        let gradient = try Tensor([n])
        let search = try LBFGS(TensorVector(try Tensor([n]), on: context))
        let report = try search.minimize(iterations: 200, tolerance: 1e-5) { x in
            let w = x.tensor.elements
            var value = 0.0
            var g = [Float](repeating: 0, count: n)
            for i in 0..<n {
                let distance = Double(w[i]) - Double(target[i])
                value += Double(curvature[i]) * distance * distance / 2
                g[i] = Float(Double(curvature[i]) * distance)
            }
            gradient.copy(from: try Tensor([n], g))
            return (value, TensorVector(gradient, on: context))
        }
        #expect(report.gradientNorm <= 1e-5, "\(report)")
        for i in 0..<n { #expect(abs(search.x.tensor.elements[i] - target[i]) < 2e-2) }
        #expect(search.evaluations < 220, "\(search.evaluations)")
    }

    /// A value that is not finite is too far, not an end: the logarithm's barrier at 0.
    @Test func barriersAreSteppedBackFrom() throws {
        let search = try LBFGS(Pieces([3, 1], cut: 1))
        let report = try search.minimize(iterations: 60, tolerance: 1e-7) { x in
            let v = x.values
            // x - log x - …: minimum at (0.01, 0.5), and no number left of zero.
            let value = v[0] - 0.01 * log(v[0]) + v[1] - 0.5 * log(v[1])
            return (value, Pieces(v[0] > 0 && v[1] > 0 ? [1 - 0.01 / v[0], 1 - 0.5 / v[1]] : [.nan, .nan], cut: 1))
        }
        #expect(report.gradientNorm <= 1e-7, "\(report)")
        #expect(abs(search.x.values[0] - 0.01) < 1e-6 && abs(search.x.values[1] - 0.5) < 1e-6)
    }

    /// A gradient that is not that of the values: the memory is cleared, and then it says that it cannot move.
    @Test func aWrongGradientIsSaid() throws {
        let search = try LBFGS(Pieces([1, 1], cut: 1))
        var lies = false
        func evaluate(_ x: Pieces) -> (Double, Pieces) {
            let v = x.values
            let g = [2 * v[0], 20 * v[1]]
            return (v[0] * v[0] + 10 * v[1] * v[1], Pieces(lies ? g.map { -$0 } : g, cut: 1))
        }
        let first = try search.step { evaluate($0) }
        #expect(first.moved && first.remembered)
        // From here on the value rises along what the gradient says, wherever it looks.
        lies = true
        let second = try search.step { x in
            let (value, gradient) = evaluate(x)
            return (value + 1e6, gradient)
        }
        #expect(second.restarted && !second.moved && second.value == first.value)
    }

    @Test func aBadStartIsRefused() throws {
        let search = try LBFGS(Pieces([1], cut: 1))
        #expect(throws: LBFGSError.notFinite("value", .infinity)) {
            try search.step { _ in (.infinity, Pieces([1], cut: 1)) }
        }
        let text = "\(LBFGSError.notFinite("value", .infinity))"
        #expect(text == "L-BFGS cannot start: the value at the first point is inf; start elsewhere")
        // At a minimum nothing happens.
        let done = try LBFGS(Pieces([0], cut: 1)).step { _ in (3, Pieces([0], cut: 1)) }
        #expect(!done.moved && done.value == 3 && done.evaluations == 1)
    }
}
