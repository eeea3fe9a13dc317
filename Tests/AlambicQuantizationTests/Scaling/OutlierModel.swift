import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import AlambicTraining

@testable import AlambicQuantization

/// A model some of whose inputs behind each norm are many times the others, as large language models have them.
enum OutlierModel {
    static let outliers = [3, 40]

    static func make(factor: Float = 60, seed: UInt64 = 1) throws -> Model {
        let model = try Model(.gpt(layers: 2, width: 64, heads: 2, context: 16), seed: seed)
        var weights = model.weights
        for (index, description) in model.architecture.parameters.enumerated()
        where description.path.contains("ln_1.weight") || description.path.contains("ln_2.weight") {
            var gains = try weights[index].dense().elements
            for place in outliers { gains[place] *= factor }
            weights[index] = .f32(try Tensor(description.shape, gains))
        }
        // Weights large enough that the blocks matter.
        for (index, description) in model.architecture.parameters.enumerated() where description.kind == .matrix {
            weights[index] = try weights[index].scaled { _, k in outliers.contains(k) ? 0.5 : 6 }
        }
        return model.replacing(weights: weights)
    }

    static func calibration(tokens: Int = 512) throws -> Calibration {
        try Calibration(try corpus(), context: 16, tokens: tokens)
    }

    static func logits(_ model: Model, sequences: Int = 8) throws -> [Float] {
        let context = try Context(threads: 2)
        let inference = try model.makeInference(on: context)
        let ids = Array(try corpus().tokens.prefix(16 * sequences))
        let tokens = Tokens(ids: ids, batch: sequences, length: 16)
        let hidden = try model.architecture.hidden(tokens, on: inference)
        return try inference.logits(hidden, rows: 0..<hidden.rows, head: model.architecture.head).elements
    }

    static func squaredError(_ a: [Float], _ b: [Float]) -> Double {
        zip(a, b).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    }
}
