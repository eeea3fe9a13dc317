import Alambic
import Foundation

extension Subcommand {
    static let benchModel = Subcommand(
        name: "bench-model", summary: "how fast a model reads and writes text, against what memory allows",
        usage: "--model DIR|PRESET|CONFIG.json [options]",
        options: [
            .value("model", "DIR", "a model; or, with random weights, \(presetNames.joined(separator: ", "))"),
            .value("dtype", "TYPE", "\(BenchDType.names): what matrices are stored in (default: as they are)"),
            .value("sparsity", "S", "cut every matrix first: 0.8, 2:4 or blocks:0.75[:INPUTS], by magnitude"),
            .value("forms", "FORMS", "measured, stored or dense: how sparse weights run (default measured)"),
            .value("tokens", "N", "tokens to make, one at a time (default 64)"),
            .value("prompt", "N", "tokens to read first, all at once (default 64)"),
        ],
        notes: """
            Tokens are random. A token needs every matrix once, and the keys and values of those before it: the limit is \
            the time that reading as many bytes takes, measured in the same run. int8-head is int8 with the head in int8 \
            too. Matrices that are cut run sparse where that is measured to be faster.
            """,
        run: { arguments in
            let context = try arguments.context()
            let name = try arguments.required("model", "a model directory, a preset or a config.json")
            let dtype = try arguments.choice("dtype", from: BenchDType.allCases.map(\.rawValue), default: "")
            let forms: FormPolicy? =
                switch try arguments.choice("forms", from: ["measured", "stored", "dense"], default: "measured") {
                case "stored": .stored
                case "dense": .dense
                default: nil
                }
            let tokens = try arguments.int("tokens", in: 1...1_000_000) ?? 64
            let prompt = try arguments.int("prompt", in: 1...1_000_000) ?? 64
            var model = try model(name, seed: try arguments.seed())
            let limit = model.architecture.context
            guard prompt + tokens <= limit else {
                throw CommandError.failed(
                    "--prompt \(prompt) and --tokens \(tokens) are more than the model's context of \(limit)")
            }
            if let text = arguments.string("sparsity") {
                let sparsity: Sparsity
                do {
                    sparsity = try Sparsity(text, blockInputs: dtype.hasPrefix("int8") ? 4 : 1)
                } catch {
                    throw CommandError.usage("--sparsity \(text): \(reason(error))")
                }
                let paths = model.prunablePaths().map { ($0, sparsity) }
                model = try model.pruned(to: Dictionary(paths) { first, _ in first }, on: context)
            }
            if let dtype = BenchDType(rawValue: dtype) { model = try dtype.convert(model, on: context) }
            let measurement = try ModelMeasurement(
                consume model, forms: forms, prompt: prompt, tokens: tokens, seed: try arguments.seed(), on: context)
            try Output.show(measurement.pairs, as: arguments)
            if !arguments.has("json") { try Output.write("\n" + measurement.table) }
        })

    private static func model(_ name: String, seed: UInt64) throws -> Model {
        var isDirectory: ObjCBool = false
        if FileManager.default.fileExists(atPath: name, isDirectory: &isDirectory), isDirectory.boolValue {
            return try Model(contentsOf: name)
        }
        return try Model(try configuration(named: name, vocabulary: 256), seed: seed)
    }
}

/// What the matrices of the measured model are stored in.
enum BenchDType: String, CaseIterable {
    case f32
    case int8
    case int8Head = "int8-head"

    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

    func convert(_ model: Model, on context: Context) throws -> Model {
        switch self {
        case .f32:
            return model.replacing(
                weights: try model.weights.map { weight in
                    let dense = PackedWeight.f32(try weight.dense())
                    return weight.isSparse ? try dense.sparse() : dense
                })
        case .int8:
            return try model.quantized(.int8(), on: context)
        case .int8Head:
            let quantized = try model.quantized(.int8(), on: context)
            var weights = quantized.weights
            let head = model.architecture.head.index
            weights[head] = try Int8Scheme().quantize(weights[head], on: context)
            return quantized.replacing(weights: weights)
        }
    }
}
