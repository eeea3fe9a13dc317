import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTestSupport
import AlambicTokenizers
import AlambicTraining
import Foundation
import Testing

@testable import AlambicQuantization

/// Whole models in 4 and 16 bits.
@Suite struct Int4ModelTests {
    private static func untied() -> ModelConfiguration {
        var configuration = ModelConfiguration.gpt(layers: 2, width: 32, heads: 2, context: 16, vocabulary: 64)
        configuration.object["tie_word_embeddings"] = .bool(false)
        return configuration
    }

    private static func tokens(_ sequences: Int = 5, _ length: Int = 16) -> Tokens {
        var random = SplitMix(seed: 1)
        return Tokens(ids: random.integers(sequences * length, in: Int32(0)...63), batch: sequences, length: length)
    }

    /// On a model that knows its text well: in one that is still learning, the noise of rounding may as well help.
    @Test func gptqIsCloserThanRounding() throws {
        let (model, context) = (try trained(steps: 400), try Context(threads: 2))
        let (text, calibration) = (try corpus(), try Calibration(try corpus(), context: 16, tokens: 2048))
        let before = try model.evaluate(on: text, on: context).loss
        let rounded = try model.quantized(.int4(), on: context)
        let solved = try model.quantized(.int4(), method: GPTQ(on: calibration), on: context)
        let (rtn, gptq) = (
            try rounded.evaluate(on: text, on: context).loss, try solved.evaluate(on: text, on: context).loss
        )
        #expect(abs(gptq - before) < abs(rtn - before) && gptq <= rtn, "\(before): rtn \(rtn), gptq \(gptq)")
        #expect(abs(rtn - before) < 0.3)
        // Both are as small, and quantizing again changes nothing.
        #expect(solved.byteCount == rounded.byteCount && rounded.byteCount < model.byteCount)
        #expect(try rounded.quantized(.int4(), on: context).digest == rounded.digest)
    }

