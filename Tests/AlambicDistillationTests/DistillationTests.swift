import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTokenizers
import Foundation
import Testing

@testable import AlambicDistillation
@testable import AlambicTraining

private func corpus() throws -> Corpus {
    let line = Array("she sells sea shells by the sea shore; ".utf8)
    return try Corpus(text: (0..<3000).map { line[($0 * ($0 / 83 + 1)) % line.count] }, tokenizer: .bytes)
}

private func model(layers: Int = 2, width: Int = 16, vocabulary: Int = 256, seed: UInt64 = 1) throws -> Model {
    try Model(.gpt(layers: layers, width: width, heads: 2, context: 16, vocabulary: vocabulary), seed: seed)
}

/// A teacher with opinions: some steps away from its random start.
private func teacher(layers: Int = 2, steps: Int = 40) throws -> Model {
    let trainer = try Trainer(
        try model(layers: layers, seed: 2), optimizer: .adamW(rate: 5e-3), on: try Context(threads: 1))
    try trainer.run(try corpus().batches(of: 4, context: 16, seed: 1), until: steps)
    return try trainer.snapshot()
}

/// One micro-batch of the objective on a student: the loss, and the gradient of every parameter.
private func evaluate(
    _ objective: some Objective, of student: Model, scale: Float = 1, changing: (([Parameter]) -> Void)? = nil
) throws -> (loss: Loss, gradients: [[Float]]) {
    let context = try Context(threads: 1)
    let parameters = try student.trainableParameters()
    changing?(parameters)
    for parameter in parameters { try parameter.refresh(on: context) }
    let function = try objective.lossFunction(for: student.architecture, on: context)
    let tape = try Tape(parameters, on: context)
    try tape.begin(seed: 1)
    let batch = try corpus().batches(of: 2, context: 8, seed: 5)[0]
    let loss = try function.loss(
        of: MicroBatch(
            tokens: batch.tokens, targets: batch.targets, scale: scale, seed: 1, stream: 0,
            architecture: student.architecture),
        on: tape)
    try tape.backward()
    return (loss, tape.gradients.tensors.map(\.elements))
}

private func norm(_ gradients: [[Float]]) -> Double {
    gradients.joined().reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
}

