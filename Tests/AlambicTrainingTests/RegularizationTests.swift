import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import Foundation
import Testing

@testable import AlambicTraining

@Suite struct RegularizationTests {
    /// Every optimizer trains, in one noted update with clipping, and its run resumes bit for bit.
    @Test func everyOptimizerTrainsAndResumes() throws {
        // Rates at which each of them moves by about as much.
        let rates = [
            "sgd": 0.3, "momentum": 0.03, "nesterov": 0.03, "lamb": 0.03, "muon": 0.02, "adagrad": 0.02,
            "adafactor-relative": 0.1,
        ]
        for name in Optimizers.names {
            func trainer() throws -> Trainer {
                let optimizer = try Optimizers.named(name, rate: .constant(rates[name] ?? 3e-3))
                return try Self.trainer(optimizer)
            }
            let scratch = try Scratch()
            let whole = try trainer()
            var losses: [Double] = []
            for batch in try Tiny.batches().prefix(14) { losses.append(try whole.step(batch).loss) }
            #expect(losses[12...].reduce(0, +) < 0.97 * losses[..<2].reduce(0, +), "\(name): \(losses)")
            let first = try trainer()
            try first.run(try Tiny.batches(), until: 9)
            try first.save(to: scratch("checkpoint"))
            let second = try trainer()
            try second.resume(from: scratch("checkpoint"))
            try second.run(try Tiny.batches(), until: 14)
            #expect(Tiny.bits(second) == Tiny.bits(whole), "\(name)")
        }
    }

    private static func trainer(_ optimizer: some Optimizer) throws -> Trainer {
        try Trainer(try Tiny.model(), optimizer: optimizer, clipping: 1, seed: 7, on: try Context(threads: 1))
    }

    @Test func maxNormHoldsEveryRow() throws {
        let trainer = try Self.trainer(.sgd(rate: 0.5))
        trainer.afterStep.append(MaxNorm(limit: 0.05))
        try trainer.run(try Tiny.batches(), until: 3)
        for parameter in trainer.parameters where parameter.kind == .matrix {
            let (w, columns) = (parameter.value.elements, parameter.value.columns)
            for row in 0..<parameter.value.rows {
                let norm = w[row * columns..<(row + 1) * columns].reduce(0) { $0 + Double($1) * Double($1) }
                    .squareRoot()
                #expect(norm <= 0.05 * (1 + 1e-6), "\(parameter.path), row \(row)")
            }
        }
        trainer.afterStep = [MaxNorm(limit: -1)]
        #expect(throws: TrainingError.self) { try trainer.run(try Tiny.batches(), until: 4) }
    }

    @Test func proximalL1MakesZeros() throws {
        let trainer = try Self.trainer(.sgd(rate: 0.1))
        trainer.afterStep.append(ProximalL1(coefficient: 0.1))
        try trainer.run(try Tiny.batches(), until: 2)
        for parameter in trainer.parameters {
            let zeros = parameter.value.elements.count { $0 == 0 }
            // Deviation 0.02 and two steps of 0.01: most of what started within is zero; embeddings are left alone.
            if parameter.kind == .matrix {
                #expect(zeros > parameter.shape.count / 2, "\(parameter.path): \(zeros)")
            } else if parameter.kind == .embedding {
                #expect(zeros == 0, "\(parameter.path)")
            }
        }
    }

    /// At the start logits are about equal, so that the smoothed loss is that of the uniform distribution; then it stays above
    /// the entropy of its target.
    @Test func labelSmoothingIsAnObjective() throws {
        let context = try Context(threads: 1)
        func trainer(_ objective: some Objective) throws -> Trainer {
            try Trainer(try Tiny.model(), objective: objective, optimizer: .adamW(rate: 1e-2), seed: 7, on: context)
        }
        let (plain, smoothed, none) = (
            try trainer(.languageModel), try trainer(.labelSmoothing(0.2)), try trainer(.labelSmoothing(0))
        )
        for batch in try Tiny.batches().prefix(30) {
            let (a, b, c) = (try plain.step(batch).loss, try smoothed.step(batch).loss, try none.step(batch).loss)
            #expect(a == c)
            if plain.step == 1 { #expect(abs(a - b) < 0.1) }
            let entropy = -(0.8 + 0.2 / 256) * log(0.8 + 0.2 / 256) - 255 * 0.2 / 256 * log(0.2 / 256)
            #expect(b > entropy)
        }
        #expect(Tiny.bits(plain) == Tiny.bits(none))
        #expect(throws: TrainingError.self) { try trainer(.labelSmoothing(1.5)) }
        let message = "labels cannot be smoothed by 1.5: use a share from 0 to 1, such as 0.1"
        do { _ = try trainer(.labelSmoothing(1.5)) } catch { #expect("\(error)".contains(message)) }
    }

    /// A model with stochastic depth trains, keeps its rate in `config.json`, and is the same network in use.
    @Test func stochasticDepthTrains() throws {
        let configuration = GPT2Configuration(layers: 2, width: 16, heads: 2, context: 16, vocabulary: 256)
        let deep = GPT(configuration).withStochasticDepth(0.5)
        #expect(try GPT2Configuration(deep.configuration.modelConfiguration).stochasticDepth == 0.5)
        #expect(configuration.modelConfiguration.object["stochastic_depth"] == nil)
        let parameters = try Self.trainer(.sgd(rate: 1)).parameters
        let tokens = Tokens(ids: [Int32](0..<64), batch: 4, length: 16)
        let context = try Context(threads: 1)
        func hidden(_ architecture: GPT, training: Bool, seed: UInt64 = 5) throws -> [Float] {
            let tape = try Tape(parameters, on: context)
            try tape.begin(seed: seed, dropout: training)
            return try architecture.hidden(tokens, on: tape).value.elements
        }
        let plain = try hidden(GPT(configuration), training: true)
        #expect(try hidden(deep, training: false) == plain, "the identity in use")
        #expect(try hidden(deep, training: true) != plain)
        #expect(try hidden(deep, training: true) == hidden(deep, training: true), "a function of the seed")
        #expect(try hidden(deep, training: true, seed: 6) != hidden(deep, training: true))
        #expect(try hidden(GPT(configuration).withStochasticDepth(0), training: true) == plain)
    }
}
