import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTestSupport
import AlambicTokenizers
import AlambicTraining
import Foundation
import Testing

@testable import AlambicPruning

private func corpus() throws -> Corpus {
    let line = Array("peter piper picked a peck of pickled peppers; ".utf8)
    return try Corpus(text: (0..<3000).map { line[($0 * ($0 / 83 + 1)) % line.count] }, tokenizer: .bytes)
}

private func trainer(dropout: Double = 0, clipping: Double? = nil) throws -> Trainer {
    try Trainer(
        try Model(.gpt(layers: 1, width: 16, heads: 2, context: 16), seed: 1), optimizer: .sgd(rate: .constant(0.1)),
        clipping: clipping, dropout: dropout, on: try Context(threads: 2))
}

private func batches() throws -> Batches { try corpus().batches(of: 4, context: 16, seed: 1) }

@Suite struct GradualTests {
    @Test func theScheduleIsEquationOne() throws {
        let schedule = try GradualSchedule(from: 0.2, to: 0.9, start: 10, every: 5, times: 4)
        // 0.9 - 0.7 (1 - (t - 10) / 20)³ at 1, 3/4, 1/2, 1/4, 0.
        let expected = [(0, 0.2), (10, 0.2), (15, 0.9 - 0.7 * 0.421875), (20, 0.8125), (25, 0.9 - 0.7 / 64), (30, 0.9)]
        for (step, share) in expected + [(99, 0.9)] {
            #expect(abs(schedule.sparsity(at: step) - share) < 1e-12, "step \(step)")
        }
        #expect((0..<40).filter { schedule.isDue(at: $0) } == [10, 15, 20, 25, 30])
        #expect(throws: TrainingError.self) { try GradualSchedule(from: 0.9, to: 0.2, start: 0, every: 1, times: 1) }
        #expect(throws: TrainingError.self) { try GradualSchedule(to: .nan, start: 0, every: 1, times: 1) }
        #expect(throws: TrainingError.self) { try GradualSchedule(to: 0.5, start: 0, every: 0, times: 1) }
    }

    @Test func weightsGoInTheCourseOfTraining() throws {
        let trainer = try trainer(dropout: 0.5)
        let pruning = try GradualPruning(of: trainer, on: GradualSchedule(to: 0.8, start: 2, every: 2, times: 3))
        trainer.afterStep.append(pruning)
        var shares: [Double] = []
        try trainer.run(try batches(), until: 10) { _ in shares.append(pruning.pruner.measured[0].sparsity) }
        let wanted = (1...10).map { pruning.schedule.sparsity(at: $0 / 2 * 2) }
        for (found, share) in zip(shares, wanted) { #expect(abs(found - share) < 1e-3, "\(shares)") }
        #expect(abs(trainer.dropout - 0.5 * 0.2.squareRoot()) < 1e-3)
        #expect(try pruning.model().weights.contains { if case .bitmask = $0 { true } else { false } })
    }

    @Test func oneThresholdForAllMatrices() throws {
        let trainer = try trainer()
        trainer.afterStep.append(
            GradualPruning(
                of: trainer, on: try GradualSchedule(to: 0.6, start: 1, every: 1, times: 2), distribution: .global))
        try trainer.run(try batches(), until: 4)
        let matrices = trainer.parameters.filter { $0.kind == .matrix }.map { $0.value.elements }
        let zeros = matrices.map { Double($0.count { $0 == 0 }) / Double($0.count) }
        let all = Double(matrices.joined().count { $0 == 0 }) / Double(matrices.joined().count)
        #expect(abs(all - 0.6) < 1e-3 && (zeros.max() ?? 0) - (zeros.min() ?? 0) > 0.01, "\(zeros)")
    }
}

@Suite struct ThresholdTests {
    @Test func whatIsBelowQTimesTheDeviationGoes() throws {
        // Mean 0, deviation 2: 1 and -1 are below 0.6 σ = 1.2.
        let weights = try Tensor([2, 4], [1, -1, 3, -3, 2, -2, 1, -1].map { $0 * 1 })
        let squares: Double = (1 + 1 + 9 + 9 + 4 + 4 + 1 + 1) / 8
        #expect(abs(DeviationThreshold.deviation(of: weights) - squares.squareRoot()) < 1e-12)
        let mask = try DeviationThreshold(quality: 0.6).mask(of: weights)
        #expect((0..<8).map { mask.keeps($0 / 4, $0 % 4) } == [false, false, true, true, true, true, false, false])
        // Then σ² of what is left, 3 -3 2 -2, is 6.5, and q = 0.8 removes what is below 2.04.
        #expect(abs(DeviationThreshold.deviation(of: weights, after: mask) - 6.5.squareRoot()) < 1e-12)
        let next = try DeviationThreshold(quality: 0.8).mask(of: weights, after: mask)
        #expect((0..<8).map { next.keeps($0 / 4, $0 % 4) } == [false, false, true, true, false, false, false, false])
        #expect(next.isSubset(of: mask) && !mask.isSubset(of: next))
        #expect(try DeviationThreshold(quality: 0).mask(of: weights).kept == 8)
        for bad in [-1, Double.nan, .infinity] {
            #expect(throws: TrainingError.self) { try DeviationThreshold(quality: bad) }
        }
    }

