import Alambic
import Foundation

extension Subcommand {
    static let cacheTeacher = Subcommand(
        name: "cache-teacher", summary: "write down what a teacher predicts for a text, for distill --teacher-cache",
        usage: "--teacher DIR --data FILE --out FILE [options]",
        options: [
            .value("teacher", "DIR", "the model that teaches"),
            .value(
                "data", "FILE", "text, or tokens of alambic tokenize; as distill does, all but the last tenth is used"),
            .value("out", "FILE", "the file to write, such as teacher.safetensors"),
            .value("top-k", "N", "probabilities to keep of each token (default 64)"),
            .value("temperature", "X", "softens the teacher's distributions, and the student's later (default 1)"),
            .value("context", "N", "tokens per sequence, as in training (default: all that the teacher can see)"),
            .value("batch", "N", "sequences at a time; does not change the result (default 16)"),
        ],
        notes: """
            The file takes 6 bytes for each probability kept and 4 for each token. Training with it must use the same
            text, tokenizer and --context. Example: alambic cache-teacher --teacher teacher --data input.txt --out
            teacher.safetensors, then alambic distill --teacher-cache teacher.safetensors --data input.txt --student
            gpt-nano --out student
            """,
        run: { arguments in
            let context = try arguments.context()
            let out = try arguments.required("out", "the file to write")
            let k = try arguments.int("top-k", in: 1...1 << 20) ?? 64
            let temperature = try arguments.double("temperature", in: 1e-3...1e3) ?? 1
            let rows = try arguments.int("batch", in: 1...1_000_000) ?? 16
            let teacher = try arguments.model("teacher")
            let length = try arguments.int("context", in: 1...1 << 30)
            try Output.prepareFile(out)
            let corpus = try arguments.corpus(for: teacher).split(0.9).train
            let progress = Progress("reading", total: 1000)
            let (_, seconds) = try timed {
                try TeacherCache.write(
                    teacher: teacher, corpus: corpus, context: length, topK: k, temperature: temperature, rows: rows,
                    to: out, on: context, cancellation: Interruption.cancellation
                ) { share in progress.update(Int(share * 1000)) }
            }
            let made = try TeacherCache(contentsOf: out).description
            let tokens = made.stretches * made.context
            progress.finish("\(tokens) tokens")
            let size = (try? FileManager.default.attributesOfItem(atPath: out)[.size] as? Int) ?? 0
            try Output.show(
                [
                    ("file", out), ("tokens", tokens), ("top_k", made.topK), ("context", made.context),
                    ("temperature", made.temperature), ("bytes", size ?? 0),
                    ("tokens_per_s", Double(tokens) / max(seconds, 1e-9)),
                ], as: arguments)
        })
}
