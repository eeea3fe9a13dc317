import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Testing

@testable import AlambicQuantization

@Suite struct IntegerGPTTests {
    static let length = 16

    /// Sequences of the corpus from one of them on.
    static func sequences(_ count: Int, from first: Int = 0) throws -> Tokens {
        let all = try corpus().tokens
        let start = all.startIndex + first * length
        return Tokens(ids: Array(all[start..<start + count * length]), batch: count, length: length)
    }

    /// A later token changes no earlier logit.
    @Test func itLooksBackwardsAlone() throws {
        let network = try Self.network(heads: 2)
        let tokens = try Self.sequences(1)
        let before = try network.logits(of: tokens)
        for place in [1, 7, 15] {
            var ids = tokens.ids
            ids[place] = (ids[place] + 1) % 256
            let after = try network.logits(of: Tokens(ids))
            #expect(after[..<(place * 256)] == before[..<(place * 256)], "token \(place)")
            #expect(after[(place * 256)...] != before[(place * 256)...], "token \(place)")
        }
    }

    private static func network(heads: Int, on context: Context = .default) throws -> IntegerGPT {
        let model = try Model(.gpt(layers: 2, width: 24, heads: heads, context: length), seed: 3)
        // Weights large enough that the blocks matter.
        let weights = try zip(model.weights, model.architecture.parameters).map { weight, description in
            guard description.kind == .matrix else { return weight }
            return PackedWeight.f32(try Tensor(description.shape, try weight.dense().elements.map { $0 * 8 }))
        }
        return try .calibrated(model.replacing(weights: weights), on: try sequences(8), context: context)
    }

    /// For any number of threads; for sequences alone, together and in more than one pass; for shorter ones.
    @Test func theSameBitsEverywhere() throws {
        let tokens = try Self.sequences(70)
        let size = Self.length * 256
        let expected = try Self.network(heads: 3).logits(of: tokens)
        #expect(expected.count == 70 * size && Set(expected).count > 1000)
        for threads in 1...4 {
            let context = try Context(threads: threads)
            let network = try Self.network(heads: 3, on: context)
            #expect(try network.logits(of: tokens, on: context) == expected, "\(threads) threads")
            for b in [0, 33, 69] {
                let ids = Array(tokens.ids[b * Self.length..<(b + 1) * Self.length])
                let alone = try network.logits(of: Tokens(ids), on: context)
                #expect(alone == Array(expected[b * size..<(b + 1) * size]), "sequence \(b), \(threads) threads")
                let start = try network.logits(of: Tokens(Array(ids[..<5])), on: context)
                #expect(start == Array(alone[..<(5 * 256)]), "five tokens of sequence \(b), \(threads) threads")
            }
        }
        #expect(try Self.network(heads: 3).logits(of: Tokens([])) == [])
    }