    @Test func everyLayerHasItsOwn() throws {
        let trainer = try trainer(dropout: 0.4)
        let pruner = Pruner(of: trainer, by: .magnitude)
        let paths = pruner.paths
        try pruner.prune(thresholds: [
            paths[0]: try DeviationThreshold(quality: 1), paths[2]: try DeviationThreshold(quality: 2),
        ])
        let shares = pruner.measured.map(\.sparsity)
        // Normal weights: 68 and 95 %.
        #expect(abs(shares[0] - 0.683) < 0.05 && shares[1] == 0 && abs(shares[2] - 0.954) < 0.03 && shares[3] == 0)
        let error = #expect(throws: TrainingError.self) {
            try pruner.prune(thresholds: ["h.9": try DeviationThreshold(quality: 1)])
        }
        #expect(error?.description == "no matrix that can be pruned is called 'h.9'")
    }

    @Test func masksCannotBringBack() throws {
        let pruner = Pruner(of: try trainer(), by: .magnitude)
        let path = pruner.paths[1]
        try pruner.prune(to: [path: .unstructured(0.5)])
        let all = try Mask(rows: 16, columns: 16, keeps: [Bool](repeating: true, count: 256))
        let error = #expect(throws: TrainingError.self) { try pruner.prune(with: [path: all]) }
        #expect(error?.description == "the mask of \(path) brings weights back that are gone")
        let other = try Mask(rows: 1, columns: 2, keeps: [true, true])
        #expect(throws: TrainingError.self) { try pruner.prune(with: [path: other]) }
    }

    @Test func dropoutShrinksWithTheRoot() {
        #expect(abs(DropoutRescaling.rate(0.5, connections: 25, of: 100) - 0.25) < 1e-15)
        #expect(DropoutRescaling.rate(0.5, connections: 0, of: 100) == 0)
        #expect(DropoutRescaling.rate(0.5, connections: 7, of: 7) == 0.5)
    }
}

@Suite struct MovementTests {
    /// By hand: W = (1, -2, 3, 0.5), S = 0, G = (1, 1, -1, 2).
    @Test func scoresMoveAgainstWeightTimesGradient() throws {
        let context = try Context(threads: 1)
        let scores = try MovementScores([2, 2])
        let parameter = Parameter(path: "w", kind: .matrix, value: try Tensor([2, 2], [1, -2, 3, 0.5]))
        #expect(try scores.effective(of: parameter, on: context).elements == [1, -2, 3, 0.5])
        let gradient = try Tensor([2, 2], [1, 1, -1, 2])
        try scores.pullBack(gradient: gradient, of: parameter, on: context)
        scores.step(rate: 0.5)
        // -0.5 g w.
        #expect(scores.scores.elements == [-0.5, 1, 1.5, -0.5])
        scores.sparsity = 0.5
        #expect(try scores.effective(of: parameter, on: context).elements == [0, -2, 3, 0])
        // What is hidden has no gradient, but its score moves on: it comes back.
        let next = try Tensor([2, 2], [-6, 1, 1, 0])
        try scores.pullBack(gradient: next, of: parameter, on: context)
        #expect(next.elements == [0, 1, 1, 0])
        scores.step(rate: 0.5)
        #expect(scores.scores.elements == [2.5, 2, 0, -0.5])
        #expect(try scores.effective(of: parameter, on: context).elements == [1, -2, 0, 0])
        #expect(parameter.value.elements == [1, -2, 3, 0.5])
        // What a step that failed has gathered is forgotten.
        try scores.pullBack(gradient: try Tensor([2, 2], [9, 9, 9, 9]), of: parameter, on: context)
        _ = try scores.effective(of: parameter, on: context)
        scores.step(rate: 1)
        #expect(scores.scores.elements == [2.5, 2, 0, -0.5])
    }

