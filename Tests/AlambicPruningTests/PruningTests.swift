import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTokenizers
import AlambicTraining
import Foundation
import Testing

@testable import AlambicPruning

private func corpus() throws -> Corpus {
    let line = Array("peter piper picked a peck of pickled peppers; ".utf8)
    return try Corpus(text: (0..<3000).map { line[($0 * ($0 / 83 + 1)) % line.count] }, tokenizer: .bytes)
}

private func trainer(
    _ optimizer: some Optimizer = .adamW(rate: 3e-3, weightDecay: 0.1), dropout: Double = 0.1
) throws -> Trainer {
    try Trainer(
        try Model(.gpt(layers: 2, width: 16, heads: 2, context: 16, dropout: dropout), seed: 1), optimizer: optimizer,
        on: try Context(threads: 2))
}

private func batches() throws -> Batches { try corpus().batches(of: 4, context: 16, seed: 1) }

private func values(_ count: Int, seed: UInt64) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int64(bitPattern: state) >> 44) / Float(1 << 19)
    }
}

@Suite struct MagnitudeTests {
    @Test(arguments: [(1, 1), (3, 7), (4, 8), (5, 9), (16, 33)])
    func removesTheSmallest(rows: Int, columns: Int) throws {
        let count = rows * columns
        let weights = values(count, seed: UInt64(count))
        for removed in Set([0, 1, count / 3, count / 2, count - 1, count]) where removed <= count {
            let mask = try Magnitude().mask(
                of: try Tensor([rows, columns], weights), removing: removed, after: nil)
            // Oracle: sort positions by magnitude, first come first.
            let order = (0..<count).sorted {
                (abs(weights[$0]), $0) < (abs(weights[$1]), $1)
            }
            let gone = Set(order[..<removed])
            for index in 0..<count {
                #expect(
                    mask.keeps(index / columns, index % columns) == !gone.contains(index),
                    "\(rows) x \(columns) without \(removed): weight \(index)")
            }
            #expect(mask.kept == count - removed)
        }
    }

    @Test func equalMagnitudesGoInOrder() throws {
        let weights = try Tensor([2, 3], [1, -1, 0.5, 1, -1, 1])
        let mask = try Magnitude().mask(of: weights, removing: 3, after: nil)
        #expect((0..<6).map { mask.keeps($0 / 3, $0 % 3) } == [false, false, false, true, true, true])
    }

    @Test func whatIsGoneStaysGone() throws {
        // A survivor that happens to be zero does not bring an earlier victim back.
        let first = try Magnitude().mask(of: try Tensor([1, 4], [3, 0.1, 2, 1]), removing: 1, after: nil)
        let second = try Magnitude().mask(of: try Tensor([1, 4], [0, 0, 2, 1]), removing: 2, after: first)
        #expect((0..<4).map { second.keeps(0, $0) } == [false, false, true, true])
        let third = try Magnitude().mask(of: try Tensor([1, 4], [0, 0, 2, 1]), removing: 1, after: first)
        #expect((0..<4).map { third.keeps(0, $0) } == [true, false, true, true])
    }

    @Test func methodsAreFoundByName() throws {
        #expect(try PruningMethods.named("magnitude") is Magnitude)
        let error = #expect(throws: TrainingError.self) { try PruningMethods.named("wanda") }
        #expect("\(try #require(error))".contains("magnitude"))
    }
}

