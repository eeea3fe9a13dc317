import Alambic
import Foundation

extension Subcommand {
    static let evaluate = Subcommand(
        name: "evaluate", summary: "measure a model on a text: loss, perplexity, bits per byte, speed",
        usage: "--model DIR --data FILE [options]",
        options: [
            .value("model", "DIR", "the model to measure"),
            .value("data", "FILE", "text, or tokens of alambic tokenize; all of it is predicted"),
            .value("context", "N", "tokens that each stretch starts afresh after (default: the model's context)"),
            .value("batch", "N", "stretches at a time; does not change the result (default 16)"),
        ],
        run: { arguments in
            let context = try arguments.context()
            let model = try arguments.model("model")
            let corpus = try arguments.corpus(for: model)
            let limit = model.architecture.context
            let length = try arguments.int("context", in: 1...1 << 30) ?? limit
            guard length <= limit else {
                throw CommandError.failed(
                    "--context \(length) is longer than the model's context of \(limit); use at most \(limit)")
            }
            let rows = try arguments.int("batch", in: 1...1_000_000) ?? 16
            let progress = Progress("evaluating", total: 1000)
            let quality = try model.evaluate(
                on: corpus, context: length, rows: rows, on: context, cancellation: Interruption.cancellation
            ) { share in progress.update(Int(share * 1000)) }
            let directory = try arguments.required("model", "")
            progress.finish("\(quality.tokens) tokens")
            try Output.show(
                [
                    ("loss", quality.loss), ("perplexity", quality.perplexity), ("bits_per_byte", quality.bitsPerByte),
                    ("tokens", quality.tokens), ("tokens_per_s", quality.tokensPerSecond),
                    ("parameters", model.parameterCount), ("nonzero", model.nonzeroCount),
                    ("bytes", Output.size(of: directory)),
                ], as: arguments)
        })
}
