import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import AlambicTokenizers
import AlambicTraining
import Foundation
import Testing

@testable import AlambicPruning

@Suite struct DeadUnitTests {
    private static func relu(_ x: Float) -> Float { max(x, 0) + 0.25 }

    private static func forward(_ layers: [PlainLayer], _ input: [Float]) -> [Float] {
        var x = input
        for (number, layer) in layers.enumerated() {
            let (w, b, columns) = (layer.weight.elements, layer.bias.elements, layer.weight.columns)
            x = b.indices.map { i in b[i] + (0..<columns).reduce(0) { $0 + w[i * columns + $1] * x[$1] } }
            if number < layers.count - 1 { x = x.map(relu) }
        }
        return x
    }

    private static func layer(_ outputs: Int, _ inputs: Int, _ seed: UInt64) throws -> PlainLayer {
        var random = SplitMix(seed: seed)
        return PlainLayer(
            weight: try Tensor([outputs, inputs], random.normals(outputs * inputs)),
            bias: try Tensor([outputs], random.normals(outputs)))
    }

    @Test func theNetworkComputesWhatItDid() throws {
        let layers = [try Self.layer(6, 4, 1), try Self.layer(5, 6, 2), try Self.layer(3, 5, 3)]
        let (w1, w2, w3) = (layers[0].weight, layers[1].weight, layers[2].weight)
        var first = w1.mutableSpan
        var second = w2.mutableSpan
        var third = w3.mutableSpan
        for j in 0..<4 { first[2 * 4 + j] = 0 }  // unit 2 hears nothing
        for i in 0..<5 { second[i * 6 + 4] = 0 }  // unit 4 is not heard
        for i in 0..<3 { third[i * 5 + 1] = 0 }  // nor is unit 1 of the next layer
        // Unit 3 there hears only what is constant: dead once 2 is gone.
        for j in 0..<6 where j != 2 { second[3 * 6 + j] = 0 }
        #expect(DeadUnits.find(between: layers[0], and: layers[1]) == [2, 4])
        let (alive, removed) = try DeadUnits.removed(from: layers, activation: Self.relu)
        #expect(removed == 4)
        #expect(alive.map(\.weight.shape) == [[4, 4], [3, 4], [3, 3]])
        #expect(alive.map(\.bias.count) == [4, 3, 3])
        for input: [Float] in [[1, 2, 3, 4], [0, 0, 0, 0], [-1, 0.5, -3, 2]] {
            for (a, b) in zip(Self.forward(alive, input), Self.forward(layers, input)) {
                #expect(abs(a - b) < 1e-5, "\(a) for \(b)")
            }
        }
    }

    @Test func nothingDeadNothingChanges() throws {
        let layers = [try Self.layer(3, 2, 1), try Self.layer(2, 3, 2)]
        let (same, removed) = try DeadUnits.removed(from: layers, activation: Self.relu)
        #expect(removed == 0 && same[0].weight.elements == layers[0].weight.elements)
    }
}

@Suite struct ShrinkingTests {
    private static func corpus() throws -> Corpus {
        let line = Array("peter piper picked a peck of pickled peppers; ".utf8)
        return try Corpus(text: (0..<2000).map { line[($0 * ($0 / 83 + 1)) % line.count] }, tokenizer: .bytes)
    }

    /// Large weights, so that every unit is heard.
    private static func model(layers: Int = 3) throws -> Model {
        let model = try Model(.gpt(layers: layers, width: 24, heads: 3, context: 16), seed: 3)
        return model.replacing(
            weights: try model.weights.map { weight in
                let tensor = try weight.dense().copied()
                var elements = tensor.mutableSpan
                for i in 0..<elements.count where elements[i] != 1 { elements[i] = 4 * elements[i] + 0.02 }
                return .f32(tensor)
            })
    }

    private static let text: [Int32] = (0..<64).map { Int32(($0 * 37 + 11) % 256) }

