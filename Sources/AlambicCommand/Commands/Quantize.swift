import Alambic
import Foundation

extension Subcommand {
    static let quantize = Subcommand(
        name: "quantize", summary: "turn a model's weights into 8-bit or 4-bit integers, or 16-bit floats",
        usage: "--model DIR --scheme NAME --out DIR [options]",
        options: [
            .value("model", "DIR", "the model to quantize"),
            .value("scheme", "NAME", "\(QuantizationSchemes.names.joined(separator: ", ")) (default int8)"),
            .value(
                "except", "NAMES",
                "layers to leave alone: head, or parts of paths such as h.0 or c_proj, joined by commas"),
            .value("group", "N", "int4: inputs that share a scale, 32 or 128 (default 32)"),
            .value(
                "scales", "NAME",
                "int4: \(GroupScales.allCases.map(\.rawValue).joined(separator: ", ")): how a group's scale is found "
                    + "(default \(GroupScales.greatest.rawValue))"),
            .value("method", "NAME", "\(QuantizationMethods.names.joined(separator: ", ")) (default rtn)"),
            .value("data", "FILE", "gptq: text, or tokens of alambic tokenize, that the model reads"),
            .value("data-tokens", "N", "gptq: how many of its tokens, evenly spread (default 65536)"),
            .value("context", "N", "gptq: tokens a sequence (default: the model's context)"),
            .value("out", "DIR", "where the quantized model goes"),
        ],
        notes: """
            int8: weights per output channel, int4: per group of inputs; activations per token as they come; sums of products
            are exact integers. bf16 and f16: weights, token tables and activations rounded, sums in f32. rtn rounds every
            weight to nearest; gptq (Frantar et al. 2022) makes the errors of int4 weights make up for each other on what the
            model reads.
            """,
        run: { arguments in
            let context = try arguments.context()
            let scheme = try QuantizationSettings.scheme(arguments)
            let method = try QuantizationSettings.method(arguments, for: scheme)
            let model = try arguments.model("model")
            let calibration = method.needsCalibration ? try QuantizationSettings.calibration(arguments, model) : nil
            let directory = try arguments.outputDirectory()
            let except = arguments.string("except")?.split(separator: ",").map(String.init) ?? []
            let progress = Progress("quantizing", total: model.architecture.layers)
            let quantized: Model
            if let calibration, method is GPTQ.Type {
                // Called by this thread, between two blocks.
                nonisolated(unsafe) let progress = progress
                let gptq = GPTQ(on: calibration, cancellation: Interruption.cancellation) { done, _ in
                    progress.update(done)
                }
                quantized = try quantize(model, scheme, gptq, except, context)
                progress.finish("\(calibration.tokens.count) tokens read")
            } else {
                quantized = try quantize(model, scheme, method.init(calibration: calibration), except, context)
            }
            try quantized.save(to: directory)
            let before = Output.size(of: try arguments.required("model", ""))
            try Output.show(
                [("model", directory), ("bytes_before", before), ("bytes", Output.size(of: directory))], as: arguments)
        })

    private static func quantize(
        _ model: Model, _ scheme: some QuantizationScheme, _ method: some QuantizationMethod, _ except: [String],
        _ context: Context
    ) throws -> Model {
        try model.quantized(scheme, method: method, except: except, on: context)
    }
}

/// What the words of `quantize` ask for.
private enum QuantizationSettings {
    static func scheme(_ arguments: Arguments) throws -> any QuantizationScheme {
        let scheme = try QuantizationSchemes.named(
            try arguments.choice("scheme", from: QuantizationSchemes.names, default: "int8"))
        guard let int4 = scheme as? Int4Scheme else {
            for name in ["group", "scales"] where arguments.string(name) != nil {
                throw CommandError.usage("--\(name) is for --scheme int4, not \(type(of: scheme).name)")
            }
            return scheme
        }
        let group = try arguments.int("group", in: 1...1 << 20) ?? int4.group
        guard GroupedTensor.groups.contains(group) else {
            throw CommandError.usage("--group takes 32 or 128; found '\(group)'")
        }
        return Int4Scheme(group: group, scales: try arguments.choice("scales", default: int4.scales))
    }

    static func method(
        _ arguments: Arguments, for scheme: any QuantizationScheme
    ) throws -> any QuantizationMethod.Type {
        let method = try QuantizationMethods.type(
            named: try arguments.choice("method", from: QuantizationMethods.names, default: RoundToNearest.name))
        guard method.needsCalibration else {
            for name in ["data", "data-tokens", "context"] where arguments.string(name) != nil {
                throw CommandError.usage("--\(name) is for methods that read a text, such as gptq, not \(method.name)")
            }
            return method
        }
        guard scheme is Int4Scheme else {
            throw CommandError.usage("--method \(method.name) needs --scheme int4, not \(type(of: scheme).name)")
        }
        _ = try arguments.required("data", "the text that --method \(method.name) lets the model read")
        return method
    }

    static func calibration(_ arguments: Arguments, _ model: Model) throws -> Calibration {
        let limit = model.architecture.context
        let context = try arguments.int("context", in: 1...1 << 30) ?? limit
        guard context <= limit else {
            throw CommandError.failed(
                "--context \(context) is longer than the model's context of \(limit); use at most \(limit)")
        }
        let tokens = try arguments.int("data-tokens", in: 1...1 << 30) ?? 65536
        return try Calibration(try arguments.corpus(for: model), context: context, tokens: tokens)
    }
}
