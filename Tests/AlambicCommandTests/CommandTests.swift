import Foundation
import Testing

@testable import AlambicCommand

/// The commands at work on a tiny model.
@Suite struct CommandTests {
    @Test func everyCommandExplainsItself() throws {
        let overview = try Run(["--help"])
        #expect(overview.code == 0 && overview.error.isEmpty)
        let names = [
            "demo", "tokenize", "train", "distill", "cache-teacher", "prune", "quantize", "evaluate", "generate",
            "bench-model",
        ]
        for name in names {
            #expect(overview.output.contains("  \(name) "), "\(overview)")
            let help = try Run([name, "--help"])
            #expect(help.code == 0 && help.output.contains("--json") && help.output.contains("--threads"), "\(help)")
            let long = help.output.split(separator: "\n").filter { $0.count > 80 && !$0.hasPrefix("usage") }
            #expect(long.isEmpty, "wider than 80 columns: \(long)")
        }
        #expect(try Run([]).code == 64)
    }

    @Test func theWholeWay() throws {
        let scratch = try Scratch()
        let teacher = try scratch.model("teacher", steps: 8)
        let student = scratch.path("student")
        let common = ["--data", scratch.text, "--batch", "4", "--json"]
        for words in [
            ["distill", "--teacher", teacher, "--layers", "1", "--steps", "4", "--out", student] + common,
            [
                "prune", "--model", student, "--sparsity", "0.8", "--rounds", "2", "--retrain-steps", "4", "--out",
                scratch.path("pruned"),
            ] + common,
            ["quantize", "--model", scratch.path("pruned"), "--out", scratch.path("int8"), "--json"],
            ["evaluate", "--model", scratch.path("int8")] + common,
            ["generate", "--model", scratch.path("int8"), "--prompt", "The ", "--tokens", "20", "--json"],
        ] {
            let run = try Run(words)
            #expect(run.code == 0, "\(run)")
            #expect(throws: Never.self, "\(run)") { try JSONSerialization.jsonObject(with: Data(run.output.utf8)) }
        }
        let sizes = try ["student", "pruned", "int8"].map { try scratch.bytes("\($0)/model.safetensors").count }
        #expect(sizes == sizes.sorted(by: >), "\(sizes)")
    }

    /// Every loss of `distill`, and a teacher that is only on disk.
    @Test func everyWayToDistil() throws {
        let scratch = try Scratch()
        let teacher = try scratch.model("teacher", steps: 4)
        let cache = scratch.path("teacher.safetensors")
        let common = ["--data", scratch.text, "--batch", "4", "--json"]
        let losses = ["kl", "reverse-kl", "jsd:0.5", "logits", "triple", "minilm"].map { loss in
            [
                "distill", "--teacher", teacher, "--layers", "1", "--steps", "2", "--loss", loss, "--out",
                scratch.path("student-\(loss)"),
            ] + common
        }
        let cached = [
            ["cache-teacher", "--teacher", teacher, "--top-k", "8", "--out", cache] + common,
            [
                "distill", "--teacher-cache", cache, "--init", scratch.path("student-kl"), "--steps", "2", "--out",
                scratch.path("cached"),
            ] + common,
        ]
        for words in losses + cached {
            let run = try Run(words)
            #expect(run.code == 0, "\(run)")
            #expect(throws: Never.self, "\(run)") { try JSONSerialization.jsonObject(with: Data(run.output.utf8)) }
        }
        // The same text in another file, cut off: named by its digest.
        let text = try scratch.bytes(URL(fileURLWithPath: scratch.text).lastPathComponent)
        try scratch.write(Array(text.dropLast(100)), to: "other.txt")
        let other = try Run([
            "distill", "--teacher-cache", cache, "--init", scratch.path("student-kl"), "--data",
            scratch.path("other.txt"), "--batch", "4", "--steps", "2", "--out", scratch.path("refused"),
        ])
        #expect(other.code == 1 && other.error.contains("digest"), "\(other)")
    }

    /// Every form that `quantize` makes is smaller than the last, and can be measured and run.
    @Test func everySchemeCanBeEvaluated() throws {
        let scratch = try Scratch()
        let sizes = """
            {"model_type": "gpt2", "n_layer": 2, "n_embd": 128, "n_head": 2, "n_positions": 16, "vocab_size": 256}
            """
        try scratch.write(Array(sizes.utf8), to: "wide.json")
        let model = scratch.path("model")
        let trained = try Run([
            "train", "--data", scratch.text, "--model", scratch.path("wide.json"), "--steps", "2", "--batch", "4",
            "--out",
            model,
        ])
        #expect(trained.code == 0, "\(trained)")
        var bytes: [Int] = []
        for words in [
            ["bf16"], ["f16"], ["int8"], ["int4"], ["int4", "--group", "128", "--scales", "least-squares"],
            ["int4", "--group", "128", "--method", "gptq", "--data", scratch.text, "--data-tokens", "256"],
            ["int4", "--method", "awq", "--data", scratch.text, "--data-tokens", "256"],
            ["int8", "--method", "smoothquant", "--strength", "0.7", "--data", scratch.text, "--data-tokens", "256"],
            ["int8", "--clip", "mse"], ["int4", "--clip", "mse"],
        ] {
            let out = scratch.path("out")
            let made = try Run(["quantize", "--model", model, "--out", out, "--json", "--scheme"] + words)
            #expect(made.code == 0, "\(made)")
            let measured = try Run(["evaluate", "--model", out, "--data", scratch.text, "--json"])
            #expect(measured.code == 0, "\(measured)")
            let object = try JSONSerialization.jsonObject(with: Data(measured.output.utf8)) as? [String: Any]
            bytes.append(try #require(object?["bytes"] as? Int))
            let text = try Run(["generate", "--model", out, "--prompt", "The ", "--tokens", "4", "--json"])
            #expect(text.code == 0, "\(text)")
        }
        #expect(bytes[0] > bytes[2] && bytes[2] > bytes[3] && bytes[3] > bytes[4], "\(bytes)")
        // The names of the formats differ in length, and the file's header with them.
        #expect(abs(bytes[0] - bytes[1]) < 200 && bytes[4] == bytes[5], "\(bytes)")
        #expect(
            bytes[6] == bytes[3] && bytes[7] == bytes[2] && bytes[8] == bytes[2] && bytes[9] == bytes[3], "\(bytes)")
    }

