import Alambic
import Foundation

extension Subcommand {
    static let generate = Subcommand(
        name: "generate", summary: "continue a prompt", usage: "--model DIR --prompt TEXT [options]",
        options: [
            .value("model", "DIR", "the model"),
            .value("prompt", "TEXT", "what to continue"),
            .value("tokens", "N", "how many tokens to make (default 200)"),
            .value("temperature", "X", "0 always takes the likeliest token (default 0.8)"),
            .value("top-k", "N", "choose among the N likeliest tokens only; 0 is all (default 0)"),
            .value("top-p", "X", "choose among the likeliest tokens that hold this probability (default 1)"),
        ],
        run: { arguments in
            let context = try arguments.context()
            let prompt = try arguments.required("prompt", "the text to continue")
            let tokens = try arguments.int("tokens", in: 1...10_000_000) ?? 200
            let sampling = Sampling(
                temperature: try arguments.double("temperature", in: 0...1e3) ?? 0.8,
                topK: try arguments.int("top-k", in: 0...1 << 30) ?? 0,
                topP: try arguments.double("top-p", in: 1e-9...1) ?? 1, seed: try arguments.seed())
            let model = try arguments.model("model")
            guard let tokenizer = model.tokenizer else {
                throw CommandError.failed(
                    "the model has no tokenizer, so text means nothing to it; use the library with token numbers")
            }
            let start = try tokenizer.encode(prompt)
            let streams = !arguments.has("json")
            if streams { try Output.write(prompt) }
            let (made, seconds) = try timed {
                try model.generate(
                    after: start, tokens: tokens, sampling: sampling, on: context
                ) { token in
                    if streams { try Output.write(bytes: try tokenizer.decode([token])) }
                    return !Interruption.isRequested
                }
            }
            if streams { try Output.write("\n") }
            if Interruption.isRequested { throw CommandError.interrupted("interrupted after \(made.count) tokens") }
            let rate = Double(made.count) / max(seconds, 1e-9)
            if streams {
                Terminal.say("\(made.count) tokens, \(Progress.short(rate)) tokens/s")
            } else {
                let text = try tokenizer.text(made)
                try Output.show(
                    [("prompt", prompt), ("text", text), ("tokens", made.count), ("tokens_per_s", rate)], as: arguments)
            }
        })
}
