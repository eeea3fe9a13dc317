import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import Testing

@testable import AlambicQuantization

/// Integers against the floats that they were made of, with a model in which every part matters: without one of its layers,
/// or with queries, keys and values in other places, it says something else.
@Suite struct IntegerGPTAgainstFloatsTests {
    private static let (layers, width) = (2, 24)

    /// Weights large enough that attention has preferences and both branches are as large as the embeddings; queries, keys
    /// and values with ranges of their own.
    private static func model() throws -> Model {
        let model = try Model(.gpt(layers: layers, width: width, heads: 3, context: IntegerGPTTests.length), seed: 1)
        var random = SplitMix(seed: 1)
        let weights = try model.architecture.parameters.map { description in
            let (path, count) = (description.path, description.shape.count)
            var values: [Float]
            if path.hasSuffix("c_attn.weight") {
                values = [0.3, 0.25, 0.4].flatMap { random.normals(count / 3, deviation: $0) }
            } else {
                let deviations: [(String, Float)] = [
                    ("wte", 1), ("wpe", 0.5), ("ln_", 0.2), (".bias", 0.1), ("attn.c_proj", 0.3), ("mlp.c_fc", 0.3),
                    ("mlp.c_proj", 0.15),
                ]
                values = random.normals(count, deviation: deviations.first { path.contains($0.0) }?.1 ?? 1)
            }
            if path.contains("ln_") && path.hasSuffix(".weight") { values = values.map { $0 + 1 } }
            return PackedWeight.f32(try Tensor(description.shape, values))
        }
        return model.replacing(weights: weights)
    }

    /// The same model with some parameters, by their paths, changed.
    private static func changing(
        _ model: Model, _ change: (_ path: String, _ values: [Float]) -> [Float]
    ) throws -> Model {
        model.replacing(
            weights: try zip(model.weights, model.architecture.parameters).map { weight, description in
                .f32(try Tensor(description.shape, change(description.path, try weight.dense().elements)))
            })
    }

    /// The same model with parameters of zeros.
    private static func without(_ paths: String..., in model: Model) throws -> Model {
        try changing(model) { path, values in
            paths.contains(path) ? [Float](repeating: 0, count: values.count) : values
        }
    }

    /// The same model with other outputs of its attention layers as queries, keys and values.
    private static func thirds(_ order: [Int], in model: Model) throws -> Model {
        try changing(model) { path, values in
            guard path.contains("c_attn") else { return values }
            let count = values.count / 3
            return order.flatMap { values[$0 * count..<($0 + 1) * count] }
        }
    }

    private static func floats(_ model: Model, _ tokens: Tokens) throws -> [Double] {
        let inference = try model.makeInference(on: try Context(threads: 2))
        let hidden = try model.architecture.hidden(tokens, on: inference)
        return try inference.logits(hidden, rows: 0..<hidden.rows, head: model.architecture.head).elements
            .map { Double($0) }
    }

    /// The norm of the difference as a share of the norm.
    private static func distance(_ x: [Double], from y: [Double]) -> Double {
        let difference = zip(x, y).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        return (difference / y.reduce(0) { $0 + $1 * $1 }).squareRoot()
    }

    /// How far the logits may be from those of floats. What rounds, as shares of the root mean square of what is rounded:
    ///
    /// - Bytes over a range of about 7 deviations: 7 / 255 / √12 = 0.8 %, in 15 places (two norms, queries, keys, values,
    ///   attention and GELU of two blocks, and the last norm).
    /// - Weights of 24 to 96 inputs over about 5 deviations: 5 / 254 / √12 = 0.6 %, in 9 matrices.
    /// - GELU's polynomial, up to 0.018 and less in the mean: 1 % in two places.
    ///
    /// If all of it reached the logits in full, and independently, that were √(15 0.8² + 9 0.6² + 2) % = 3.9 %; a model in
    /// double precision with these roundings is off by 2.9 %, and by 2.3 to 3.2 % with other seeds. The tolerance is half
    /// as much again as the whole.
    private static let tolerance = 0.06

    /// The integers are the model that they were made of; the models that they could be mistaken for, if a part were left
    /// out or another part in its place, are five tolerances away or more.
    @Test(arguments: [false, true])
    func integersAreTheirModel(hasChannelsOfZeros: Bool) throws {
        let dense = try Self.model()
        // A token and an output of every matrix.
        let model =
            !hasChannelsOfZeros
            ? dense
            : try Self.changing(dense) { path, values in
                let isMatrix = path.contains("c_") && path.hasSuffix(".weight") || path == "wte.weight"
                guard isMatrix else { return values }
                let inputs = path.contains("mlp.c_proj") ? 4 * Self.width : Self.width
                return values.indices.map { $0 / inputs == 3 ? 0 : values[$0] }
            }
        let tokens = try IntegerGPTTests.sequences(60, from: 100)
        let reals = try Self.floats(model, tokens)

        var others = [
            ("queries for keys", try Self.thirds([1, 0, 2], in: model)),
            ("keys for values", try Self.thirds([0, 2, 1], in: model)),
            ("all thirds moved", try Self.thirds([1, 2, 0], in: model)),
        ]
        for layer in 0..<Self.layers {
            others.append(("no attention in \(layer)", try Self.without("h.\(layer).attn.c_proj.weight", in: model)))
            others.append(("no feed-forward in \(layer)", try Self.without("h.\(layer).mlp.c_proj.weight", in: model)))
        }
        for (what, other) in others {
            let distance = Self.distance(try Self.floats(other, tokens), from: reals)
            #expect(distance > 5 * Self.tolerance, "\(what) matters too little: \(distance)")
        }

        let network = try IntegerGPT.calibrated(model, on: try IntegerGPTTests.sequences(40))
        let integers = try network.logits(of: tokens)
        let distance = Self.distance(integers.map { Double($0) * Double(network.logitScale) }, from: reals)
        #expect(distance < Self.tolerance, "\(distance)")
        if hasChannelsOfZeros {
            #expect(stride(from: 3, to: integers.count, by: 256).allSatisfy { integers[$0] == 0 })
        }
    }

