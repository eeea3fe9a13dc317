import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTokenizers
import AlambicTraining
import Foundation
import Testing

@testable import AlambicQuantization

func corpus() throws -> Corpus {
    let line = Array("how much wood would a woodchuck chuck; ".utf8)
    return try Corpus(text: (0..<3000).map { line[($0 * ($0 / 83 + 1)) % line.count] }, tokenizer: .bytes)
}

func trained(steps: Int = 80) throws -> Model {
    let trainer = try Trainer(
        try Model(.gpt(layers: 2, width: 32, heads: 2, context: 16), seed: 1), optimizer: .adamW(rate: 5e-3),
        on: try Context(threads: 2))
    try trainer.run(try corpus().batches(of: 4, context: 16, seed: 1), until: steps)
    return try trainer.snapshot()
}

/// The same model with four fifths of every matrix set to zero and stored sparse.
func sparse(_ model: Model) throws -> Model {
    var weights = model.weights
    for (index, description) in model.architecture.parameters.enumerated() where description.kind == .matrix {
        var elements = try weights[index].dense().elements
        for place in elements.indices where place % 5 != 0 { elements[place] = 0 }
        weights[index] = .bitmask(try BitmaskTensor(try Tensor(description.shape, elements)))
    }
    return model.replacing(weights: weights)
}

@Suite struct QuantizationTests {
    @Test func everyWeightIsWithinHalfAStep() throws {
        let model = try trained()
        let quantized = try model.quantized(.int8(weights: .perChannel, activations: .perToken))
        for (index, description) in model.architecture.parameters.enumerated() {
            let (before, after) = (try model.weights[index].dense(), try quantized.weights[index].dense())
            guard description.kind == .matrix else {
                #expect(before.elements == after.elements, "\(description.path)")
                continue
            }
            guard case .int8(let integers) = quantized.weights[index] else {
                Issue.record("\(description.path) is \(quantized.weights[index].formName)")
                continue
            }
            for row in 0..<before.rows {
                let (w, q) = (before.rows(row..<row + 1).elements, after.rows(row..<row + 1).elements)
                let largest = w.map { abs($0) }.max() ?? 0
                let scale = integers.scales.span[row]
                #expect(abs(scale - largest / 127) <= largest * Float.ulpOfOne)
                for (a, b) in zip(w, q) {
                    // Half a step, and the rounding of a / s and q * s.
                    #expect(abs(a - b) <= scale * (0.5 + 127 * Float.ulpOfOne), "\(description.path), row \(row)")
                }
            }
        }
    }

    @Test func theModelGetsALittleWorseAndMuchSmaller() throws {
        let model = try trained()
        let context = try Context(threads: 2)
        let quantized = try model.quantized()
        let (before, after) = (
            try model.evaluate(on: try corpus(), on: context), try quantized.evaluate(on: try corpus(), on: context)
        )
        #expect(abs(after.bitsPerByte - before.bitsPerByte) < 0.02, "\(before.bitsPerByte) → \(after.bitsPerByte)")
        let matrices = 2 * 12 * 32 * 32
        #expect(model.byteCount - quantized.byteCount > matrices * 3 - 2 * 4 * 4 * 3 * 32 * 2)
        // Quantizing twice changes nothing.
        #expect(try quantized.quantized().digest == quantized.digest)
    }

    @Test func aSparseModelStaysSparse() throws {
        let model = try sparse(try trained())
        let quantized = try model.quantized(.int8())
        for (description, weight) in zip(quantized.architecture.parameters, quantized.weights)
        where description.kind == .matrix {
            #expect(weight.formName == "bitmask-int8", "\(description.path)")
        }
        #expect(quantized.byteCount < model.byteCount)
        #expect(quantized.nonzeroCount <= model.nonzeroCount)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("int8-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try quantized.save(to: folder)
        let context = try Context(threads: 1)
        let part = try corpus().prefix(200)
        let loaded = try Model(contentsOf: folder).evaluate(on: part, on: context).loss
        #expect(try quantized.evaluate(on: part, on: context).loss == loaded)
    }

    @Test func exceptionsStayAsTheyAre() throws {
        let model = try Model(.gpt(layers: 2, width: 16, heads: 2, context: 8), seed: 1)
        let quantized = try model.quantized(.int8(), except: "head", "h.0", "c_fc")
        for (description, weight) in zip(quantized.architecture.parameters, quantized.weights)
        where description.kind == .matrix {
            let stays = description.path.hasPrefix("h.0.") || description.path.contains("c_fc")
            #expect(weight.formName == (stays ? "f32" : "int8"), "\(description.path)")
        }
        let error = #expect(throws: TrainingError.self) { try model.quantized(.int8(), except: "tail") }
        #expect("\(try #require(error))".contains("'tail'"))
    }

    @Test func schemesAreFoundByName() throws {
        #expect(try QuantizationSchemes.named("int8") is Int8Scheme)
        #expect(QuantizationSchemes.names == ["int8", "int4", "bf16", "f16"])
        #expect(QuantizationMethods.names == ["rtn", "gptq", "smoothquant", "awq"])
        let error = #expect(throws: TrainingError.self) { try QuantizationSchemes.named("int3") }
        let message = "\(try #require(error))"
        #expect(message.contains("'int3'"))
        #expect(message.contains("int8"))
    }
}
