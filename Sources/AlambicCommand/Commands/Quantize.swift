import Alambic
import Foundation

extension Subcommand {
    static let quantize = Subcommand(
        name: "quantize", summary: "turn a model's weights into 8-bit integers",
        usage: "--model DIR --scheme int8 --out DIR [--except NAME,…]",
        options: [
            .value("model", "DIR", "the model to quantize"),
            .value("scheme", "NAME", "\(QuantizationSchemes.names.joined(separator: ", ")) (default int8)"),
            .value(
                "except", "NAMES",
                "layers to leave in f32: head, or parts of paths such as h.0 or c_proj, joined by commas"),
            .value("out", "DIR", "where the quantized model goes"),
        ],
        notes: "int8: weights per output channel, activations per token as they come; products are exact integers.",
        run: { arguments in
            let context = try arguments.context()
            let scheme = try QuantizationSchemes.named(
                try arguments.choice("scheme", from: QuantizationSchemes.names, default: "int8"))
            let model = try arguments.model("model")
            let directory = try arguments.outputDirectory()
            let except = arguments.string("except")?.split(separator: ",").map(String.init) ?? []
            let quantized = try quantize(model, scheme, except, context)
            try quantized.save(to: directory)
            let before = Output.size(of: try arguments.required("model", ""))
            try Output.show(
                [("model", directory), ("bytes_before", before), ("bytes", Output.size(of: directory))], as: arguments)
        })

    private static func quantize(
        _ model: Model, _ scheme: some QuantizationScheme, _ except: [String], _ context: Context
    ) throws -> Model {
        try model.quantized(scheme, except: except, on: context)
    }
}
