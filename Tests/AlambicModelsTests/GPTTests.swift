import AlambicFiles
import AlambicKernels
import AlambicTensor
import AlambicTestSupport
import Foundation
import Testing

@testable import AlambicModels

/// The whole model against its definition, and its initial weights.
@Suite struct GPTTests {
    private let isas: [ISA] = [.portable, .avx2, .all]
    private let ids: [Int32] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
    private let targets: [Int32] = [1, 4, 1, 5, 9, 2, 6, 5, 3, 10]

    private func naive(_ model: Model) throws -> NaiveGPT {
        NaiveGPT(
            layers: model.architecture.layers, heads: model.architecture.heads, width: model.architecture.width,
            parameters: try model.weights.map { try $0.dense().elements.map(Double.init) })
    }

    @Test func forwardPassIsTheDefinition() throws {
        let model = try randomModel()
        let expected = try naive(model)
        for isa in isas {
            let context = try Context(threads: 2, allowing: isa)
            let inference = try model.makeInference(on: context)
            let hidden = try model.architecture.hidden(Tokens(ids: ids, batch: 2, length: 5), on: inference)
            let logits = try inference.logits(hidden, rows: 0..<10, head: model.architecture.head).elements
            let values = (expected.logits(Array(ids[..<5])) + expected.logits(Array(ids[5...]))).flatMap { $0 }
            let largest = values.map(abs).max() ?? 0
            // Two layers, each a chain of four products, two norms and a softmax, of up to 32 terms; 2^-24 a rounding.
            let excess = worstExcess(logits, expected: values) { _ in 2 * 8 * 32 * 0x1p-24 * largest }
            #expect(excess == nil, "\(isa)")
        }
    }