    /// The model with these units' outgoing weights at zero: what removing them must be equal to.
    private static func silenced(_ model: Model, _ columns: [String: Set<Int>], biases: Set<String> = []) throws
        -> Model
    {
        model.replacing(
            weights: try zip(model.weights, model.architecture.parameters).map { weight, description in
                let tensor = try weight.dense().copied()
                var elements = tensor.mutableSpan
                for i in 0..<elements.count {
                    if columns[description.path]?.contains(i % tensor.columns) ?? false { elements[i] = 0 }
                    if biases.contains(description.path) { elements[i] = 0 }
                }
                return .f32(tensor)
            })
    }

    /// Loss, and every step of a session against it: the cache has the smaller widths.
    private static func expectSame(_ small: Model, _ masked: Model) throws {
        let losses = try (small.loss(on: text), masked.loss(on: text))
        #expect(abs(losses.0 - losses.1) < 1e-5, "\(losses)")
        let (a, b) = (try Session(small), try Session(masked))
        let logits = try (a.append(Array(text.prefix(7))), b.append(Array(text.prefix(7))))
        for (x, y) in zip(logits.0, logits.1) { #expect(abs(x - y) < 1e-4) }
    }

    private static func expectSaved(_ model: Model) throws -> ModelConfiguration {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("small-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try model.save(to: folder)
        let again = try Model(contentsOf: folder)
        #expect(again.digest == model.digest)
        #expect(try again.loss(on: text) == model.loss(on: text))
        return try ModelConfiguration(modelDirectory: folder)
    }

    @Test func neuronsGo() throws {
        let model = try Self.model()
        let scores = try model.unitMagnitudes(.neurons)
        #expect(scores.values.map(\.count) == [96, 96, 96])
        let small = try model.removing(0.25, by: scores)
        #expect(small.architecture.inner == 72)
        var going: [String: Set<Int>] = [:]
        for layer in 0..<3 {
            going["h.\(layer).mlp.c_proj.weight"] = Set(0..<96).subtracting(scores.best(72, in: layer))
        }
        try Self.expectSame(small, try Self.silenced(model, going))
        let saved = try Self.expectSaved(small)
        #expect(saved.object["n_inner"] == .number(72) && saved.object["pruned_heads"] == nil)
    }

    @Test func headsGoAndGoOn() throws {
        let model = try Self.model()
        let scores = UnitScores(.heads, [[3, 1, 2], [1, 2, 3], [2, 3, 1]])
        let small = try model.keeping(2, by: scores)
        #expect(small.weights[4].shape == [48, 24] && small.architecture.attentionWidths == [16, 16, 16])
        func columns(_ heads: [Int]) -> [String: Set<Int>] {
            Dictionary(
                uniqueKeysWithValues: heads.enumerated().map {
                    ("h.\($0).attn.c_proj.weight", Set($1 * 8..<$1 * 8 + 8))
                })
        }
        try Self.expectSame(small, try Self.silenced(model, columns([1, 0, 2])))
        let saved = try Self.expectSaved(small)
        #expect(
            saved.object["pruned_heads"]
                == .object(["0": .array([.number(1)]), "1": .array([.number(0)]), "2": .array([.number(2)])]))
        #expect(saved.object["n_head"] == .number(3))
        // Of heads 0 and 2, 1 and 2, 0 and 1, the second goes too: 2, 2 and 1 of the whole.
        let smaller = try small.keeping(1, by: UnitScores(.heads, [[2, 1], [2, 1], [2, 1]]))
        var both = columns([1, 0, 2])
        for (path, more) in columns([2, 2, 1]) { both[path]?.formUnion(more) }
        try Self.expectSame(smaller, try Self.silenced(model, both))
        #expect(try smaller.unitMagnitudes(.heads).values.map(\.count) == [1, 1, 1])
        // Then a layer less: what is left remembers its own heads.
        let shallow = try smaller.keeping(2, by: UnitScores(.layers, [[1], [0], [2]]))
        let again = try Self.expectSaved(shallow)
        #expect(again.object["n_layer"] == .number(2))
        #expect(
            again.object["pruned_heads"]
                == .object(["0": .array([.number(1), .number(2)]), "1": .array([.number(1), .number(2)])]))
    }

    @Test func layersGo() throws {
        let model = try Self.model()
        let small = try model.keeping(2, by: UnitScores(.layers, [[2], [1], [3]]))
        #expect(small.architecture.layers == 2)
        let all = Set(0..<96)
        try Self.expectSame(
            small,
            try Self.silenced(
                model, ["h.1.attn.c_proj.weight": all, "h.1.mlp.c_proj.weight": all],
                biases: ["h.1.attn.c_proj.bias", "h.1.mlp.c_proj.bias"]))
        #expect(try Self.expectSaved(small).object["n_layer"] == .number(2))
    }