    /// Strips of logits come in order, leave out nothing, and are those of the array; what is thrown inside ends it.
    @Test func stripsOfLogits() throws {
        let network = try Self.network(heads: 2)
        let tokens = try Self.sequences(70)
        var (next, logits) = (0, [Int32]())
        try network.forEachLogits(of: tokens) { rows, strip throws(KernelError) in
            #expect(rows.lowerBound == next && rows.count <= 64 && strip.count == rows.count * 256, "\(rows)")
            next = rows.upperBound
            for i in strip.indices { logits.append(strip[i]) }
        }
        #expect(next == tokens.count)
        #expect(try logits == network.logits(of: tokens))

        var strips = 0
        #expect {
            try network.forEachLogits(of: tokens) { _, _ throws(KernelError) in
                strips += 1
                if strips == 2 { throw KernelError(.badArgument, "enough") }
            }
        } throws: {
            "\($0)" == "enough"
        }
        #expect(strips == 2)
        try network.forEachLogits(of: Tokens([])) { _, _ throws(KernelError) in strips += 1 }
        #expect(strips == 2)
    }

    /// The whole against plain loops in 64 bits.
    @Test func everyIntegerIsThatOfPlainLoops() throws {
        let model = try Model(.gpt(layers: 2, width: 16, heads: 2, context: 12, vocabulary: 256), seed: 5)
        let tokens = Tokens(Array(try corpus().tokens.prefix(12)))
        let network = try IntegerGPT.calibrated(model, on: tokens)
        let scale = Double(network.residualScale)
        let parameters = try model.weights.map { try $0.dense() }
        func levels(_ index: Int, _ row: Int) -> [Int64] {
            parameters[index].rows(row..<row + 1).elements.map { Int64((Double($0) / scale).rounded(.toNearestOrEven)) }
        }
        var x = tokens.ids.enumerated().map { place, id in zip(levels(0, Int(id)), levels(1, place)).map { $0 + $1 } }
        for (layer, block) in network.transformer.blocks.enumerated() {
            let source = IntegerBlockSource(
                parameters: Array(parameters[2 + 12 * layer..<14 + 12 * layer]), names: [], heads: 2, epsilon: 1e-5,
                residualScale: network.residualScale, ranges: network.ranges[layer])
            x = TransformerOracle.block(block, source, x)
        }
        let (gains, biases) = (parameters[26].elements, parameters[27].elements)
        let expected = x.flatMap { row in
            IntegerOracle.linear(
                network.transformer.head,
                TransformerOracle.norm(
                    row, gains: gains, biases: biases, epsilon: 1e-5, scale: scale, network.headInput))
        }
        #expect(try network.logits(of: tokens).map(Int64.init) == expected)
    }

    /// What runs is made of integers: no property of the transformer, at any depth, is a float.
    @Test func thereAreNoFloatsInTheLoop() throws {
        let seen = typesWithoutFloats(in: try Self.network(heads: 2).transformer, "transformer")
        for type in [
            "IntegerBlock", "IntegerAttention", "IntegerSoftmax", "IntegerLayerNorm", "IntegerGELULevels",
            "IntegerLinear",
            "FixedPointMultiplier", "Memory<Int32>",
        ] {
            #expect(seen.contains(type), "\(type)")
        }
    }

    // MARK: what it is given

    /// One token over and over, weights of zero, and both: nothing is divided by zero, and nothing overflows on other
    /// text.
    @Test func awkwardCalibration() throws {
        let constant = Tokens([Int32](repeating: 7, count: 16))
        let model = try trained(steps: 5)
        let zeros = model.replacing(
            weights: try model.architecture.parameters.map { .f32(try Tensor($0.shape)) })
        let tokens = try Self.sequences(3)
        for (model, what) in [(model, "trained"), (zeros, "zeros")] {
            let network = try IntegerGPT.calibrated(model, on: constant)
            let logits = try network.logits(of: tokens)
            #expect(logits.count == 3 * 16 * 256, "\(what)")
            #expect((Set(logits) == [0]) == (what == "zeros"), "\(what)")
        }
    }

    @Test func tokensThatItCannotRead() throws {
        let model = try Model(.gpt(layers: 1, width: 16, heads: 2, context: 8, vocabulary: 11), seed: 1)
        let network = try IntegerGPT.calibrated(model, on: Tokens([1, 2, 3]))
        for token: Int32 in [11, -1, .max] {
            #expect {
                try network.logits(of: Tokens([0, token]))
            } throws: {
                "\($0)" == "token \(token) is outside of the model's vocabulary of 11: use the model's own tokenizer"
            }
            #expect {
                try IntegerGPT.calibrated(model, on: Tokens([0, token]))
            } throws: {
                "\($0)" == "token \(token) is outside of the model's vocabulary of 11: use the model's own tokenizer"
            }
        }
        let long = Tokens([Int32](repeating: 1, count: 9))
        #expect {
            try network.logits(of: long)
        } throws: {
            "\($0)" == "9 tokens are more than the model's context of 8: use fewer, or a model with a longer one"
        }
        #expect {
            try IntegerGPT.calibrated(model, on: long)
        } throws: {
            "\($0)" == "the context of 9 tokens is longer than the model's 8: use at most 8"
        }
        for nothing in [Tokens([]), Tokens(ids: [], batch: 0, length: 8), Tokens(ids: [], batch: 3, length: 0)] {
            #expect {
                try IntegerGPT.calibrated(model, on: nothing)
            } throws: {
                "\($0)" == "there are no tokens to calibrate on: give at least one sequence"
            }
        }
    }

    @Test func numbersThatAreNone() throws {
        let model = try Model(.gpt(layers: 1, width: 16, heads: 2, context: 8, vocabulary: 11), seed: 1)
        for (index, description) in model.architecture.parameters.enumerated() {
            var weights = model.weights
            var elements = try weights[index].dense().elements
            elements[0] = .infinity
            weights[index] = .f32(try Tensor(description.shape, elements))
            // Token 0 is not read: of what is not seen the weights themselves are looked at.
            let error = #expect(throws: TrainingError.self) {
                try IntegerGPT.calibrated(model.replacing(weights: weights), on: Tokens([1, 2, 3]))
            }
            let message = error.map { "\($0)" } ?? ""
            #expect(
                message.contains(" is ") && message.contains("look for what made it"), "\(description.path): \(message)"
            )
        }
    }

    @Test func otherArchitectures() throws {
        let model = try Model(.gpt(layers: 1, width: 16, heads: 2, context: 8, vocabulary: 11), seed: 1)
        let gpt = try #require(model.architecture as? GPT)
        let other = Model(architecture: Rotary(gpt: gpt), weights: model.weights)
        let error = #expect(throws: TrainingError.self) { try IntegerGPT.calibrated(other, on: Tokens([1, 2])) }
        let message = "\(try #require(error))"
        #expect(message.contains("'llama'") && message.contains("use one of type gpt2"), "\(message)")
    }
}

/// A GPT under another name.
private struct Rotary: Architecture {
    static let modelType = "llama"
    static let filePrefixes: [String] = []
    var gpt: GPT

    init(gpt: GPT) { self.gpt = gpt }
    init(_ configuration: ModelConfiguration) throws(FileError) { gpt = try GPT(configuration) }
    func write(into configuration: inout ModelConfiguration) { gpt.write(into: &configuration) }

    var layers: Int { gpt.layers }
    var width: Int { gpt.width }
    var inner: Int { gpt.inner }
    var heads: Int { gpt.heads }
    var context: Int { gpt.context }
    var vocabulary: Int { gpt.vocabulary }
    var dropout: Double { gpt.dropout }
    var parameters: [ParameterDescription] { gpt.parameters }
    var head: ParameterID { gpt.head }

    func withDropout(_ rate: Double) -> Rotary { Rotary(gpt: gpt.withDropout(rate)) }
    func withLayers(_ layers: Int) -> Rotary { Rotary(gpt: gpt.withLayers(layers)) }
    func hidden<G: Graph>(_ tokens: Tokens, on graph: G) throws(KernelError) -> G.Value {
        try gpt.hidden(tokens, on: graph)
    }
    func path(_ path: String, withLayer layer: (Int) -> Int) -> String { gpt.path(path, withLayer: layer) }
    func ignores(fileName name: String) -> Bool { gpt.ignores(fileName: name) }
}