    /// ∂L/∂S = ∂L/∂W' ⊙ W is the derivative by gates on the weights: by finite differences on a whole model.
    @Test func theGradientIsThatOfGates() throws {
        let trainer = try trainer()
        let movement = try MovementPruning(of: trainer, on: GradualSchedule(to: 0.5, start: 100, every: 1, times: 1))
        trainer.afterStep.append(movement)
        let batch = try #require(try batches().prefix(1).first { _ in true })
        let path = "h.0.mlp.c_fc.weight"
        let parameter = try #require(trainer.parameters.first { $0.path == path })
        let (before, place) = (parameter.value.elements, 37)
        func loss(gate: Float) throws -> Double {
            var weights = parameter.value.mutableSpan
            weights[place] = before[place] * gate
            let loss = try trainer.gradients(of: batch).loss
            weights[place] = before[place]
            return loss
        }
        let h: Float = 4
        let slope = try (loss(gate: 1 + h) - loss(gate: 1 - h)) / Double(2 * h)
        try trainer.step(batch)
        let score = Double(try #require(movement.scores(of: path)).scores.elements[place])
        #expect(abs(score + slope) < 0.02 * abs(slope) + 2e-7, "\(score) for \(-slope)")
    }

    @Test func itEndsWithMasksThatHold() throws {
        let trainer = try trainer()
        let movement = try MovementPruning(
            of: trainer, on: GradualSchedule(to: 0.75, start: 0, every: 5, times: 3), rate: 10)
        trainer.afterStep.append(movement)
        try trainer.run(try batches(), until: 20)
        let model = try movement.finish()
        #expect(trainer.afterStep.isEmpty)
        func zeros(_ elements: [Float]) -> Double { Double(elements.count { $0 == 0 }) / Double(elements.count) }
        for (weight, description) in zip(model.weights, model.architecture.parameters) where description.kind == .matrix
        {
            #expect(abs(zeros(try weight.dense().elements) - 0.75) < 2e-3, "\(description.path)")
        }
        try trainer.run(try batches(), until: 24)
        for parameter in trainer.parameters where parameter.kind == .matrix {
            #expect(zeros(parameter.value.elements) > 0.74)
        }
    }

    /// A checkpoint has the scores: a run that goes on from one makes the steps and masks of a run in one go, bit for bit.
    @Test func aRunResumes() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("movement-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        func start(to share: Double = 0.75, rate: Double = 10) throws -> (Trainer, MovementPruning) {
            let trainer = try trainer()
            let movement = try MovementPruning(
                of: trainer, on: GradualSchedule(to: share, start: 2, every: 3, times: 3), rate: rate)
            trainer.afterStep.append(movement)
            return (trainer, movement)
        }
        let (whole, inOneGo) = try start()
        try whole.run(try batches(), until: 5)
        try whole.save(to: path)
        try whole.run(try batches(), until: 9)
        let (second, goesOn) = try start()
        try second.resume(from: path)
        try second.run(try batches(), until: 9)
        for (a, b) in zip(whole.parameters, second.parameters) {
            #expect(a.value.elements == b.value.elements, "\(a.path)")
            let (expected, found) = (inOneGo.scores(of: a.path), goesOn.scores(of: a.path))
            #expect(expected?.scores.elements == found?.scores.elements, "scores of \(a.path)")
        }
        #expect(inOneGo.scores(of: "h.0.mlp.c_fc.weight")?.scores.elements.contains { $0 != 0 } == true)
        for (a, b) in zip(try inOneGo.finish().weights, try goesOn.finish().weights) {
            #expect(try a.dense().elements == b.dense().elements)
        }

        func refusal(_ trainer: Trainer) throws -> String {
            let error = #expect(throws: TrainingError.self) { try trainer.resume(from: path) }
            return "\(try #require(error))"
        }
        let slower = try refusal(try start(rate: 1).0)
        #expect(
            slower.contains("after.movement.rate was 10.0 and is 1.0") && !slower.contains("transform."), "\(slower)")
        let other = try refusal(try start(to: 0.5).0)
        #expect(other.contains("after.movement.schedule was 0.0 to 0.75 from step 2, every 3, 3 times"), "\(other)")
        // One that nobody appended has no scores to go on from.
        let (detached, _) = try start()
        detached.afterStep = []
        let lost = try refusal(detached)
        #expect(lost.contains("after.movement.rate was 10.0 and is not set"), "\(lost)")
        let plain = try refusal(try trainer())
        #expect(plain.contains("after.movement.rate was 10.0 and is not set"), "\(plain)")
    }

    @Test func badSettingsAreNamed() throws {
        let trainer = try trainer()
        let schedule = try GradualSchedule(to: 0.5, start: 0, every: 1, times: 1)
        #expect(throws: TrainingError.self) { try MovementPruning(of: trainer, on: schedule, rate: .nan) }
        _ = try MovementPruning(of: trainer, on: schedule)
        let error = #expect(throws: TrainingError.self) { try MovementPruning(of: trainer, on: schedule) }
        #expect(error?.description == "h.0.attn.c_attn.weight has a mask or another transform already")
    }
}