@Suite struct PrunerTests {
    @Test func everyMatrixGetsTheSparsityAndNothingElseDoes() throws {
        let trainer = try trainer()
        let before = trainer.parameters.map(\.value.elements)
        let pruner = Pruner(of: trainer, by: .magnitude)
        try pruner.prune(to: .unstructured(0.8))
        #expect(pruner.measured.count == 8)
        for (path, sparsity) in pruner.measured {
            // 0.8 of 256, 768 or 1024 weights, to the weight.
            #expect(abs(sparsity - 0.8) < 0.5 / 256, "\(path): \(sparsity)")
        }
        for (parameter, old) in zip(trainer.parameters, before) {
            let new = parameter.value.elements
            if parameter.kind == .matrix {
                // Survivors keep their weights.
                for (a, b) in zip(new, old) { #expect(a == b || a == 0) }
            } else {
                #expect(new == old, "\(parameter.path)")
            }
        }
    }

    @Test(arguments: ["sgd", "momentum", "nesterov", "adam", "adamw"])
    func masksHoldUnderEveryOptimizer(name: String) throws {
        let settings = name == "adamw" ? ["weightDecay": 0.1] : ["l2": 0.01]
        let trainer = try trainer(try Optimizers.named(name, rate: 0.01, settings: settings))
        try trainer.run(try batches(), until: 5)
        let pruner = Pruner(of: trainer, by: .magnitude)
        try pruner.prune(to: .unstructured(0.5))
        let gone = trainer.parameters.map { $0.value.elements.map { $0 == 0 } }
        try trainer.run(try batches(), until: 20)
        for (index, parameter) in trainer.parameters.enumerated() where parameter.kind == .matrix {
            let weights = parameter.value.elements
            var moved = 0
            for place in weights.indices where gone[index][place] {
                // Positive zero exactly, and nothing to bring it back.
                #expect(weights[place].bitPattern == 0, "\(name): \(parameter.path)[\(place)]")
                for state in trainer.state.state(ofParameter: index) {
                    #expect(state.elements[place] == 0, "\(name): state of \(parameter.path)[\(place)]")
                }
                moved += 1
            }
            #expect(moved == weights.count / 2)
        }
    }

    @Test func checkpointsResumeOnlyWithTheSameMasks() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("pruned-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let first = try trainer(dropout: 0)
        try Pruner(of: first, by: .magnitude).prune(to: .unstructured(0.5))
        try first.run(try batches(), until: 2)
        try first.save(to: path)
        let second = try trainer(dropout: 0)
        let error = #expect(throws: TrainingError.self) { try second.resume(from: path) }
        #expect("\(try #require(error))".contains("transform.h.0.mlp.c_fc.weight"))
        for (from, to) in zip(first.parameters, second.parameters) {
            guard let mask = from.transform as? Mask else { continue }
            to.transform = try Mask(
                rows: mask.rows, columns: mask.columns,
                keeps: (0..<mask.rows * mask.columns).map { mask.keeps($0 / mask.columns, $0 % mask.columns) })
        }
        try second.resume(from: path)
        for trainer in [first, second] { try trainer.run(try batches(), until: 4) }
        for (a, b) in zip(first.parameters, second.parameters) { #expect(a.value.elements == b.value.elements) }
        let (one, other) = (try Mask(rows: 1, columns: 2, keeps: [true, false]), [false, true])
        #expect(one.digest != (try Mask(rows: 1, columns: 2, keeps: other)).digest)
    }

    @Test func dropoutShrinksWithTheConnections() throws {
        let trainer = try trainer(dropout: 0.2)
        let pruner = Pruner(of: trainer, by: .magnitude)
        try pruner.prune(to: .unstructured(0.75))
        #expect(abs(trainer.dropout - 0.2 * 0.25.squareRoot()) < 1e-6)
        // From the dense rate, not from that of the round before.
        try pruner.prune(to: .unstructured(0.84))
        #expect(abs(trainer.dropout - 0.2 * 0.16.squareRoot()) < 2e-4)
    }

    @Test func exceptionsStayDense() throws {
        let trainer = try trainer()
        let pruner = Pruner(of: trainer, by: .magnitude, except: ["h.0.", "c_fc"])
        #expect(
            pruner.measured.map(\.path) == [
                "h.1.attn.c_attn.weight", "h.1.attn.c_proj.weight", "h.1.mlp.c_proj.weight",
            ])
    }

    @Test func sparsityOutsideOfItsRangeIsRefused() throws {
        let pruner = Pruner(of: try trainer(), by: .magnitude)
        for sparsity in [-0.1, 1.1, .nan, .infinity] {
            let error = #expect(throws: TrainingError.self) { try pruner.prune(to: .unstructured(sparsity)) }
            #expect("\(try #require(error))".contains("0...1"))
        }
        try pruner.prune(to: .unstructured(0))
        try pruner.prune(to: .unstructured(1))
        #expect(pruner.measured.allSatisfy { $0.sparsity == 1 })
    }

    @Test func schedulesEndAtTheTarget() {
        let cubic = (1...4).map { SparsitySchedule.cubic.sparsity(round: $0, of: 4, target: 0.8) }
        for (a, b) in zip(cubic, [0.4625, 0.7, 0.7875, 0.8]) { #expect(abs(a - b) < 1e-12) }
        let linear = (1...4).map { SparsitySchedule.linear.sparsity(round: $0, of: 4, target: 0.8) }
        for (a, b) in zip(linear, [0.2, 0.4, 0.6, 0.8]) { #expect(abs(a - b) < 1e-12) }
    }
}

@Suite struct PrunedTests {
    @Test func aPrunedCopyIsRetrainedSparseAndSaved() throws {
        let trainer = try trainer()
        try trainer.run(try batches(), until: 60)
        let dense = try trainer.snapshot()
        let context = try Context(threads: 2)

        var rounds: [Int] = []
        let pruned = try trainer.pruned(.magnitude, to: .unstructured(0.8), rounds: 3, retraining: 30, on: try corpus())
        {
            rounds.append($0.round)
        }
        #expect(rounds == (1...3).flatMap { [Int](repeating: $0, count: 10) })
        // The trainer is as it was.
        #expect(try trainer.snapshot().digest == dense.digest && trainer.step == 60 && trainer.dropout == 0.1)
        for (description, weight) in zip(pruned.architecture.parameters, pruned.weights) {
            #expect(weight.formName == (description.kind == .matrix ? "bitmask-f32" : "f32"), "\(description.path)")
        }
        let matrices = 2 * 12 * 16 * 16
        #expect(dense.nonzeroCount - pruned.nonzeroCount >= matrices * 4 / 5 - 8)
        #expect(pruned.byteCount < dense.byteCount)

        // Retraining is worth something: cut down at once without it, the model is worse.
        let cut = try trainer.pruned(.magnitude, to: .unstructured(0.8), rounds: 1, retraining: 0, on: try corpus())
        func loss(_ model: Model) throws -> Double { try model.evaluate(on: try corpus(), on: context).loss }
        let (before, retrained, unretrained) = (try loss(dense), try loss(pruned), try loss(cut))
        #expect(retrained < unretrained, "\(before) dense, \(retrained) retrained, \(unretrained) not")

        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("pruned-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try pruned.save(to: folder)
        let loaded = try Model(contentsOf: folder)
        #expect(loaded.digest == pruned.digest)
        #expect(try loss(loaded) == retrained)
    }

    @Test func badRoundsAreRefused() throws {
        let trainer = try trainer()
        #expect(throws: TrainingError.self) {
            try trainer.pruned(to: .unstructured(0.5), rounds: 0, retraining: 1, on: try corpus())
        }
        #expect(throws: TrainingError.self) {
            try trainer.pruned(to: .unstructured(2), retraining: 1, on: try corpus())
        }
    }
}
