import Foundation
import Testing

/// Adapters from the command line.
@Suite struct FinetuneTests {
    /// A model wide enough for groups of 32.
    private func model(_ scratch: Scratch, _ name: String = "model", steps: Int = 2) throws -> String {
        let wide = """
            {"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 2, "n_positions": 32, "vocab_size": 256}
            """
        try scratch.write(Array(wide.utf8), to: "tiny.json")
        return try scratch.model(name, steps: steps)
    }

    private func words(_ scratch: Scratch, _ model: String, _ more: [String], out: String = "out") -> [String] {
        [
            "finetune", "--model", model, "--data", scratch.text, "--rank", "4", "--batch", "4", "--steps", "4",
            "--out",
            scratch.path(out), "--json",
        ] + more
    }

    private func object(_ run: Run) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any], "\(run)")
    }

    @Test func aResumedRunOverFourBitsEqualsTheWholeOne() throws {
        let scratch = try Scratch()
        let words = words(
            scratch, try model(scratch),
            ["--base-dtype", "int4", "--dtype", "bf16", "--adapter-dropout", "0.1", "--checkpoint-every", "2"])
        let whole = try Run(words + ["--threads", "2"])
        #expect(whole.code == 0, "\(whole)")
        let results = try object(whole)
        // Rank 4 times inputs and outputs of four matrices in each of two blocks.
        #expect(results["trained"] as? Int == 2 * 4 * (4 * 32 + 2 * 32 + 5 * 32 + 5 * 32), "\(whole)")
        #expect(results["base_dtype"] as? String == "int4")
        let expected = try scratch.bytes("out/model.safetensors")
        let adapters = try scratch.bytes("out/checkpoint-4/adapter_model.safetensors")
        for name in ["model.safetensors", "checkpoint-4"] {
            try FileManager.default.removeItem(atPath: scratch.path("out/\(name)"))
        }
        let resumed = try Run(words + ["--resume", "--threads", "1"])
        #expect(resumed.code == 0 && resumed.error.contains("resuming after step 2"), "\(resumed)")
        #expect(try scratch.bytes("out/model.safetensors") == expected)
        #expect(try scratch.bytes("out/checkpoint-4/adapter_model.safetensors") == adapters)
    }

    /// What is left is a model like any other, as good as the adapters were when they were measured.
    @Test(arguments: ["f32", "bf16", "int8", "int4"])
    func theMergedModelIsReadByTheOtherCommands(base: String) throws {
        let scratch = try Scratch()
        let start = try model(scratch)
        let before = try FileManager.default.contentsOfDirectory(atPath: start).map { try scratch.bytes("model/\($0)") }
        let tuned = try Run(words(scratch, start, ["--base-dtype", base, "--rate", "1e-2"]))
        #expect(tuned.code == 0, "\(tuned)")
        let held = try #require(try object(tuned)["held_loss"] as? Double)
        // The part that was held out.
        let text = try scratch.bytes("text.txt")
        try scratch.write(Array(text.suffix(text.count - text.count * 9 / 10)), to: "held.txt")
        let measured = try Run([
            "evaluate", "--model", scratch.path("out"), "--data", scratch.path("held.txt"), "--context", "32", "--json",
        ])
        #expect(measured.code == 0, "\(measured)")
        let loss = try #require(try object(measured)["loss"] as? Double)
        #expect(abs(loss - held) < 1e-5 * held, "\(loss) and \(held)")
        let small = try Run([
            "quantize", "--model", scratch.path("out"), "--scheme", "int8", "--out", scratch.path("small"),
        ])
        #expect(small.code == 0, "\(small)")
        let again = try FileManager.default.contentsOfDirectory(atPath: start).map { try scratch.bytes("model/\($0)") }
        #expect(again == before, "the model to start from stays as it is")
    }

    @Test func adaptersAloneAreNoModel() throws {
        let scratch = try Scratch()
        let run = try Run(words(scratch, try model(scratch), ["--adapters-only", "--targets", "c_attn"]))
        #expect(run.code == 0, "\(run)")
        #expect(try object(run)["adapters"] as? String == scratch.path("out"))
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path("out")).sorted()
        #expect(
            names == ["adapter_config.json", "adapter_model.safetensors", "metrics.jsonl", "report.html"], "\(names)")
        let measured = try Run(["evaluate", "--model", scratch.path("out"), "--data", scratch.text])
        #expect(measured.code == 1 && measured.complaint?.contains("these are adapters") == true, "\(measured)")
    }

    @Test func badWordsAreRefusedInOneLine() throws {
        let scratch = try Scratch()
        let start = try model(scratch)
        for (more, code, part) in [
            (["--alpha", "0"], 64, "--alpha"), (["--adapter-dropout", "1"], 64, "--adapter-dropout"),
            (["--targets", ","], 64, "--targets"), (["--targets", "q_proj"], 1, "c_attn, c_fc, c_proj"),
            (["--export", "f16"], 64, "f32, bf16"), (["--export", "bf16", "--adapters-only"], 64, "--adapters-only"),
            (["--resume"], 1, "leave --resume out"), (["--memory", "0.000001"], 1, "MB"),
        ] as [([String], Int32, String)] {
            let run = try Run(words(scratch, start, more))
            #expect(run.code == code && run.complaint?.contains(part) == true && run.output.isEmpty, "\(run)")
        }
        for (rank, code, part) in [("0", 64, "--rank"), ("33", 1, "use at most 32")] as [(String, Int32, String)] {
            let run = try Run([
                "finetune", "--model", start, "--data", scratch.text, "--rank", rank, "--out", scratch.path("out"),
            ])
            #expect(run.code == code && run.complaint?.contains(part) == true, "\(run)")
        }
        let nowhere = try Run(words(scratch, scratch.path("nowhere"), []))
        #expect(nowhere.code == 1 && nowhere.complaint?.contains("no such model directory") == true, "\(nowhere)")
        #expect(!FileManager.default.fileExists(atPath: scratch.path("out")))
        let itself = try Run(words(scratch, start, [], out: "model"))
        #expect(itself.code == 1 && itself.complaint?.contains("choose another --out") == true, "\(itself)")
        // Tokens that the model was not made for.
        let tokens = try Run([
            "tokenize", "--data", scratch.text, "--tokenizer", "characters", "--out", scratch.path("text.tokens"),
        ])
        #expect(tokens.code == 0, "\(tokens)")
        let other = try Run([
            "finetune", "--model", start, "--data", scratch.path("text.tokens"), "--out", scratch.path("out"),
        ])
        #expect(other.code == 1 && other.complaint?.contains("tokenize the text again") == true, "\(other)")
    }

    @Test func checkpointsOfAnotherModelOrSettingAreRefused() throws {
        let scratch = try Scratch()
        let start = try model(scratch)
        let first = words(scratch, start, ["--checkpoint-every", "2"])
        #expect(try Run(first).code == 0)
        let file = "out/checkpoint-4/adapter_model.safetensors"
        let before = try scratch.bytes(file)
        let other = try Run(words(scratch, try model(scratch, "other", steps: 3), ["--resume"]))
        #expect(other.code == 1 && other.complaint?.contains("started from another model") == true, "\(other)")
        let form = try Run(words(scratch, start, ["--resume", "--base-dtype", "int8"]))
        #expect(form.code == 1 && form.complaint?.contains("(--base-dtype f32 goes on with it)") == true, "\(form)")
        let whole = try Run([
            "train", "--init", start, "--data", scratch.text, "--batch", "4", "--steps", "4", "--resume", "--out",
            scratch.path("out"),
        ])
        #expect(whole.code == 1 && whole.complaint?.contains("lora.rank was 4 and is not set") == true, "\(whole)")
        #expect(try scratch.bytes(file) == before)
        // A file that is not whole.
        try scratch.write(Array(before.prefix(before.count - 100)), to: file)
        let broken = try Run(first + ["--resume"])
        #expect(broken.code == 1 && broken.complaint?.contains("adapter_model.safetensors") == true, "\(broken)")
    }

    /// The plan of a run over 4-bit weights against that of all weights.
    @Test func fourBitsNeedLessMemory() throws {
        let scratch = try Scratch()
        let json = """
            {"model_type": "gpt2", "n_layer": 4, "n_embd": 128, "n_head": 2, "n_positions": 16, "vocab_size": 256}
            """
        try scratch.write(Array(json.utf8), to: "tiny.json")
        let start = try scratch.model()
        let common = ["--data", scratch.text, "--batch", "4", "--steps", "1", "--dtype", "bf16", "--json"]
        let all = try Run(["train", "--init", start, "--out", scratch.path("all")] + common)
        let few = try Run(
            ["finetune", "--model", start, "--base-dtype", "int4", "--out", scratch.path("few")] + common)
        for run in [all, few] {
            #expect(run.code == 0 && run.error.hasPrefix("memory: "), "\(run)")
        }
        let (wide, narrow) = (try object(all), try object(few))
        // 20 bytes a weight with panels for both directions against 0.56, with what tables, adapters and values take.
        let (most, least) = (try #require(wide["planned_bytes"] as? Int), try #require(narrow["planned_bytes"] as? Int))
        #expect(least * 3 < most, "\(least) and \(most)")
        #expect(narrow["base_bytes"] as? Int ?? .max < 4 * 850_000 / 4)
    }
}