@Suite struct DistillationTests {
    @Test(arguments: [(1.0, 1.0), (2.0, 0.7), (4.0, 1.0), (2.0, 0.0)])
    func gradientsAgreeWithFiniteDifferences(temperature: Double, mixing: Double) throws {
        let objective = try Distillation(from: try teacher(), temperature: temperature, mixing: mixing)
        let student = try model()
        let (_, gradients) = try evaluate(objective, of: student)
        // The largest gradient of a parameter in each third of the walk: embeddings, layers, last norm.
        for index in [0, 4, 10, 16, 26] {
            let gradient = gradients[index]
            let place = try #require(gradient.indices.max { abs(gradient[$0]) < abs(gradient[$1]) })
            let step: Float = 0.01
            func loss(_ change: Float) throws -> Double {
                try evaluate(objective, of: student) { parameters in
                    let value = parameters[index].value
                    var span = value.mutableSpan
                    span[place] += change
                }.loss.total
            }
            let difference = (try loss(step) - loss(-step)) / Double(2 * step)
            // Losses of about 6 carry float errors of about 1e-6, here divided by 0.02; curvature adds 1 %.
            let tolerance = 2e-4 + 0.02 * abs(difference)
            #expect(
                abs(Double(gradient[place]) - difference) < tolerance,
                "T \(temperature), mixing \(mixing), parameter \(index)[\(place)]: \(gradient[place]) and \(difference)"
            )
        }
    }

    @Test func theLossIsThePapersFormula() throws {
        let (teacher, student) = (try teacher(), try model())
        let (temperature, mixing) = (3.0, 0.6)
        let objective = try Distillation(from: teacher, temperature: temperature, mixing: mixing)
        let found = try evaluate(objective, of: student).loss

        // Logits through the inference path, everything else in double, row by row.
        let context = try Context(threads: 1)
        let batch = try corpus().batches(of: 2, context: 8, seed: 5)[0]
        func logits(_ model: Model) throws -> [[Double]] {
            let inference = try model.makeInference(on: context)
            let hidden = try model.architecture.hidden(batch.tokens, on: inference)
            let all = try inference.logits(hidden, rows: 0..<16, head: model.architecture.head).elements
            return (0..<16).map { row in all[row * 256..<(row + 1) * 256].map(Double.init) }
        }
        func softmax(_ row: [Double], _ t: Double) -> [Double] {
            let largest = row.max() ?? 0
            let e = row.map { exp(($0 - largest) / t) }
            let sum = e.reduce(0, +)
            return e.map { $0 / sum }
        }
        var (soft, hard) = (0.0, 0.0)
        for (row, (z, v)) in zip(try logits(student), try logits(teacher)).enumerated() {
            let (q, p) = (softmax(z, temperature), softmax(v, temperature))
            soft += temperature * temperature * zip(p, q).map { $0 * log($0 / $1) }.reduce(0, +) / 16
            hard -= log(softmax(z, 1)[Int(batch.targets[row])]) / 16
        }
        let expected = mixing * soft + (1 - mixing) * hard
        #expect(abs(found.total - expected) < 1e-5 * expected, "\(found.total) and \(expected)")
        #expect(abs((found.terms["soft"] ?? -1) - soft) < 1e-5 * soft)
        #expect(abs((found.terms["hard"] ?? -1) - hard) < 1e-5)
    }

    @Test func temperatureSquaredKeepsTheSizeOfTheGradient() throws {
        // Hinton et al. 2015, equations 3 and 4: at high temperature the gradient is (z - v) / (N T²), which T² undoes.
        let (teacher, student) = (try teacher(), try model())
        func size(_ temperature: Double) throws -> Double {
            let objective = try Distillation(from: teacher, temperature: temperature, mixing: 1)
            return norm(try evaluate(objective, of: student).gradients)
        }
        let (warm, hot) = (try size(30), try size(60))
        #expect(abs(warm / hot - 1) < 0.1, "\(warm) at T = 30, \(hot) at T = 60")
    }

    @Test func aStudentThatIsItsTeacherHasNothingToLearn() throws {
        let teacher = try teacher()
        let alone = try Distillation(from: teacher, temperature: 2, mixing: 1)
        let (loss, gradients) = try evaluate(alone, of: teacher)
        #expect(abs(loss.total) < 1e-5)
        #expect(norm(gradients) < 1e-3)
        // Without the soft term it is the language model's objective.
        let hard = try evaluate(try Distillation(from: teacher, temperature: 2, mixing: 0), of: try model())
        let plain = try evaluate(LanguageModel(), of: try model())
        #expect(abs(hard.loss.total - plain.loss.total) < 1e-5)
    }

    @Test func scaleIsForTheGradientOnly() throws {
        let objective = try Distillation(from: try teacher())
        let whole = try evaluate(objective, of: try model())
        let half = try evaluate(objective, of: try model(), scale: 0.5)
        #expect(half.loss == whole.loss)
        #expect(abs(norm(half.gradients) / norm(whole.gradients) - 0.5) < 1e-5)
    }

    @Test func theStudentComesCloserToItsTeacher() throws {
        let student = try model(layers: 1)
        let trainer = try Trainer(
            student, objective: try .distillation(from: try teacher(), temperature: 2, mixing: 0.7),
            optimizer: .adamW(rate: 3e-3), microBatches: 2, on: try Context(threads: 2))
        let batches = try corpus().batches(of: 4, context: 16, seed: 1)
        let first = try trainer.step(batches[0])
        try trainer.run(batches, until: 50)
        let last = try trainer.step(batches[50])
        let (before, after) = (first.terms["soft"] ?? 0, last.terms["soft"] ?? 1)
        #expect(after < before / 2, "soft loss \(before) → \(after)")
        let total = 0.7 * after + 0.3 * (last.terms["hard"] ?? 0)
        #expect(abs(last.loss - total) < 1e-6 * total)
    }

    @Test func modelsThatDoNotFitAreNamed() throws {
        let context = try Context(threads: 1)
        let teacher = try model(vocabulary: 100)
        func message(_ body: () throws -> Void) -> String {
            do {
                try body()
                return "accepted"
            } catch { return "\(error)" }
        }
        let vocabulary = message {
            _ = try Trainer(
                try model(), objective: try .distillation(from: teacher), optimizer: .sgd(rate: 1), on: context)
        }
        #expect(vocabulary.contains("100") && vocabulary.contains("256"), "\(vocabulary)")
        #expect(message { _ = try Distillation(from: teacher, temperature: 0) }.contains("temperature"))
        #expect(message { _ = try Distillation(from: teacher, mixing: 1.5) }.contains("mixing 1.5"))
    }
}

@Suite struct LayerSelectionTests {
    @Test func everyOtherLayerIsCopied() throws {
        let teacher = try teacher(layers: 4, steps: 3)
        let student = try teacher.student(layers: 2)
        #expect(student.architecture.layers == 2)
        let theirs = Dictionary(
            uniqueKeysWithValues: zip(teacher.architecture.parameters.map(\.path), teacher.weights))
        var checked = 0
        for (description, weight) in zip(student.architecture.parameters, student.weights) {
            let source = description.path.replacingOccurrences(of: "h.1.", with: "h.2.")
            let expected = try #require(theirs[source]).dense().elements
            #expect(try weight.dense().elements == expected, "\(description.path) from \(source)")
            checked += 1
        }
        #expect(checked == 2 + 2 * 12 + 2)
    }

    @Test func layersAreSpreadEvenly() {
        let selection = LayerSelection.evenlySpaced
        #expect(selection.indices(6, of: 12) == [0, 2, 4, 6, 8, 10])
        #expect(selection.indices(4, of: 12) == [0, 3, 6, 9])
        #expect(selection.indices(3, of: 4) == [0, 1, 2])
        #expect(selection.indices(4, of: 4) == [0, 1, 2, 3])
        #expect(LayerSelection.layers([3, 1]).indices(2, of: 4) == [3, 1])
    }

    @Test func allLayersMakeTheSameModel() throws {
        let teacher = try teacher(steps: 2)
        #expect(try teacher.student(layers: 2).digest == teacher.digest)
    }

    @Test func whatDoesNotFitIsNamed() throws {
        let teacher = try model()
        #expect(throws: TrainingError.self) { try teacher.student(layers: 3) }
        #expect(throws: TrainingError.self) { try teacher.student(layers: 0) }
        #expect(throws: TrainingError.self) { try teacher.student(layers: 1, from: .layers([2])) }
        let error = #expect(throws: TrainingError.self) {
            try model(width: 32).initialized(from: teacher, layers: [0, 1])
        }
        #expect("\(try #require(error))".contains("wte.weight"))
    }
}
