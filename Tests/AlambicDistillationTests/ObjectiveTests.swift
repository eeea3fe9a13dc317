import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTestSupport
import AlambicTokenizers
import Foundation
import Testing

@testable import AlambicDistillation
@testable import AlambicTraining

func sampleText() throws -> Corpus {
    let line = Array("she sells sea shells by the sea shore; ".utf8)
    return try Corpus(text: (0..<3000).map { line[($0 * ($0 / 83 + 1)) % line.count] }, tokenizer: .bytes)
}

func small(layers: Int = 2, width: Int = 16, heads: Int = 2, vocabulary: Int = 256, seed: UInt64 = 1) throws -> Model {
    try Model(.gpt(layers: layers, width: width, heads: heads, context: 16, vocabulary: vocabulary), seed: seed)
}

func trained(_ model: Model, steps: Int = 30) throws -> Model {
    let trainer = try Trainer(model, optimizer: .adamW(rate: 5e-3), on: try Context(threads: 1))
    try trainer.run(try sampleText().batches(of: 4, context: 16, seed: 1), until: steps)
    return try trainer.snapshot()
}

/// One micro-batch of an objective on a student.
func evaluate(
    _ objective: some Objective, of student: Model, context: Int = 8, recomputation: Recomputation = .none,
    execution: Execution.Kind = .immediate, aligned: Bool = false, changing: (([Parameter]) -> Void)? = nil
) throws -> (loss: Loss, gradients: [[Float]]) {
    let machine = try Context(threads: 1)
    let parameters = try student.trainableParameters()
    changing?(parameters)
    for parameter in parameters { try parameter.refresh(on: machine) }
    let function = try objective.lossFunction(for: student.architecture, on: machine)
    let tape = try Tape(parameters, recomputation: recomputation, execution: execution, on: machine)
    try tape.begin(seed: 1)
    var batches = try sampleText().batches(of: 2, context: context, seed: 5)
    if aligned { batches = batches.aligned }
    let batch = batches[0]
    let loss = try function.loss(
        of: MicroBatch(
            tokens: batch.tokens, targets: batch.targets, scale: 1, seed: 1, stream: 0,
            architecture: student.architecture, starts: batch.starts),
        on: tape)
    try tape.backward()
    return (loss, tape.gradients.tensors.map(\.elements))
}

/// Compares the greatest gradient of some parameters with differences of the loss.
func checkGradients(
    _ objective: some Objective, of student: Model, aligned: Bool = false, context: Int = 8, _ name: Comment
) throws {
    let (_, gradients) = try evaluate(objective, of: student, context: context, aligned: aligned)
    let last = 2 + 12 * (student.architecture.layers - 1)
    for index in [0, 4, last, last + 2, last + 3, last + 8] {
        let gradient = gradients[index]
        let place = try #require(gradient.indices.max { abs(gradient[$0]) < abs(gradient[$1]) })
        let step: Float = 0.01
        func loss(_ change: Float) throws -> Double {
            try evaluate(objective, of: student, context: context, aligned: aligned) { parameters in
                let value = parameters[index].value
                var span = value.mutableSpan
                span[place] += change
            }.loss.total
        }
        let difference = (try loss(step) - loss(-step)) / Double(2 * step)
        // Losses of up to 40 carry float errors of about 1e-5, here divided by 0.02; curvature adds 2 %.
        let tolerance = 5e-4 + 0.03 * abs(difference)
        #expect(
            abs(Double(gradient[place]) - difference) < tolerance,
            "\(name): parameter \(index)[\(place)]: \(gradient[place]) and \(difference)")
    }
}

func message(_ body: () throws -> Void) -> String {
    do {
        try body()
        return "accepted"
    } catch { return "\(error)" }
}

@Suite struct ObjectiveTests {
    @Test(arguments: [
        Divergence.reverseKL, .jensenShannon(beta: 0.5), .jensenShannon(beta: 0.1), .matchedLogits,
    ])
    func divergences(divergence: Divergence) throws {
        let teacher = try trained(try small(seed: 2))
        let objective = try Distillation(from: teacher, temperature: 2, mixing: 0.7, divergence: divergence)
        try checkGradients(objective, of: try small(), "\(divergence)")
        // A student that is its teacher has nothing to learn.
        let alone = try Distillation(from: teacher, temperature: 2, mixing: 1, divergence: divergence)
        let (loss, gradients) = try evaluate(alone, of: teacher)
        #expect(abs(loss.total) < 1e-4 && gradients.joined().allSatisfy { abs($0) < 1e-3 })
        #expect(objective.settings["divergence"] == "\(divergence)")
    }

    @Test func tripleIsTheSumOfItsTerms() throws {
        let (teacher, student) = (try trained(try small(seed: 2)), try small())
        let triple = try TripleDistillation(from: teacher)
        let (loss, gradients) = try evaluate(triple, of: student)
        let terms = loss.terms
        let (soft, hard, cosine) = (terms["soft"] ?? -1, terms["hard"] ?? -1, terms["cosine"] ?? -1)
        #expect(abs(loss.total - (5 * soft + 2 * hard + cosine)) < 1e-9)
        let plain = try evaluate(try Distillation(from: teacher, temperature: 2, mixing: 5.0 / 7), of: student)
        #expect(abs((plain.loss.terms["soft"] ?? 0) - soft) < 1e-6 && cosine > 0 && cosine < 2)
        // Gradients add up: 7 times the mixed ones and those of the cosine alone.
        let direction = try evaluate(
            try TripleDistillation(from: teacher, weights: TripleWeights(soft: 0, hard: 0, cosine: 1)), of: student)
        for i in gradients.indices {
            for j in gradients[i].indices {
                let sum = 7 * plain.gradients[i][j] + direction.gradients[i][j]
                #expect(abs(gradients[i][j] - sum) < 1e-4 + 1e-4 * abs(sum), "parameter \(i)[\(j)]")
            }
        }
        try checkGradients(triple, of: student, "triple")
        let noSoft = try TripleDistillation(from: teacher, weights: TripleWeights(soft: 0, hard: 2, cosine: 1))
        try checkGradients(noSoft, of: student, "no soft term")
    }

