import AlambicKernels
import AlambicTestSupport
import Foundation
import Testing

/// Divergences in doubles, from their definitions; gradients by central differences.
enum DivergenceOracle {
    static func logSoftmax(_ x: [Double]) -> [Double] {
        let top = x.max() ?? 0
        let sum = x.reduce(0) { $0 + exp($1 - top) }
        return x.map { $0 - top - log(sum) }
    }

    static func kl(_ p: [Double], _ q: [Double]) -> Double {
        zip(p, q).reduce(0) { $1.0 > 0 ? $0 + $1.0 * log($1.0 / $1.1) : $0 }
    }

    static func soft(_ divergence: Divergence, _ z: [Double], _ v: [Double], _ t: Double) -> Double {
        let (p, q) = (logSoftmax(v.map { $0 / t }).map(exp), logSoftmax(z.map { $0 / t }).map(exp))
        switch divergence {
        case .forwardKL: return t * t * kl(p, q)
        case .reverseKL: return t * t * kl(q, p)
        case .jensenShannon(let beta):
            let b = Double(beta)
            let m = zip(p, q).map { b * $0 + (1 - b) * $1 }
            return t * t * (b * kl(p, m) + (1 - b) * kl(q, m))
        case .matchedLogits:
            let n = Double(z.count)
            let (z0, v0) = (z.reduce(0, +) / n, v.reduce(0, +) / n)
            return zip(z, v).reduce(0) { $0 + pow($1.0 - z0 - $1.1 + v0, 2) } / (2 * n)
        }
    }

    static func total(
        _ divergence: Divergence, _ z: [Double], _ v: [Double], target: Int?, _ t: Double, mixing: Double
    ) -> Double {
        let hard = target.map { -logSoftmax(z)[$0] } ?? 0
        return mixing * soft(divergence, z, v, t) + (1 - mixing) * hard
    }
}

@Suite struct DivergenceTests {
    static let all: [Divergence] = [
        .forwardKL, .reverseKL, .jensenShannon(beta: 0.5), .jensenShannon(beta: 0.1), .jensenShannon(beta: 0.9),
        .matchedLogits,
    ]

    private func run(
        _ divergence: Divergence, _ z: [Float], _ v: [Float], targets: [Int32]?, vocabulary: Int,
        temperature: Float = 1, mixing: Float = 1, scale: Float = 1, on context: Context = .default
    ) throws -> (soft: [Float], hard: [Float], gradient: [Float]) {
        let rows = z.count / vocabulary
        var gradient = z
        var soft = [Float](repeating: .nan, count: rows)
        var hard = soft
        if let targets {
            try divergenceCrossEntropy(
                divergence, gradient.mutableSpan, teacher: v.span, targets: targets.span, rows: rows,
                vocabulary: vocabulary, temperature: temperature, mixing: mixing, gradientScale: scale,
                soft: soft.mutableSpan, hard: hard.mutableSpan, on: context)
        } else {
            try divergenceCrossEntropy(
                divergence, gradient.mutableSpan, teacher: v.span, targets: nil, rows: rows,
                vocabulary: vocabulary, temperature: temperature, mixing: mixing, gradientScale: scale,
                soft: soft.mutableSpan, hard: hard.mutableSpan, on: context)
        }
        return (soft, hard, gradient)
    }

    @Test func byHand() throws {
        // P = (3/4, 1/4), Q = (1/2, 1/2), so M = (5/8, 3/8) at beta 1/2.
        let (z, v): ([Float], [Float]) = ([0, 0], [Float(log(3.0)), 0])
        let reverse = try run(.reverseKL, z, v, targets: nil, vocabulary: 2)
        #expect(abs(Double(reverse.soft[0]) - 0.5 * log(4.0 / 3)) < 1e-6)  // ½ log(2/3) + ½ log 2
        #expect(abs(Double(reverse.gradient[0]) + 0.25 * log(3.0)) < 1e-6)  // ½ (log(2/3) - ½ log(4/3))
        let shannon = try run(.jensenShannon(beta: 0.5), z, v, targets: nil, vocabulary: 2)
        let expected =
            0.5 * (0.75 * log(1.2) + 0.25 * log(2.0 / 3)) + 0.5 * (0.5 * log(0.8) + 0.5 * log(4.0 / 3))
        #expect(abs(Double(shannon.soft[0]) - expected) < 1e-6)
        let matched = try run(.matchedLogits, [1, 2, 6], [1, 1, 1], targets: nil, vocabulary: 3)
        #expect(abs(matched.soft[0] - 14.0 / 6) < 1e-6)  // -2, -1, 3
        #expect(zip(matched.gradient, [-2.0 / 3, -1.0 / 3, 1]).allSatisfy { abs(Double($0) - $1) < 1e-6 })
    }