    @Test func everyFormComesBackFromFiles() throws {
        let (model, context) = (try trained(), try Context(threads: 2))
        let calibration = try Calibration(try corpus(), context: 16, tokens: 512)
        let made: [(Model, form: String, format: String?)] = [
            (try model.quantized(.int4(), on: context), "int4", "pack-quantized"),
            (try model.quantized(.int4(), method: GPTQ(on: calibration), on: context), "int4", "pack-quantized"),
            (try sparse(model).quantized(.int4(), on: context), "bitmask-int4", "pack-quantized"),
            (try model.quantized(.bf16, on: context), "bf16", nil),
            (try model.quantized(.f16, on: context), "f16", nil),
            (try sparse(model).quantized(.bf16, on: context), "bitmask-bf16", nil),
            (try sparse(model).quantized(.f16, on: context), "bitmask-f16", nil),
        ]
        let part = try corpus().prefix(200)
        for (model, form, format) in made {
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("forms-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: folder) }
            try model.save(to: folder)
            let again = try Model(contentsOf: folder)
            #expect(again.digest == model.digest && again.weights.map(\.formName) == model.weights.map(\.formName))
            for (weight, description) in zip(again.weights, again.architecture.parameters)
            where description.kind == .matrix { #expect(weight.formName == form, "\(description.path)") }
            #expect(try SafeTensors(modelDirectory: folder).byteCount == model.byteCount, "\(form)")
            let compression = try ModelConfiguration(modelDirectory: folder).compression
            #expect(compression?.format == format && (compression?.sparsity != nil) == form.hasPrefix("bitmask"))
            if format != nil {
                #expect(compression?.groups.count == 1 && compression?.groups[0].weights == .int4(group: 32))
            }
            #expect(try again.evaluate(on: part, on: context).loss == model.evaluate(on: part, on: context).loss)
        }
    }

    @Test func halvesAreTheirRoundedWeights() throws {
        let model = try Model(.gpt(layers: 1, width: 16, heads: 2, context: 8), seed: 1)
        let quantized = try model.quantized(.bf16)
        for (index, description) in model.architecture.parameters.enumerated() {
            let takes = description.kind == .matrix || description.kind == .embedding
            #expect(quantized.weights[index].formName == (takes ? "bf16" : "f32"), "\(description.path)")
            for (a, b) in zip(try model.weights[index].dense().elements, try quantized.weights[index].dense().elements)
            {
                #expect(abs(a - b) <= (takes ? abs(a) * 0x1p-8 : 0))
            }
        }
        var weights = model.weights
        weights[0] = .f32(try Tensor([256, 16], [Float](repeating: 70000, count: 256 * 16)))
        let error = #expect(throws: TrainingError.self) { try model.replacing(weights: weights).quantized(.f16) }
        #expect(error?.description == "cannot quantize 'wte.weight': weight 70000.0 is beyond what f16 can hold")
    }

    @Test func mixedFormsAreMixedPrecision() throws {
        let model = try Model(Self.untied(), seed: 1)
        let mixed = try model.quantized(.int8(), except: "mlp", "head").quantized(.int4(), except: "attn")
        let compression = try #require(try saved(mixed).compression)
        #expect(compression.format == "mixed-precision")
        #expect(compression.groups.map(\.format) == ["int-quantized", "pack-quantized"])
        #expect(compression.groups[1].targets.contains("h.1.mlp.c_fc") && compression.groups[1].inputs == nil)
    }

    private func saved(_ model: Model) throws -> ModelConfiguration {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mixed-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try model.save(to: folder)
        #expect(try Model(contentsOf: folder).digest == model.digest)
        return try ModelConfiguration(modelDirectory: folder)
    }

    /// With weights that stay what they are, the pass is the forward pass, and each Hessian has seen every token.
    @Test func thePassIsTheForwardPass() throws {
        let (model, context) = (try Model(Self.untied(), seed: 1), try Context(threads: 2))
        let chosen = model.architecture.parameters.indices.filter { model.architecture.parameters[$0].kind == .matrix }
        var rows: [Int] = []
        var inputs: [Int] = []
        let pass = try CalibrationPass(model, chosen: chosen, on: context) { weight, hessian in
            rows.append(hessian.rows)
            inputs.append(hessian.inputs)
            return weight
        } afterBlock: {
            true
        }
        // More than one chunk of a block.
        let tokens = Self.tokens(300)
        let found = try model.architecture.hidden(tokens, on: pass).elements
        let expected = try model.architecture.hidden(tokens, on: try model.makeInference(on: context)).elements
        #expect(firstDifference(found, expected) == nil)
        #expect(rows == [Int](repeating: 4800, count: 8))
        #expect(inputs == [32, 32, 32, 128, 32, 32, 32, 128])
        try pass.run(Self.tokens())
        #expect(rows.last == 80 && inputs.last == 32 && rows.count == 9, "the head")
    }

    /// What a layer is given has come through the quantized layers of the blocks before it.
    @Test func laterBlocksSeeQuantizedOnes() throws {
        let (model, context) = (try Model(Self.untied(), seed: 1), try Context(threads: 2))
        let calibration = try Calibration(
            try Corpus(text: Array(repeating: [7, 1, 30, 2, 9, 63], count: 100).flatMap { $0 }, tokenizer: .bytes),
            context: 16, tokens: 160)
        let all = try model.quantized(.int4(), method: GPTQ(on: calibration), on: context)
        let first = try model.quantized(.int4(), method: GPTQ(on: calibration), except: ["h.1", "head"], on: context)
        let second = try model.quantized(.int4(), method: GPTQ(on: calibration), except: ["h.0", "head"], on: context)
        for (index, description) in model.architecture.parameters.enumerated() where description.kind == .matrix {
            let whole = try all.weights[index].dense().elements
            if description.layer == 0 { #expect(try first.weights[index].dense().elements == whole) }
            if description.layer == 1 { #expect(try second.weights[index].dense().elements != whole) }
        }
        #expect(all.weights[all.architecture.head.index].formName == "int4")
    }

    @Test func badSettingsAreNamed() throws {
        let model = try Model(Self.untied(), seed: 1)
        let text = try corpus()
        let calibration = try Calibration(text, context: 16, tokens: 64)
        #expect(calibration.tokens.batch == 4 && calibration.tokens.ids.count == 64)
        func expect(_ part: String, _ body: () throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) {
            let error = #expect(throws: TrainingError.self, sourceLocation: sourceLocation, performing: body)
            #expect(
                error?.description.contains(part) == true, "\(String(describing: error))",
                sourceLocation: sourceLocation)
        }
        expect("groups of 128, which do not divide the 32 inputs of 'h.0.attn.c_attn.weight'") {
            _ = try model.quantized(.int4(group: 128))
        }
        expect("not of 64") { _ = try model.quantized(.int4(group: 64)) }
        expect("gptq makes int4 weights, not int8") {
            _ = try model.quantized(.int8(), method: GPTQ(on: calibration))
        }
        expect("gptq needs a text") { _ = try GPTQ(calibration: nil) }
        expect("'magic'") { _ = try QuantizationMethods.type(named: "magic") }
        expect("token 104 is outside") { _ = try model.quantized(.int4(), method: GPTQ(on: calibration)) }
        expect("has 3000 tokens, and one sequence to calibrate on has 4000") {
            _ = try Calibration(text, context: 4000)
        }
        let long = try Calibration(text, context: 17, tokens: 64)
        expect("17 tokens is longer than the model's 16") { _ = try model.quantized(.int4(), method: GPTQ(on: long)) }
        expect("damping of 0.0") { _ = try model.quantized(.int4(), method: GPTQ(on: calibration, damping: 0)) }
        let cancellation = Cancellation()
        cancellation.cancel()
        expect("interrupted after 1 of 2 blocks") {
            _ = try trained().quantized(.int4(), method: GPTQ(on: calibration, cancellation: cancellation))
        }
    }
}