    @Test func tripleRefuses() throws {
        let teacher = try small()
        let none = TripleWeights(soft: 0, hard: 0, cosine: 0)
        #expect(message { _ = try TripleDistillation(from: teacher, weights: none) }.contains("weights"))
        #expect(message { _ = try TripleDistillation(from: teacher, temperature: -1) }.contains("temperature -1"))
        let wide = message {
            let objective = try TripleDistillation(from: teacher)
            _ = try evaluate(objective, of: try small(width: 32))
        }
        #expect(wide.contains("16") && wide.contains("32") && wide.contains("cosine"), "\(wide)")
    }

    @Test(arguments: [Recomputation.none, .blocks], [Execution.Kind.immediate, .noted])
    func miniLMGradients(recomputation: Recomputation, execution: Execution.Kind) throws {
        // Other depth, width and number of heads than the teacher's.
        let teacher = try trained(try small(layers: 3, width: 24, heads: 4, seed: 2))
        let student = try trained(try small(width: 16, heads: 2), steps: 10)
        let objective = try MiniLM(from: teacher, relations: AttentionRelation.allCases, heads: 4)
        let plain = try evaluate(objective, of: student)
        let other = try evaluate(objective, of: student, recomputation: recomputation, execution: execution)
        #expect(plain.loss == other.loss)
        for (a, b) in zip(plain.gradients, other.gradients) { #expect(firstDifference(a, b) == nil) }
        if recomputation == .none, execution == .immediate { try checkGradients(objective, of: student, "MiniLM") }
    }

    /// What a graph drops it drops behind the probe, too.
    @Test func theProbeForwardsStochasticDepth() throws {
        let student = try small()
        let deep = try #require(student.architecture as? GPT).withStochasticDepth(0.9)
        let tape = try Tape(try student.trainableParameters(), on: try Context(threads: 1))
        let tokens = Tokens(ids: [Int32](0..<32), batch: 4, length: 8)
        try tape.begin(seed: 1, dropout: false)
        let whole = try deep.hidden(tokens, on: tape).value.elements
        try tape.begin(seed: 1)
        let dropped = try deep.hidden(tokens, on: tape).value.elements
        #expect(dropped != whole)
        try tape.begin(seed: 1)
        let probe = AttentionProbe(tape, layer: 1)
        #expect(try deep.hidden(tokens, on: probe).value.elements == dropped)
        #expect(probe.qkv != nil)
    }

    @Test func aModelHasItsOwnRelations() throws {
        let teacher = try trained(try small(seed: 2))
        let objective = try MiniLM(from: teacher, languageModel: 0)
        let (loss, gradients) = try evaluate(objective, of: teacher)
        #expect(abs(loss.total) < 1e-5 && gradients.joined().allSatisfy { abs($0) < 1e-4 })
        // Without the text, what comes after the last attention learns nothing.
        let other = try evaluate(objective, of: try small())
        #expect(other.loss.total > 1e-6)
        #expect(other.gradients[2 + 12 + 4].allSatisfy { $0 == 0 } && other.gradients[2].contains { $0 != 0 })
        #expect(message { _ = try MiniLM(from: teacher, heads: 3) }.contains("3 relation heads"))
        #expect(message { _ = try MiniLM(from: teacher, relations: []) }.contains("relation"))
        let narrow = message {
            _ = try MiniLM(from: teacher, heads: 16).lossFunction(
                for: try small(width: 24).architecture, on: try Context(threads: 1))
        }
        #expect(narrow.contains("24"), "\(narrow)")
    }

    @Test func tokenizersAreComparedByTheirHash() throws {
        // As many tokens on both sides, which mean something else.
        let (one, two) = (
            try CharacterTokenizer(of: Array("abcd".utf8)), try CharacterTokenizer(of: Array("efgh".utf8))
        )
        let teacher = try small(vocabulary: 4).replacing(tokenizer: one)
        let student = try small(vocabulary: 4).replacing(tokenizer: two)
        for objective: any Objective in [
            try Distillation(from: teacher), try TripleDistillation(from: teacher), try MiniLM(from: teacher),
        ] {
            let text = message { _ = try start(student, objective) }
            #expect(
                text.contains(String(one.digest, radix: 16)) && text.contains(String(two.digest, radix: 16)), "\(text)")
            #expect(message { _ = try start(teacher, objective) } == "accepted")
        }
    }

    private func start(_ model: Model, _ objective: some Objective) throws -> Trainer {
        try Trainer(model, objective: objective, optimizer: .sgd(rate: 1), on: try Context(threads: 1))
    }

    @Test func studentsKeepTheirTokenizer() throws {
        let tokenizer = try CharacterTokenizer(of: Array("abcd".utf8))
        let student = try small(vocabulary: 4).replacing(tokenizer: tokenizer).student(layers: 1)
        #expect(student.tokenizer?.digest == tokenizer.digest)
    }
}