    /// Queries, keys and values are the thirds of a layer, in this order: the integers of weights and biases stand for
    /// these rows, and the ranges are those of these columns, in every block.
    @Test func queriesKeysAndValuesAreThirds() throws {
        // Without branches in the first block the second is given the embeddings too.
        let model = try Self.without(
            "h.0.attn.c_proj.weight", "h.0.attn.c_proj.bias", "h.0.mlp.c_proj.weight", "h.0.mlp.c_proj.bias",
            in: Self.model())
        let tokens = try IntegerGPTTests.sequences(10)
        let network = try IntegerGPT.calibrated(model, on: tokens)
        let parameters = Dictionary(
            uniqueKeysWithValues: try zip(model.architecture.parameters, model.weights).map {
                ($0.path, try $1.dense().elements)
            })
        func values(_ path: String) throws -> [Float] { try #require(parameters[path]) }
        for layer in 0..<Self.layers {
            let name = "h.\(layer).attn.c_attn"
            let (weight, bias) = (try values("\(name).weight"), try values("\(name).bias"))
            let made = try Self.attentionLayer(tokens, layer, values)
            let (block, ranges) = (network.transformer.blocks[layer], network.ranges[layer])
            let parts = [
                ("queries", block.query, ranges.query), ("keys", block.key, ranges.key),
                ("values", block.value, ranges.value),
            ]
            for (third, (what, linear, range)) in parts.enumerated() {
                let columns = third * Self.width..<(third + 1) * Self.width
                #expect(linear.outputs == Self.width && linear.inputs == Self.width)
                for (r, row) in columns.enumerated() {
                    let reals = weight[row * Self.width..<(row + 1) * Self.width].map { Double($0) }
                    let step = (reals.map(abs).max() ?? 0) / 127
                    let levels = linear.weights.rows(r..<r + 1).elements
                    // Half a step, and what the scale of f32 is off by.
                    let areNear = zip(reals, levels).allSatisfy { abs($0 - Double($1) * step) < 0.5001 * step }
                    #expect(areNear, "weights of \(what), row \(r), block \(layer)")
                    let sumStep = step * Double(ranges.attentionInput.scale)
                    #expect(
                        abs(Double(linear.bias[r]) * sumStep - Double(bias[row])) < 0.51 * sumStep,
                        "bias of \(what), row \(r), block \(layer)")
                }
                let seen = made.flatMap { $0[columns] }
                let expected = AffineParameters.asymmetric(Float(seen.min() ?? 0), Float(seen.max() ?? 0))
                // A product of 24 terms in f32.
                #expect(abs(range.scale / expected.scale - 1) < 1e-4, "range of \(what), block \(layer)")
                #expect(abs(range.zeroPoint - expected.zeroPoint) <= 1, "range of \(what), block \(layer)")
            }
            // Else ranges in the wrong places would be right too.
            let scales = [ranges.query.scale, ranges.key.scale, ranges.value.scale].sorted()
            #expect(scales[1] > 1.02 * scales[0] && scales[2] > 1.02 * scales[1], "\(scales)")
        }
    }

    /// What the attention layer of a block makes of the embeddings alone, by plain loops.
    private static func attentionLayer(
        _ tokens: Tokens, _ layer: Int, _ values: (String) throws -> [Float]
    ) throws -> [[Double]] {
        let (table, positions) = (try values("wte.weight"), try values("wpe.weight"))
        let (gain, shift) = (try values("h.\(layer).ln_1.weight"), try values("h.\(layer).ln_1.bias"))
        let weight = try values("h.\(layer).attn.c_attn.weight"), bias = try values("h.\(layer).attn.c_attn.bias")
        return tokens.ids.enumerated().map { place, id in
            let x = (0..<width).map { j in
                Double(table[Int(id) * width + j]) + Double(positions[place % tokens.length * width + j])
            }
            let mean = x.reduce(0, +) / Double(width)
            let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
            let y = x.indices.map { j in
                (x[j] - mean) / (variance + 1e-5).squareRoot() * Double(gain[j]) + Double(shift[j])
            }
            return bias.indices.map { j in
                y.indices.reduce(Double(bias[j])) { $0 + y[$1] * Double(weight[j * width + $1]) }
            }
        }
    }
}