    @Test func lossEvaluatesInStretches() throws {
        // 13 predictions in stretches of 5: two whole ones and one of three tokens.
        let model = try randomModel()
        let tokens: [Int32] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7]
        let expected = try naive(model)
        let sum =
            10 * expected.loss(Array(tokens[..<10]), Array(tokens[1..<11]), length: 5)
            + 3 * expected.loss(Array(tokens[10..<13]), Array(tokens[11...]), length: 3)
        let loss = try model.loss(on: tokens, context: 5)
        #expect(abs(loss - sum / 13) < 1e-5)
        #expect(try model.loss(on: tokens, context: 5, rows: 1) == loss)
    }

    @Test func gradientsAreThoseOfTheDefinition() throws {
        let model = try randomModel()
        var moved = try naive(model)
        let parameters = try model.trainableParameters()
        let tape = try Tape(parameters, on: .default)
        try tape.begin(seed: 0)
        let hidden = try model.architecture.hidden(Tokens(ids: ids, batch: 2, length: 5), on: tape)
        let loss = try tape.languageModelLoss(hidden: hidden, head: model.architecture.head, targets: targets)
        try tape.backward()
        #expect(abs(loss - moved.loss(ids, targets, length: 5)) < 1e-5)
        for (index, parameter) in parameters.enumerated() {
            let gradient = tape.gradients.tensors[index].elements
            var differences: [Double] = []
            for i in moved.parameters[index].indices {
                let value = moved.parameters[index][i]
                moved.parameters[index][i] = value + 1e-5
                let above = moved.loss(ids, targets, length: 5)
                moved.parameters[index][i] = value - 1e-5
                differences.append((above - moved.loss(ids, targets, length: 5)) / 2e-5)
                moved.parameters[index][i] = value
            }
            let largest = differences.map(abs).max() ?? 0
            // As forward, twice as deep; and 1e-8 for the differences.
            let excess = worstExcess(gradient, expected: differences) { _ in 2 * 16 * 32 * 0x1p-24 * largest + 1e-8 }
            #expect(excess == nil, "\(parameter.path)")
        }
    }

    @Test func dropoutChangesTrainingAlone() throws {
        let model = try randomModel().withDropout(0.5)
        #expect(model.dropout == 0.5)
        #expect(try model.configuration.reader.double("resid_pdrop") == 0.5)
        let tape = try Tape(model.trainableParameters(), on: .default)
        func hidden(dropout: Bool, stream: UInt64 = 0) throws -> [Float] {
            try tape.begin(seed: 1, stream: stream, dropout: dropout)
            return try model.architecture.hidden(Tokens(ids: ids, batch: 2, length: 5), on: tape).value.elements
        }
        let inference = try model.makeInference(on: .default)
        let inferred = try model.architecture.hidden(Tokens(ids: ids, batch: 2, length: 5), on: inference).elements
        #expect(try hidden(dropout: false) == inferred)
        #expect(try hidden(dropout: true) != inferred)
        #expect(try hidden(dropout: true) != hidden(dropout: true, stream: 1))
    }

    @Test func walk() throws {
        let architecture = try randomModel().architecture
        #expect(architecture.parameters.count == 2 + 2 * 12 + 2)
        #expect(architecture.parameters[4].path == "h.0.attn.c_attn.weight")
        #expect(architecture.parameters[4].shape == [24, 8])
        #expect(architecture.parameters[4].storedTransposed && architecture.parameters[4].decays)
        #expect(architecture.parameters[16].path == "h.1.attn.c_attn.weight" && architecture.parameters[16].layer == 1)
        #expect(architecture.parameters.filter { $0.kind == .matrix }.count == 8)
        #expect(architecture.parameters.filter { $0.decays }.count == 9)
        #expect(architecture.path("h.1.mlp.c_fc.bias", withLayer: { $0 + 3 }) == "h.4.mlp.c_fc.bias")
        #expect(architecture.path("ln_f.bias", withLayer: { $0 + 3 }) == "ln_f.bias")
        // GPT-2 small is known to have this many.
        let gpt2 = try ArchitectureRegistry.architecture(for: .named("gpt2-124m"))
        #expect(gpt2.parameterCount == 124_439_808)
    }

    @Test func initialWeights() throws {
        let configuration = ModelConfiguration.gpt(layers: 8, width: 64, heads: 2, context: 16)
        let model = try Model(configuration, seed: 7)
        for (weight, description) in zip(model.weights, model.architecture.parameters) {
            let values = try weight.dense().elements
            switch description.initialization {
            case .zeros: #expect(values.allSatisfy { $0 == 0 })
            case .ones: #expect(values.allSatisfy { $0 == 1 })
            case .normal(let deviation):
                #expect(deviation == (description.path.hasSuffix("c_proj.weight") ? 0.02 / 4 : 0.02))
                let root = (values.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(values.count)).squareRoot()
                // The standard deviation of n numbers' root mean square is 1 / sqrt(2 n) of it; six of those.
                let slack = 6 / (2 * Double(values.count)).squareRoot()
                #expect(abs(root / Double(deviation) - 1) < slack, "\(description.path)")
            }
        }
        #expect(try bits(Model(configuration, seed: 7)) == bits(model))
        #expect(try bits(Model(configuration, seed: 8)) != bits(model))
        #expect(try Model(configuration, seed: 7, on: Context(threads: 3)).digest == model.digest)
    }

    @Test func presets() throws {
        let names = ["gpt-nano", "gpt-small", "nanogpt-cpu", "nanogpt-char", "gpt2-124m"]
        #expect(try ModelConfiguration.named("gpt-nano").reader.integer("n_layer") == 4)
        for (name, parameters) in [("nanogpt-cpu", 809_856), ("nanogpt-char", 10_770_816), ("gpt2-124m", 124_439_808)] {
            let configuration = try ModelConfiguration.named(name, vocabulary: 65)
            #expect(try ArchitectureRegistry.architecture(for: configuration).parameterCount == parameters, "\(name)")
        }
        #expect(throws: ModelError.unknownPreset("gpt-7", known: names)) {
            try ModelConfiguration.named("gpt-7")
        }
        #expect(throws: FileError.self) { try ModelConfiguration.named("/nowhere/config.json") }
        #expect(try tiny.withLayers(5).reader.integer("n_layer") == 5)
        var strange = tiny
        strange.object["model_type"] = "mamba"
        #expect(throws: FileError.self) { try Model(strange, seed: 1) }
        var exact = tiny
        exact.object["activation_function"] = "gelu"
        #expect(throws: FileError.self) { try Model(exact, seed: 1) }
    }

    @Test(arguments: [1, 2, 3, 4]) func threadsGiveTheSameBits(threads: Int) throws {
        let model = try randomModel(.gpt(layers: 2, width: 48, heads: 3, context: 40), deviation: 0.1).withDropout(0.1)
        var random = SplitMix(seed: 4)
        let ids = random.integers(3 * 33, in: Int32(0)...255)
        func step(_ context: Context) throws -> (Double, [Float]) {
            let tape = try Tape(model.trainableParameters(), on: context)
            try tape.begin(seed: 2, stream: 9)
            let hidden = try model.architecture.hidden(Tokens(ids: ids, batch: 3, length: 33), on: tape)
            let loss = try tape.languageModelLoss(hidden: hidden, head: model.architecture.head, targets: ids)
            try tape.backward()
            return (loss, tape.gradients.flat.elements)
        }
        for isa in isas {
            let one = try step(Context(threads: 1, allowing: isa))
            let several = try step(Context(threads: threads, allowing: isa))
            #expect(one.0 == several.0, "\(threads) threads, \(isa)")
            #expect(firstDifference(one.1, several.1) == nil, "\(threads) threads, \(isa)")
        }
    }
}