    @Test(arguments: all, [1, 2, 7, 16, 17, 33, 64, 100])
    func matchesDoubles(divergence: Divergence, vocabulary: Int) throws {
        let rows = 7
        var random = SplitMix(seed: UInt64(vocabulary))
        let z = random.normals(rows * vocabulary, deviation: 2), v = random.normals(rows * vocabulary, deviation: 2)
        var targets = random.integers(rows, in: 0...Int32(vocabulary - 1))
        targets[3] = ignoredTarget
        for (temperature, mixing) in [(1.0, 1.0), (2.5, 0.6)] {
            var reference: [Float]?
            for variant in Kernels.divergence where variant.runsHere {
                for threads in [1, 3] {
                    let found = try run(
                        divergence, z, v, targets: targets, vocabulary: vocabulary, temperature: Float(temperature),
                        mixing: Float(mixing), scale: 0.5, on: try variant.context(threads: threads))
                    if threads == 1 {
                        reference = found.gradient
                        check(found, divergence, z, v, targets, vocabulary, temperature, mixing, "\(variant)")
                    } else {
                        #expect(firstDifference(found.gradient, reference ?? []) == nil, "\(variant) \(vocabulary)")
                    }
                }
            }
        }
    }

    private func check(
        _ found: (soft: [Float], hard: [Float], gradient: [Float]), _ divergence: Divergence, _ z: [Float],
        _ v: [Float], _ targets: [Int32], _ vocabulary: Int, _ t: Double, _ mixing: Double, _ name: String
    ) {
        for row in targets.indices {
            let part = row * vocabulary..<(row + 1) * vocabulary
            let (zs, vs) = (z[part].map(Double.init), v[part].map(Double.init))
            guard targets[row] >= 0 else {
                #expect(found.soft[row] == 0 && found.hard[row] == 0 && found.gradient[part].allSatisfy { $0 == 0 })
                continue
            }
            let target = Int(targets[row])
            let soft = DivergenceOracle.soft(divergence, zs, vs, t)
            // Logits of a few units: log-probabilities are good to 1e-6, and there are at most a hundred of them.
            #expect(abs(Double(found.soft[row]) - soft) < 2e-5 * max(1, soft), "\(name) \(divergence) \(vocabulary)")
            for j in 0..<vocabulary {
                func at(_ step: Double) -> Double {
                    var moved = zs
                    moved[j] += step
                    return DivergenceOracle.total(divergence, moved, vs, target: target, t, mixing: mixing)
                }
                let slope = 0.5 * (at(1e-5) - at(-1e-5)) / 2e-5
                #expect(
                    abs(Double(found.gradient[row * vocabulary + j]) - slope) < 1e-5 * max(1, abs(slope)),
                    "\(name) \(divergence) vocabulary \(vocabulary) row \(row) column \(j)")
            }
        }
    }

    @Test func limitsOfBeta() throws {
        var random = SplitMix(seed: 3)
        let z = random.normals(50), v = random.normals(50)
        let (small, large): (Float, Float) = (1e-3, 1 - 1e-3)
        let forward = try run(.forwardKL, z, v, targets: nil, vocabulary: 50)
        let low = try run(.jensenShannon(beta: small), z, v, targets: nil, vocabulary: 50)
        #expect(abs(low.soft[0] / small / forward.soft[0] - 1) < 0.01)
        let reverse = try run(.reverseKL, z, v, targets: nil, vocabulary: 50)
        let high = try run(.jensenShannon(beta: large), z, v, targets: nil, vocabulary: 50)
        #expect(abs(high.soft[0] / (1 - large) / reverse.soft[0] - 1) < 0.01)
        for j in 0..<50 {
            #expect(abs(high.gradient[j] / (1 - large) - reverse.gradient[j]) < 0.01)
            #expect(abs(low.gradient[j] / small - forward.gradient[j]) < 0.01)
        }
    }

    /// Hinton et al. 2015, section 2.1.
    @Test func matchedLogitsAreTheLimitOfHighTemperatures() throws {
        var random = SplitMix(seed: 4)
        let z = random.normals(40), v = random.normals(40)
        let matched = try run(.matchedLogits, z, v, targets: nil, vocabulary: 40)
        var last = Float.infinity
        for temperature: Float in [4, 16, 64] {
            let soft = try run(.forwardKL, z, v, targets: nil, vocabulary: 40, temperature: temperature)
            let distance = zip(soft.gradient, matched.gradient).map { abs($0 - $1) }.max() ?? 1
            #expect(distance < last / 2, "\(distance) at T = \(temperature)")
            last = distance
        }
        #expect(last < 2e-3 * (matched.gradient.map(abs).max() ?? 0) * 40)
    }

    @Test func excludedClasses() throws {
        // Classes of probability zero in one or both: finite, but for KL(Q ‖ P) where P excludes what Q does not.
        let none = -Float.infinity
        let z: [Float] = [0, 1, none, none], v: [Float] = [1, none, 2, none]
        let shannon = try run(.jensenShannon(beta: 0.5), z, v, targets: nil, vocabulary: 4)
        let small = 1 / (1 + M_E)
        let (p, q): ([Double], [Double]) = ([small, 0, 1 - small, 0], [small, 1 - small, 0, 0])
        let m = zip(p, q).map { ($0 + $1) / 2 }
        let expected = (DivergenceOracle.kl(p, m) + DivergenceOracle.kl(q, m)) / 2
        #expect(abs(Double(shannon.soft[0]) - expected) < 1e-6)
        #expect(shannon.gradient.allSatisfy { $0.isFinite } && shannon.gradient[2] == 0)
        let reverse = try run(.reverseKL, z, v, targets: nil, vocabulary: 4)
        #expect(reverse.soft[0] == .infinity)
        // A million apart, nothing overflows.
        let far = try run(.jensenShannon(beta: 0.3), [1e6, 0], [0, 1e6], targets: nil, vocabulary: 2)
        #expect(abs(Double(far.soft[0]) + 0.3 * log(0.3) + 0.7 * log(0.7)) < 1e-5)
        #expect(far.gradient.allSatisfy { $0.isFinite })
    }

    /// A teacher that is not a number is noticed in the gradient as in the loss.
    @Test(arguments: all) func brokenTeachers(divergence: Divergence) throws {
        let z: [Float] = [0.5, -1, 2, 0, 1]
        for place in z.indices {
            var v: [Float] = [1, 0, -1, 2, 0.5]
            v[place] = .nan
            for variant in Kernels.divergence where variant.runsHere {
                let found = try run(
                    divergence, z, v, targets: nil, vocabulary: 5, on: try variant.context(threads: 1))
                #expect(found.soft[0].isNaN, "\(variant) \(place)")
                #expect(found.gradient.allSatisfy { $0.isNaN }, "\(variant) \(place)")
            }
        }
    }

    @Test func badArguments() {
        for divergence in [Divergence.jensenShannon(beta: 0), .jensenShannon(beta: 1), .jensenShannon(beta: .nan)] {
            #expect(throws: KernelError.self) { try run(divergence, [1, 2], [1, 2], targets: nil, vocabulary: 2) }
        }
        for divergence in Self.all {
            #expect(throws: KernelError.self) {
                try run(divergence, [1, 2], [1, 2], targets: [2], vocabulary: 2)
            }
            #expect(throws: KernelError.self) {
                try run(divergence, [1, 2], [1, 2], targets: nil, vocabulary: 2, temperature: 0)
            }
            #expect(throws: KernelError.self) {
                try run(divergence, [1, 2], [1, 2], targets: nil, vocabulary: 2, mixing: 0.5)
            }
        }
    }

    @Test(arguments: [1, 3, 16, 20])
    func completedTeachersHaveTheKnownClassesAndOneBucket(count: Int) throws {
        let vocabulary = 20, rows = 3, t = 2.0
        var random = SplitMix(seed: UInt64(count))
        let z = random.normals(rows * vocabulary), v = random.normals(rows * vocabulary, deviation: 2)
        var classes: [Int32] = [], known: [Float] = [], tails: [Float] = [], expected: [Double] = []
        for row in 0..<rows {
            let part = row * vocabulary..<(row + 1) * vocabulary
            let p = DivergenceOracle.logSoftmax(v[part].map { Double($0) / t })
            let q = DivergenceOracle.logSoftmax(z[part].map { Double($0) / t })
            let best = p.indices.sorted { p[$0] > p[$1] }.prefix(count)
            let tail = count == vocabulary ? 0 : 1 - best.reduce(0) { $0 + exp(p[$1]) }
            let rest = 1 - best.reduce(0) { $0 + exp(q[$1]) }
            var sum = best.reduce(0.0) { $0 + exp(p[$1]) * (p[$1] - q[$1]) }
            if tail > 0 { sum += tail * log(tail / rest) }
            expected.append(t * t * sum)
            let whole = DivergenceOracle.soft(.forwardKL, z[part].map(Double.init), v[part].map(Double.init), t)
            #expect(expected[row] <= whole + 1e-9)
            classes += best.map(Int32.init)
            known += best.map { Float(p[$0]) }
            tails.append(Float(tail))
        }
        for variant in Kernels.divergence where variant.runsHere {
            let context = try variant.context(threads: 2)
            var teacher = [Float](repeating: .nan, count: z.count)
            try completeTeacher(
                classes: classes.span, logProbabilities: known.span, tails: tails.span, student: z.span, rows: rows,
                vocabulary: vocabulary, temperature: Float(t), into: teacher.mutableSpan, on: context)
            let found = try run(
                .forwardKL, z, teacher, targets: nil, vocabulary: vocabulary, temperature: Float(t), on: context)
            for row in 0..<rows {
                #expect(abs(Double(found.soft[row]) - expected[row]) < 2e-5 * max(1, expected[row]), "\(variant)")
            }
        }
    }
}