    @Test func modelsAreMeasured() throws {
        let scratch = try Scratch()
        let model = try scratch.model()
        func measure(_ words: [String]) throws -> [String: Any] {
            let run = try Run(["bench-model", "--json", "--prompt", "8", "--tokens", "20"] + words)
            #expect(run.code == 0, "\(run)")
            return try #require(
                try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any], "\(run)")
        }
        let f32 = try measure(["--model", model])
        let int8 = try measure(["--model", scratch.path("tiny.json"), "--dtype", "int8", "--threads", "2"])
        for (result, form) in [(f32, "f32"), (int8, "int8")] {
            #expect(result["form"] as? String == form)
            #expect(result["regions_per_token"] as? Int == 1)
            // Embedding, seven operations a layer, norm, head.
            #expect(result["operations_per_token"] as? Int == 1 + 2 * 7 + 2)
            for name in ["prefill_tokens_per_s", "decode_tokens_per_s", "read_bytes_per_s", "read_fraction"] {
                #expect((result[name] as? Double).map { $0 > 0 } == true, "\(name) of \(result)")
            }
        }
        let bytes = [f32, int8].compactMap { $0["bytes_per_token"] as? Int }
        #expect(bytes.count == 2 && bytes[0] > bytes[1])
        let long = try Run(["bench-model", "--model", model, "--tokens", "30", "--prompt", "3"])
        #expect(long.code == 1 && long.complaint?.contains("context of 32") == true, "\(long)")
        let text = try Run(["bench-model", "--model", model, "--tokens", "3", "--prompt", "3"])
        #expect(text.code == 0 && text.output.contains("attention "), "\(text)")
        #expect(!text.output.split(separator: "\n").contains { $0.count > 80 }, "\(text)")
    }

    @Test func equalSeedsGiveEqualTexts() throws {
        let scratch = try Scratch()
        let model = try scratch.model()
        func text(_ seed: String, threads: String) throws -> String {
            try Run([
                "generate", "--model", model, "--prompt", "A", "--tokens", "60", "--seed", seed, "--threads", threads,
            ]).output
        }
        let first = try text("5", threads: "1")
        #expect(try text("5", threads: "2") == first)
        #expect(try text("6", threads: "1") != first)
    }

    @Test func interruptionLeavesACheckpointToResumeFrom() throws {
        let scratch = try Scratch()
        let words = [
            "train", "--data", scratch.text, "--model", scratch.path("tiny.json"), "--steps", "1000000", "--batch", "8",
            "--out", scratch.path("out"),
        ]
        let run = try Run(words, signal: SIGINT, after: 2)
        #expect(run.code == 130, "\(run)")
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path("out"))
        // Regular checkpoints may stand beside the one that the interruption left.
        let checkpoints = names.filter { $0.hasPrefix("checkpoint-") }
        #expect(checkpoints.contains { run.complaint?.contains("/\($0)'") == true }, "\(run) \(checkpoints)")
        let resumed = try Run(words + ["--resume"], signal: SIGINT, after: 2)
        #expect(resumed.code == 130 && resumed.error.contains("resuming after step"), "\(resumed)")
    }

    @Test func demoWritesItsReport() throws {
        let scratch = try Scratch()
        let run = try Run([
            "demo", "--data", scratch.text, "--steps", "2", "--retrain-steps", "8", "--out", scratch.path("demo"),
        ])
        #expect(run.code == 0, "\(run)")
        let wide = run.output.split(separator: "\n").filter { $0.count > 80 && !$0.contains(scratch.url.path) }
        #expect(wide.isEmpty, "\(wide)")
        let report = try JSONDecoder().decode(DemoReport.self, from: try scratch.bytes("demo/report.json"))
        #expect(
            report.stages.map(\.name) == [
                "teacher", "student-scratch", "student-distilled", "student-distilled-longer", "student-pruned",
                "student-int8",
            ])
        for stage in report.stages {
            #expect(stage.bitsPerByte.isFinite && stage.bytes > 0 && stage.decodeTokensPerSecond > 0, "\(stage)")
        }
        let page = String(decoding: try scratch.bytes("demo/report.html"), as: UTF8.self)
        #expect(page.contains("<svg") && !page.contains("src=") && !page.contains("http"), "not self-contained")
    }

    @Test func optionsAreParsedStrictly() throws {
        let command = Subcommand(
            name: "x", summary: "", usage: "", options: [.value("rate", "X", ""), .flag("fast", "")], run: { _ in })
        let parsed = try Arguments(["--rate=0.5", "--fast", "--seed", "18446744073709551615"], of: command)
        #expect(try parsed.double("rate", in: 0...1) == 0.5)
        #expect(parsed.has("fast"))
        #expect(try parsed.seed() == .max)
        #expect(throws: CommandError.self) { try Arguments(["--fast=1"], of: command) }
        #expect(throws: CommandError.self) { try Arguments(["--rate", "--fast"], of: command) }
        #expect(nearest("trian", in: ["train", "prune"]) == "train")
        #expect(nearest("xxxxx", in: ["train", "prune"]) == nil)
    }
}
