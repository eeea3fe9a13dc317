import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTraining
import Testing

@testable import AlambicPruning

/// A unit for each weight that is there.
private struct Linear: CostModel {
    func cost(of shape: (outputs: Int, inputs: Int), sparsity: Double) -> Double {
        (1 - sparsity) * Double(shape.outputs * shape.inputs)
    }
}

/// Nothing is gained below a sparsity of one half, as with a kernel that is slower than the dense one until then.
private struct Plateau: CostModel {
    func cost(of shape: (outputs: Int, inputs: Int), sparsity: Double) -> Double {
        min(1, 2 * (1 - sparsity)) * Double(shape.outputs * shape.inputs)
    }
}

private let ladder = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]

private func matrix(_ name: String, _ outputs: Int, _ inputs: Int, _ curve: (Double) -> Double) -> MatrixSensitivity {
    MatrixSensitivity(path: name, outputs: outputs, inputs: inputs, points: ladder.map { ($0, curve($0)) })
}

@Suite struct AllocationTests {
    /// Increases a_m n_m s²/2 with cost n_m (1 - s): by Lagrange a_m s_m is the same for all m.
    @Test func quadraticsHaveTheirAnalyticOptimum() throws {
        let weights = [1.0, 2, 4]
        let matrices = weights.enumerated().map { index, a in
            matrix("m\(index)", 10, 10, { a * 100 * $0 * $0 / 2 })
        }
        let allocator = SparsityAllocator(matrices, cost: Linear())
        #expect(allocator.densestCost == 300 && allocator.leastCost == 0)
        // s = (0.8, 0.4, 0.2): 140 of 300 go.
        let found = try #require(allocator.allocate(160))
        for (s, expected) in zip(found.sparsities, [0.8, 0.4, 0.2]) { #expect(abs(s - expected) < 0.101) }
        #expect(found.cost <= 160 && found.cost > 159.999)
        let optimum = [0.8, 0.4, 0.2].enumerated().reduce(0.0) {
            $0 + weights[$1.offset] * 50 * $1.element * $1.element
        }
        #expect(found.increase >= optimum - 1e-9 && found.increase < optimum * 1.02)
    }

    /// All combinations on the ladder, for curves that are no parabolas and no hulls.
    @Test(arguments: [0.9, 0.7, 0.5, 0.3, 0.1])
    func noCombinationIsBetter(share: Double) throws {
        let matrices = [
            matrix("a", 4, 10, { $0 * $0 * $0 }), matrix("b", 3, 10, { $0 < 0.65 ? 0 : 4 * ($0 - 0.6) }),
            matrix("c", 5, 20, { ($0 * 3).rounded() / 2 }), matrix("d", 1, 7, { 0.1 * $0 }),
        ]
        let allocator = SparsityAllocator(matrices, cost: Linear())
        let budget = share * allocator.densestCost
        let found = try #require(allocator.allocate(budget))
        #expect(found.cost <= budget && found.cost > 0.95 * budget)
        var best = Double.infinity
        let steps = [0] + ladder
        for a in steps {
            for b in steps {
                for c in steps {
                    for d in steps {
                        let other = allocator.allocation([a, b, c, d])
                        if other.cost <= budget { best = min(best, other.increase) }
                    }
                }
            }
        }
        // A part of one edge of a hull is what may be lost: at most half a step of c here.
        #expect(found.increase <= best + 0.5, "\(found) against \(best)")
    }

    @Test func aPlateauIsSkipped() throws {
        let matrices = [matrix("a", 10, 10, { $0 }), matrix("b", 10, 10, { 3 * $0 })]
        let allocator = SparsityAllocator(matrices, cost: Plateau())
        let found = try #require(allocator.allocate(150))
        // One of them to 0.75, none to a sparsity that gains nothing.
        #expect(found.sparsities[1] == 0 && abs(found.sparsities[0] - 0.75) < 1e-6, "\(found)")
    }

    @Test func budgetsAtTheEnds() throws {
        let allocator = SparsityAllocator([matrix("a", 10, 10, { $0 })], cost: Linear())
        #expect(allocator.allocate(-1) == nil)
        #expect(allocator.allocate(0)?.sparsities == [1])
        #expect(allocator.allocate(100)?.sparsities == [0])
        #expect(allocator.allocate(1e9)?.sparsities == [0])
        #expect(SparsityAllocator([], cost: Linear()).allocate(0)?.sparsities == [])
    }

    @Test func noiseDoesNotMakeALossFall() {
        let noisy = MatrixSensitivity(
            path: "a", outputs: 1, inputs: 1, points: [(0.3, -0.1), (0.5, 0.2), (0.7, 0.1), (0.9, 1)])
        #expect(noisy.points.map(\.increase) == [0, 0, 0.2, 0.2, 1])
        #expect(abs(noisy.increase(at: 0.4) - 0.1) < 1e-12 && noisy.increase(at: 1) == 1)
    }
}

@Suite struct TargetSearchTests {
    private let allocator = SparsityAllocator(
        [matrix("a", 10, 10, { $0 * $0 }), matrix("b", 20, 10, { $0 * $0 * 2 })], cost: Linear())

