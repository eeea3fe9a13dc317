import Alambic
import Foundation

extension Subcommand {
    static let finetune = Subcommand(
        name: "finetune", summary: "adapt a model to a text by low-rank updates (LoRA), over weights in few bits",
        usage: "--model DIR --data FILE --out DIR [options]",
        options: [
            .value("model", "DIR", "the model to start from, which stays as it is"),
            .value("data", "FILE", "text, or tokens of alambic tokenize; the last tenth is held out"),
            .value("out", "DIR", "where the merged model, checkpoints of the adapters and metrics.jsonl go"),
            .value("rank", "N", "rank of the updates (default 8)"),
            .value("alpha", "X", "the updates are multiplied by alpha / rank (default: twice the rank)"),
            .value("targets", "NAMES", "layers to adapt: parts of paths such as c_attn or h.0, joined by commas"),
            .value("adapter-dropout", "X", "dropout rate of what the adapters read (default 0)"),
            .value(
                "base-dtype", "TYPE",
                "\(forms.joined(separator: ", ")): how the model's own weights are kept meanwhile (default f32)"),
            .value("export", "TYPE", "f32 or bf16: what the merged model is written in (default f32)"),
            .flag("adapters-only", "write the adapters, as PEFT loads them, instead of the merged model"),
        ] + TrainingRun.options + TrainingOptions.options,
        notes: """
            Without --targets every linear layer but the head is adapted. Example: alambic finetune --model gpt2 --data \
            input.txt --base-dtype int8 --dtype bf16 --rate 2e-4 --batch 4 --out tuned
            """,
        run: { arguments in
            let context = try arguments.context()
            let adaptersOnly = arguments.has("adapters-only")
            if adaptersOnly && arguments.string("export") != nil {
                throw CommandError.usage("--export and --adapters-only exclude each other")
            }
            let floats: DType =
                try arguments.choice("export", from: ["f32", "bf16"], default: "f32") == "bf16" ? .bf16 : .f32
            let adapters = try arguments.adapters()
            let (trainer, run, corpus) = try start(arguments, adapters, context)
            let base = arguments.string("model")
            let results = try run.run(trainer, on: corpus) { directory in
                if adaptersOnly {
                    try trainer.saveAdapters(to: directory, base: base)
                } else {
                    try trainer.saveModel(to: directory, floats: floats)
                }
            }
            try Output.show(
                results.map { $0.0 == "model" && adaptersOnly ? ("adapters", $0.1) : $0 } + [
                    ("trained", trainer.trained.reduce(0) { $0 + $1.shape.count }),
                    ("base_dtype", adapters.base.rawValue),
                    ("base_bytes", trainer.parameters.reduce(0) { $0 + ($1.trains ? 0 : $1.bytes) }),
                ], as: arguments)
        })

    private static var forms: [String] { FrozenWeight.Form.allCases.map(\.rawValue) }

    /// Everything that a run needs. The model is handed over, so that its floats go as they are replaced.
    private static func start(
        _ arguments: Arguments, _ adapters: LoRA, _ context: Context
    ) throws -> (Trainer, TrainingRun, Corpus) {
        let model = try arguments.model("model")
        if let start = arguments.string("model"), let out = arguments.string("out"),
            Output.real(start) == Output.real(out)
        {
            throw CommandError.failed(
                "--out '\(out)' is the model to start from, which its adapters are of no use without: choose another --out"
            )
        }
        let corpus = try arguments.corpus(for: model)
        let options = try TrainingOptions(arguments, model: model)
        let run = try TrainingRun(arguments, options, title: "fine-tuning")
        let trainer = try options.trainer(consume model, objective: LanguageModel(), adapters: adapters, on: context)
        return (trainer, run, corpus)
    }
}

extension Arguments {
    /// What to train in place of the weights.
    fileprivate func adapters() throws -> LoRA {
        let rank = try int("rank", in: 1...1_000_000) ?? 8
        return LoRA(
            rank: rank, alpha: try double("alpha", in: 1e-6...1e6) ?? Double(2 * rank),
            dropout: try double("adapter-dropout", in: 0...0.99) ?? 0,
            targets: try targets(),
            base: try choice("base-dtype", default: .f32))
    }

    private func targets() throws -> [String] {
        guard let list = string("targets") else { return [] }
        let names = list.split(separator: ",").map(String.init)
        guard !names.isEmpty else {
            throw CommandError.usage("--targets takes names of layers, such as c_attn,mlp; leave it out to adapt all")
        }
        return names
    }
}