    /// The derivative by a gate, against finite differences of the loss with the unit's outgoing weights scaled.
    @Test(arguments: StructuredUnit.allCases)
    func taylorScoresAreDerivatives(unit: StructuredUnit) throws {
        let (model, text) = (try Self.model(layers: 2), try Self.corpus())
        let scores = try model.unitTaylorScores(unit, on: text, batches: 1, rows: 2, length: 16)
        let batch = try #require(try text.batches(of: 2, context: 16, seed: 1).prefix(1).first { _ in true })
        let map = try UnitMap(model.architecture)
        for (layer, number) in [(0, 0), (1, map.count(unit, in: 1) - 1)] {
            func loss(_ gate: Float) throws -> Double {
                let scaled = model.replacing(
                    weights: try zip(model.weights, model.architecture.parameters).map { weight, description in
                        let tensor = try weight.dense().copied()
                        var elements = tensor.mutableSpan
                        if map.outgoing(unit, in: layer).contains(description.path) {
                            let chosen = map.columns(unit, number, of: tensor.columns)
                            for i in 0..<elements.count where chosen.contains(i % tensor.columns) {
                                elements[i] *= gate
                            }
                        }
                        if map.biases(unit, in: layer).contains(description.path) {
                            for i in 0..<elements.count { elements[i] *= gate }
                        }
                        return .f32(tensor)
                    })
                let trainer = try Trainer(scaled, optimizer: .sgd(rate: .constant(0)), dropout: 0)
                return try trainer.gradients(of: batch).loss
            }
            let h: Float = unit == .neurons ? 0.5 : 0.05
            let slope = abs(try loss(1 + h) - loss(1 - h)) / Double(2 * h)
            let score = scores.values[layer][number]
            #expect(abs(score - slope) < 0.03 * slope + 2e-5, "\(unit) \(layer), \(number): \(score) for \(slope)")
        }
    }

    /// A branch that a pass leaves out by chance is not worth less for that.
    @Test(arguments: StructuredUnit.allCases)
    func taylorScoresSeeEveryBranch(unit: StructuredUnit) throws {
        let (model, text) = (try Self.model(layers: 2), try Self.corpus())
        let gpt = try #require(model.architecture as? GPT)
        let deep = model.replacing(architecture: gpt.withStochasticDepth(0.5), weights: model.weights)
        let scores = try deep.unitTaylorScores(unit, on: text, batches: 2, rows: 2, length: 16)
        #expect(scores.values == (try model.unitTaylorScores(unit, on: text, batches: 2, rows: 2, length: 16)).values)
    }

    @Test func badInputIsNamed() throws {
        let model = try Self.model(layers: 2)
        let scores = try model.unitMagnitudes(.heads)
        func message(_ body: () throws -> Model) -> String {
            let error = #expect(throws: TrainingError.self) { try body() }
            return error?.description ?? ""
        }
        #expect(message { try model.keeping(0, by: scores) } == "0 heads cannot be kept of 3: use 1...3")
        #expect(message { try model.keeping(4, by: scores) } == "4 heads cannot be kept of 3: use 1...3")
        #expect(message { try model.removing(1, by: scores) }.contains("from 0 to below 1"))
        #expect(message { try model.keeping(1, by: UnitScores(.heads, [[1]])) }.contains("another model"))
        // One always stays.
        #expect(try model.removing(0.9, by: scores).weights[4].shape == [24, 24])
        for text in ["3", "{\"7\": [0]}", "{\"0\": [3]}", "{\"0\": [0, 1, 2]}", "{\"0\": \"x\"}", "{\"a\": [0]}"] {
            var configuration = model.configuration
            configuration.object["pruned_heads"] = try JSON(parsing: Array(text.utf8), path: "config.json")
            let error = #expect(throws: FileError.self) { try GPT2Configuration(configuration) }
            #expect(error?.description.contains("pruned_heads") == true, "\(text)")
        }
    }
}