    /// A model that measures other than the cost model thinks: something else beside it, and a wrong factor.
    @Test(arguments: [1.0, 0.7, 1.6, 0.2, 5], [0.0, 50])
    func measurementsCorrectTheModel(factor: Double, rest: Double) throws {
        func measure(_ s: [Double]) -> Double { factor * allocator.allocation(s).cost + rest }
        let limit = 0.5 * measure([0, 0])
        guard case .reached(let found, let measured) = TargetSearch(allocator, limit: limit).run(measure: measure)
        else {
            Issue.record("not reached")
            return
        }
        #expect(measured <= limit && measured >= 0.95 * limit)
        #expect(measured == measure(found.sparsities))
    }

    @Test func whatIsMetAndWhatCannotBe() {
        func measure(_ s: [Double]) -> Double { allocator.allocation(s).cost + 100 }
        guard case .metDense(400) = TargetSearch(allocator, limit: 400).run(measure: measure) else {
            Issue.record("400 is met dense")
            return
        }
        guard case .unreachable(best: 100) = TargetSearch(allocator, limit: 99).run(measure: measure) else {
            Issue.record("99 is less than the rest")
            return
        }
    }

    @Test func wherePruningGainsNothing() {
        struct Flat: CostModel {
            func cost(of shape: (outputs: Int, inputs: Int), sparsity: Double) -> Double { 1 }
        }
        let search = TargetSearch(SparsityAllocator(allocator.matrices, cost: Flat()), limit: 4)
        guard case .unreachable(best: 5) = search.run(measure: { _ in 5 }) else {
            Issue.record("5 stays 5")
            return
        }
    }
}

@Suite struct CostTests {
    @Test(arguments: [(16, 16), (3, 9), (33, 70)])
    func bytesAreThoseOfTheForms(outputs: Int, inputs: Int) throws {
        let context = try Context(threads: 1)
        let tensor = try Tensor([outputs, inputs])
        try normal(seed: 1, stream: 0, mean: 0, deviation: 1, into: tensor.mutableSpan, on: context)
        // Nothing that rounds to zero.
        var elements = tensor.mutableSpan
        for index in 0..<elements.count {
            elements[index] = elements[index] < 0 ? elements[index] - 1 : elements[index] + 1
        }
        for sparsity in [0, 0.5, 0.9] {
            let cut = try tensor.copied()
            let mask = try Magnitude().mask(of: cut, to: .unstructured(sparsity), after: nil)
            try mask.apply(to: cut, on: context)
            let quantized = try QuantizedTensor(cut, on: context)
            for (form, dense, sparse) in [
                (ElementForm.f32, PackedWeight.f32(cut), PackedWeight.bitmask(try BitmaskTensor(cut))),
                (.int8, .int8(quantized), .bitmask(try BitmaskTensor(quantized))),
            ] {
                let bytes = Double(min(dense.byteCount, sparse.byteCount))
                #expect(abs(ByteCost(form).cost(of: (outputs, inputs), sparsity: mask.sparsity) - bytes) < 1e-6)
            }
        }
    }

    @Test(arguments: ElementForm.allCases)
    func timesAreMeasuredAndNeverRise(form: ElementForm) throws {
        let shapes = [(outputs: 64, inputs: 32), (outputs: 16, inputs: 64), (outputs: 64, inputs: 32)]
        let cost = try TimeCost(
            measuring: shapes, form: form, sparsities: [0.5, 0.9], passes: 2, on: try Context(threads: 1))
        for shape in shapes {
            let times = stride(from: 0, through: 1, by: 0.1).map { cost.cost(of: shape, sparsity: $0) }
            #expect(times.allSatisfy { $0 > 0 && $0 < 1 } && times == times.sorted(by: >), "\(times)")
        }
    }

