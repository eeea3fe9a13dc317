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
            .value(
                "clip", "NAME",
                "int8, int4: \(WeightClipping.allCases.map(\.rawValue).joined(separator: ", ")): whether the greatest weights "
                    + "that share a scale are cut off where that lessens their squared error (default none)"),
            .value("method", "NAME", "\(QuantizationMethods.names.joined(separator: ", ")) (default rtn)"),
            .value("data", "FILE", "gptq, smoothquant, awq: text, or tokens of alambic tokenize, that the model reads"),
            .value("data-tokens", "N", "how many of its tokens, evenly spread (default 65536)"),
            .value("context", "N", "tokens a sequence of it (default: the model's context)"),
            .value("strength", "A", "smoothquant: how much goes from activations to weights, 0 to 1 (default 0.5)"),
            .value("out", "DIR", "where the quantized model goes"),
        ],
        notes: """
            int8: weights per output channel, int4: per group of inputs; activations per token as they come; sums of products
            are exact integers. bf16 and f16: weights, token tables and activations rounded, sums in f32. rtn rounds every
            weight to nearest. The others let the model read a text: gptq (Frantar et al. 2022; int4) makes the errors of
            weights make up for each other; smoothquant (Xiao et al. 2023) moves outliers from activations to weights; awq (Lin
            et al. 2024) scales up the weights that meet large activations.
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
            if let calibration {
                let reading = try QuantizationSettings.reading(method, calibration, arguments, progress)
                quantized = try quantize(model, scheme, reading, except, context)
                progress.finish("\(calibration.tokens.count) tokens read")
            } else {
                quantized = try quantize(model, scheme, method.init(calibration: nil), except, context)
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
        let clipping = try arguments.choice("clip", default: WeightClipping.none)
        if let int4 = scheme as? Int4Scheme { return try self.int4(arguments, int4, clipping) }
        let found = type(of: scheme).name
        for name in ["group", "scales"] where arguments.string(name) != nil {
            throw CommandError.usage("--\(name) is for --scheme int4, not \(found)")
        }
        if scheme is Int8Scheme { return Int8Scheme.int8(clipping: clipping) }
        guard arguments.string("clip") == nil else {
            throw CommandError.usage("--clip is for --scheme int8 or int4, not \(found)")
        }
        return scheme
    }

    private static func int4(
        _ arguments: Arguments, _ int4: Int4Scheme, _ clipping: WeightClipping
    ) throws -> Int4Scheme {
        let group = try arguments.int("group", in: 1...1 << 20) ?? int4.group
        guard GroupedTensor.groups.contains(group) else {
            throw CommandError.usage("--group takes 32 or 128; found '\(group)'")
        }
        if arguments.string("scales") != nil, arguments.string("clip") != nil {
            throw CommandError.usage("--clip mse is --scales least-squares for int4: give one of the two")
        }
        let scales = try arguments.choice("scales", default: int4.scales)
        return Int4Scheme(group: group, scales: clipping == .mse ? .leastSquares : scales)
    }

    static func method(
        _ arguments: Arguments, for scheme: any QuantizationScheme
    ) throws -> any QuantizationMethod.Type {
        let method = try QuantizationMethods.type(
            named: try arguments.choice("method", from: QuantizationMethods.names, default: RoundToNearest.name))
        if arguments.string("strength") != nil, !(method is SmoothQuant.Type) {
            throw CommandError.usage("--strength is for --method smoothquant, not \(method.name)")
        }
        _ = try strength(arguments)
        guard method.needsCalibration else {
            for name in ["data", "data-tokens", "context"] where arguments.string(name) != nil {
                throw CommandError.usage("--\(name) is for methods that read a text, such as gptq, not \(method.name)")
            }
            return method
        }
        let found = type(of: scheme).name
        if let schemes = method.schemes, !schemes.contains(found) {
            throw CommandError.usage(
                "--method \(method.name) needs --scheme \(schemes.joined(separator: " or ")), not \(found)")
        }
        _ = try arguments.required("data", "the text that --method \(method.name) lets the model read")
        return method
    }

    /// A method that reads a text, with progress shown and interruptions heeded.
    static func reading(
        _ method: any QuantizationMethod.Type, _ calibration: Calibration, _ arguments: Arguments, _ progress: Progress
    ) throws -> any QuantizationMethod {
        // Called by this thread, between two blocks.
        nonisolated(unsafe) let progress = progress
        let update: @Sendable (Int, Int) -> Void = { done, _ in progress.update(done) }
        let cancellation = Interruption.cancellation
        switch method {
        case is GPTQ.Type:
            return GPTQ(
                on: calibration, cancellation: cancellation, notice: { Terminal.say("gptq: \($0)") }, progress: update)
        case is SmoothQuant.Type:
            return SmoothQuant(
                on: calibration, strength: try strength(arguments), cancellation: cancellation, progress: update)
        case is AWQ.Type: return AWQ(on: calibration, cancellation: cancellation, progress: update)
        default: return try method.init(calibration: calibration)
        }
    }

    private static func strength(_ arguments: Arguments) throws -> Double {
        try arguments.double("strength", in: 0...1) ?? 0.5
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