    @Test func decodingTakesTime() throws {
        let model = try Model(.gpt(layers: 1, width: 16, heads: 2, context: 2), seed: 1)
        let seconds = try model.secondsPerToken(tokens: 3, stretches: 1, on: try Context(threads: 1))
        #expect(seconds > 0 && seconds < 1)
    }
}

@Suite struct SensitivityTests {
    private static func trained() throws -> (Model, Corpus) {
        let text = Array("she sells sea shells by the sea shore; ".utf8)
        let corpus = try Corpus(text: (0..<4000).map { text[$0 * ($0 / 97 + 1) % text.count] }, tokenizer: .bytes)
        let trainer = try Trainer(
            try Model(.gpt(layers: 2, width: 16, heads: 2, context: 16), seed: 1), optimizer: .adamW(rate: 3e-3),
            on: try Context(threads: 2))
        try trainer.run(try corpus.batches(of: 8, context: 16, seed: 1), until: 120)
        return (try trainer.snapshot(), corpus)
    }

    @Test func increasesAreDifferencesOfLosses() throws {
        let (model, corpus) = try Self.trained()
        let context = try Context(threads: 2)
        var scan = SensitivityScan()
        scan.ladder = [0.5, 0.9]
        scan.tokens = 500
        let found = try model.sensitivities(on: corpus, scan: scan, context: context)
        #expect(found.map(\.path) == model.prunablePaths())
        // Oracle: the whole way over pruned models.
        let piece = try corpus.prefix(501)
        let base = try model.evaluate(on: piece, on: context).loss
        for matrix in found {
            var highest = 0.0
            for point in matrix.points.dropFirst() {
                let cut = try model.pruned(to: [matrix.path: .unstructured(point.sparsity)], on: context)
                highest = max(highest, try cut.evaluate(on: piece, on: context).loss - base)
                #expect(abs(point.increase - highest) < 1e-6, "\(matrix.path) at \(point.sparsity)")
            }
        }
        #expect(found.contains { $0.points[2].increase > 0 })
    }

    /// With half of the losses the others follow the removed energy: between their neighbours, and close to what they are.
    @Test func fewerLossesForLargeModels() throws {
        let (model, corpus) = try Self.trained()
        let context = try Context(threads: 2)
        var scan = SensitivityScan()
        scan.tokens = 512
        let full = try model.sensitivities(on: corpus, scan: scan, context: context)
        scan.operations = 4.5 * 512 * Double(full.count) * Double(model.parameterCount)
        #expect(scan.plan(matrices: full.count, parameters: model.parameterCount).losses == 4)
        #expect(scan.measured(4) == [1, 3, 5, 7] && scan.measured(2) == [3, 7] && scan.measured(8) == Array(0..<8))
        let half = try model.sensitivities(on: corpus, scan: scan, context: context)
        for (a, b) in zip(full, half) {
            #expect(a.points.map(\.sparsity) == b.points.map(\.sparsity))
            let scale = a.points.last?.increase ?? 0
            for (x, y) in zip(a.points, b.points) {
                #expect(abs(x.increase - y.increase) <= 0.25 * scale + 0.01, "\(a.path) at \(x.sparsity)")
            }
        }
        scan.operations = 1
        let plan = scan.plan(matrices: 48, parameters: 124_000_000)
        #expect(plan.tokens == 128 && plan.losses == 2)
    }

    @Test func aTargetInBytesEndToEnd() throws {
        let (model, corpus) = try Self.trained()
        let context = try Context(threads: 2)
        var scan = SensitivityScan()
        scan.tokens = 256
        let allocator = SparsityAllocator(
            try model.sensitivities(on: corpus, scan: scan, context: context), cost: ByteCost(.f32))
        func sparsities(_ shares: [Double]) -> [String: Sparsity] {
            Dictionary(zip(allocator.matrices, shares).filter { $0.1 > 0 }.map { ($0.0.path, .unstructured($0.1)) }) {
                a, _ in a
            }
        }
        let limit = Double(model.byteCount) * 0.6
        let outcome = try TargetSearch(allocator, limit: limit).run {
            Double(try model.pruned(to: sparsities($0), on: context).byteCount)
        }
        guard case .reached(let found, _) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        let trainer = try Trainer(model, optimizer: .adamW(rate: 1e-3), on: context)
        let pruned = try trainer.pruned(
            to: sparsities(found.sparsities), rounds: 2, retraining: 20, on: corpus, rows: 8, context: 16)
        #expect(Double(pruned.byteCount) <= limit && Double(pruned.byteCount) >= 0.95 * limit)
        // Better than the same share everywhere, by its own measure.
        var even = allocator.sparsest
        for share in stride(from: 0.95, through: 0, by: -0.01) {
            let next = allocator.allocation([Double](repeating: share, count: allocator.matrices.count))
            if next.cost > found.cost { break }
            even = next
        }
        #expect(found.increase <= even.increase, "\(found) against \(even)")
    }
}
