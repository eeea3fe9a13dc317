import Foundation
import Testing

/// Everything that can be wrong with a call gets one line that names the thing, and the right exit code.
@Suite struct BadInputTests {
    @Test(arguments: [
        (["frobnicate"], "frobnicate"), (["trian"], "train"), (["train", "--frob", "1"], "--frob"),
        (["train", "extra"], "extra"), (["train", "--steps"], "--steps"),
        (["train", "--data", "TEXT", "--steps", "-3", "--out", "OUT"], "--steps"),
        (["train", "--steps", "1", "--steps", "2"], "--steps"), (["train"], "--data"),
        (["train", "--threads", "0", "--data", "x"], "--threads"),
        (["train", "--seed", "x", "--data", "TEXT"], "--seed"),
        (["train", "--data", "TEXT", "--model", "gpt-huge", "--out", "OUT"], "gpt-huge"),
        (["train", "--data", "TEXT", "--optimizer", "magic", "--out", "OUT"], "magic"),
        (["train", "--data", "TEXT", "--dtype", "f8", "--out", "OUT"], "bf16"),
        (["train", "--data", "TEXT", "--recompute", "some", "--out", "OUT"], "blocks"),
        (["train", "--data", "TEXT", "--evaluate-every", "0", "--out", "OUT"], "--evaluate-every"),
        (["train", "--data", "TEXT", "--memory", "0", "--out", "OUT"], "--memory"),
        (["train", "--data", "TEXT", "--batch", "3", "--micro-batches", "2", "--out", "OUT"], "--micro-batches"),
        (["prune", "--model", "x", "--data", "TEXT", "--sparsity", "1.5", "--out", "OUT"], "1.5"),
        (["prune", "--model", "x", "--data", "TEXT", "--sparsity", "-0.1", "--out", "OUT"], "-0.1"),
        (["prune", "--model", "x", "--data", "TEXT", "--sparsity", "nan", "--out", "OUT"], "nan"),
        (["prune", "--model", "x", "--data", "TEXT", "--sparsity", "5:4", "--out", "OUT"], "5:4"),
        (["prune", "--model", "x", "--data", "TEXT", "--sparsity", "2:", "--out", "OUT"], "'2:'"),
        (["prune", "--model", "x", "--data", "TEXT", "--sparsity", "blocks:0.5:3", "--out", "OUT"], "3 inputs"),
        (["prune", "--model", "x", "--data", "TEXT", "--sparsity", "blocks:2", "--out", "OUT"], "0...1"),
        (["prune", "--model", "x", "--data", "TEXT", "--out", "OUT"], "--target-bytes"),
        (["prune", "--model", "x", "--target-bytes", "12XB", "--data", "TEXT", "--out", "OUT"], "12XB"),
        (["prune", "--model", "x", "--target-bytes", "-1", "--data", "TEXT", "--out", "OUT"], "-1"),
        (["prune", "--model", "x", "--target-tokens-per-s", "0", "--data", "TEXT", "--out", "OUT"], "-tokens-per-s"),
        (["prune", "--model", "x", "--sparsity", "0.5", "--target-bytes", "1MB", "--out", "OUT"], "exclude"),
        (["prune", "--model", "x", "--sparsity", "2:4", "--distribution", "global", "--out", "OUT"], "global"),
        (
            ["prune", "--model", "x", "--target-bytes", "1MB", "--distribution", "layer", "--out", "OUT"],
            "--distribution"
        ),
        (["prune", "--model", "x", "--sparsity", "0.5", "--scheme", "int3", "--out", "OUT"], "int3"),
        (["prune", "--model", "x", "--method", "magic", "--sparsity", "0.5", "--out", "OUT"], "magic"),
        (["quantize", "--model", "x", "--scheme", "int3", "--out", "OUT"], "int3"),
        (["quantize", "--model", "x", "--scheme", "int4", "--group", "64", "--out", "OUT"], "32 or 128; found '64'"),
        (["quantize", "--model", "x", "--group", "32", "--out", "OUT"], "--group is for --scheme int4, not int8"),
        (["quantize", "--model", "x", "--scheme", "bf16", "--scales", "greatest", "--out", "OUT"], "--scales is for"),
        (["quantize", "--model", "x", "--scheme", "int4", "--scales", "magic", "--out", "OUT"], "magic"),
        (["quantize", "--model", "x", "--scheme", "int4", "--method", "magic", "--out", "OUT"], "magic"),
        (["quantize", "--model", "x", "--scheme", "int4", "--method", "gptq", "--out", "OUT"], "--data is needed"),
        (["quantize", "--model", "x", "--method", "gptq", "--data", "TEXT", "--out", "OUT"], "needs --scheme int4"),
        (["quantize", "--model", "x", "--scheme", "int4", "--data", "TEXT", "--out", "OUT"], "--data is for methods"),
        (
            ["quantize", "--model", "x", "--scheme", "f16", "--clip", "mse", "--out", "OUT"],
            "--clip is for --scheme int8"
        ),
        (["quantize", "--model", "x", "--clip", "magic", "--out", "OUT"], "magic"),
        (["quantize", "--model", "x", "--method", "awq", "--out", "OUT"], "--data is needed"),
        (
            ["quantize", "--model", "x", "--scheme", "bf16", "--method", "awq", "--data", "TEXT", "--out", "OUT"],
            "--method awq needs --scheme int8 or int4, not bf16"
        ),
        (
            ["quantize", "--model", "x", "--method", "awq", "--strength", "1", "--data", "TEXT", "--out", "OUT"],
            "--strength is for --method smoothquant"
        ),
        (
            [
                "quantize", "--model", "x", "--method", "smoothquant", "--strength", "2", "--data", "TEXT", "--out",
                "OUT",
            ],
            "--strength takes a number from 0.0 to 1.0; found '2'"
        ),
        (
            ["prune", "--model", "x", "--method", "wanda", "--sparsity", "0.5", "--damping", "1", "--out", "OUT"],
            "--damping is for --method sparsegpt; found --method wanda"
        ),
        (["prune", "--model", "x", "--method", "wanda", "--sparsity", "blocks:0.5", "--out", "OUT"], "no blocks"),
        (["prune", "--model", "x", "--method", "heads", "--sparsity", "2:4", "--out", "OUT"], "a share such as 0.5"),
        (["prune", "--model", "x", "--method", "layers", "--target-bytes", "1MB", "--out", "OUT"], "magnitude"),
        (
            ["prune", "--model", "x", "--method", "gradual", "--sparsity", "0.5", "--rounds", "2", "--out", "OUT"],
            "--rounds"
        ),
        (
            [
                "prune", "--model", "x", "--method", "gradual", "--sparsity", "0.5", "--retrain-steps", "20",
                "--mask-interval", "16", "--out", "OUT",
            ],
            "--mask-interval 16 is longer than three quarters of --retrain-steps 20"
        ),
        (
            [
                "prune", "--model", "x", "--method", "movement", "--sparsity", "0.5", "--mask-interval", "401", "--out",
                "OUT",
            ],
            "use at most 300"
        ),
        (
            ["prune", "--model", "x", "--method", "wanda", "--sparsity", "0.5", "--teacher", "y", "--out", "OUT"],
            "--teacher is for retraining, and there is none: add --retrain-steps"
        ),
        (
            ["prune", "--model", "x", "--method", "sparsegpt", "--sparsity", "0.5", "--rate", "1e-3", "--out", "OUT"],
            "--rate is for retraining"
        ),
        (
            ["prune", "--model", "x", "--sparsity", "0.5", "--retrain-steps", "0", "--dropout", "0.1", "--out", "OUT"],
            "--dropout is for retraining"
        ),
        (
            [
                "prune", "--model", "x", "--method", "movement", "--sparsity", "0.5", "--products", "sparse", "--out",
                "OUT",
            ],
            "found --method movement"
        ),
        (["distill", "--teacher", "x", "--data", "TEXT", "--mixing", "2", "--out", "OUT"], "--mixing"),
        (["distill", "--teacher", "x", "--data", "TEXT", "--loss", "magic", "--out", "OUT"], "unknown loss 'magic'"),
        (["distill", "--teacher", "x", "--data", "TEXT", "--loss", "jsd:1", "--out", "OUT"], "found 'jsd:1'"),
        (
            ["distill", "--teacher", "x", "--data", "TEXT", "--loss", "minilm", "--mixing", "1", "--out", "OUT"],
            "--mixing does not belong to --loss minilm"
        ),
        (["distill", "--teacher-cache", "x", "--teacher", "y", "--out", "OUT"], "exclude each other"),
        (["distill", "--teacher-cache", "x", "--loss", "triple", "--out", "OUT"], "the loss kl alone"),
        (["distill", "--teacher", "x", "--init", "y", "--out", "OUT"], "--init goes with --teacher-cache"),
        (["cache-teacher", "--teacher", "x", "--data", "TEXT", "--top-k", "0", "--out", "OUT"], "--top-k"),
        (["finetune", "--model", "x", "--data", "TEXT", "--base-dtype", "int3", "--out", "OUT"], "int3"),
        (["generate", "--model", "x", "--prompt", "a", "--top-p", "0"], "--top-p"),
        (["generate", "--model", "x"], "--prompt"),
        (["bench-model"], "--model"), (["bench-model", "--model", "gpt-huge"], "gpt-huge"),
        (["bench-model", "--model", "gpt-nano", "--dtype", "int3"], "int8-head"),
        (["bench-model", "--model", "gpt-nano", "--tokens", "0"], "--tokens"),
        (["bench-model", "--model", "gpt-nano", "--prompt", "many"], "--prompt"),
    ])
    func wrongWords(words: [String], names: String) throws {
        let scratch = try Scratch()
        let run = try Run(words.map { $0 == "TEXT" ? scratch.text : $0 == "OUT" ? scratch.path("out") : $0 })
        #expect(run.code == 64, "\(run)")
        #expect(run.complaint?.contains(names) == true, "\(run)")
        #expect(run.output.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: scratch.path("out")))
    }

    @Test(arguments: ["empty", "short", "binary", "missing", "directory", "unreadable"])
    func badCorpus(kind: String) throws {
        let scratch = try Scratch()
        var path = scratch.path(kind)
        switch kind {
        case "empty": try scratch.write([], to: kind)
        case "short": try scratch.write(Array("too short".utf8), to: kind)
        case "binary": try scratch.write((0..<4096).map { UInt8(truncatingIfNeeded: $0) }, to: kind)
        case "directory": path = scratch.url.path
        case "unreadable":
            try scratch.write(Array("secret".utf8), to: kind)
            try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: path)
            // The superuser may read everything.
            if getuid() == 0 { return }
        default: break
        }
        for words in [
            [
                "train", "--data", path, "--model", scratch.path("tiny.json"), "--steps", "2", "--out",
                scratch.path("out"),
            ],
            ["demo", "--data", path, "--steps", "1", "--out", scratch.path("out")],
        ] {
            let run = try Run(words)
            #expect(run.code == 1, "\(run)")
            #expect(run.complaint?.contains(path) == true, "\(run)")
        }
    }

    @Test func groupsThatDoNotDivide() throws {
        let scratch = try Scratch()
        let model = try scratch.model()
        for extra in [[], ["--method", "gptq", "--data", scratch.text]] {
            let run = try Run(["quantize", "--model", model, "--scheme", "int4", "--out", scratch.path("out")] + extra)
            #expect(run.code == 1, "\(run)")
            #expect(
                run.complaint?.contains("do not divide the 16 inputs of 'h.0.attn.c_attn.weight'") == true, "\(run)")
            #expect(!FileManager.default.fileExists(atPath: scratch.path("out")))
        }
        try scratch.write(Array("short".utf8), to: "short.txt")
        let words = ["quantize", "--model", model, "--scheme", "int4", "--except", "h", "--method", "gptq", "--data"]
        let short = try Run(words + [scratch.path("short.txt"), "--out", scratch.path("out")])
        #expect(short.code == 1 && short.complaint?.contains("one sequence to calibrate on has 32") == true, "\(short)")
        let long = try Run(words + [scratch.text, "--context", "33", "--out", scratch.path("out")])
        #expect(long.code == 1 && long.complaint?.contains("--context 33") == true, "\(long)")
    }

    @Test func contextLongerThanTheModels() throws {
        let scratch = try Scratch()
        let model = try scratch.model()
        for words in [
            [
                "train", "--data", scratch.text, "--model", scratch.path("tiny.json"), "--context", "33", "--out",
                scratch.path("out"),
            ],
            ["evaluate", "--model", model, "--data", scratch.text, "--context", "33"],
        ] {
            let run = try Run(words)
            #expect(run.code == 1, "\(run)")
            #expect(run.complaint?.contains("33") == true && run.complaint?.contains("32") == true, "\(run)")
        }
    }

    @Test func batchThatCannotFit() throws {
        let scratch = try Scratch()
        let run = try Run([
            "train", "--data", scratch.text, "--model", "gpt-small", "--batch", "1000000", "--out", scratch.path("out"),
        ])
        #expect(run.code == 1, "\(run)")
        #expect(run.complaint?.contains("1000000") == true, "\(run)")
    }

    @Test(arguments: ["file", "unwritable"])
    func badOutput(kind: String) throws {
        let scratch = try Scratch()
        let out = kind == "file" ? scratch.text : "/proc/alambic"
        let before = try scratch.bytes("text.txt")
        let run = try Run([
            "train", "--data", scratch.text, "--model", scratch.path("tiny.json"), "--steps", "1", "--out", out,
        ])
        #expect(run.code == 1, "\(run)")
        #expect(run.complaint != nil, "\(run)")
        #expect(try scratch.bytes("text.txt") == before)
    }

    @Test(arguments: [".", "..", "/", "link", "SELF", "new/.."])
    func outputThatHoldsTheCurrentDirectory(out: String) throws {
        let scratch = try Scratch()
        let inside = scratch.url.appendingPathComponent("inside")
        try FileManager.default.createDirectory(at: inside, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            at: inside.appendingPathComponent("link"), withDestinationURL: scratch.url)
        let out = out == "SELF" ? inside.path : out
        for words in [
            ["train", "--data", scratch.text, "--model", scratch.path("tiny.json"), "--steps", "1000000"],
            ["quantize", "--model", try scratch.model()],
        ] {
            let run = try Run(words + ["--out", out], in: inside)
            #expect(run.code == 1, "\(run)")
            #expect(run.complaint?.contains("'\(out)': it holds the current directory") == true, "\(run)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: inside.path) == ["link"])
    }

    @Test func anEmptyOutputIsNoWord() throws {
        let scratch = try Scratch()
        for command in ["train", "demo"] {
            let run = try Run([command, "--data", scratch.text, "--out", ""])
            #expect(run.code == 64 && run.complaint?.contains("--out") == true, "\(run)")
        }
    }

    @Test func checkpointsOfAnEarlierRunAreNotMixedIn() throws {
        let scratch = try Scratch()
        let words = [
            "train", "--data", scratch.text, "--model", scratch.path("tiny.json"), "--steps", "4", "--batch", "4",
            "--checkpoint-every", "2", "--out", scratch.path("out"),
        ]
        #expect(try Run(words).code == 0)
        let before = try scratch.bytes("out/metrics.jsonl")
        let again = try Run(words)
        #expect(again.code == 1, "\(again)")
        #expect(again.complaint?.contains("out/checkpoint-4' is of an earlier run: add --resume") == true, "\(again)")
        #expect(try scratch.bytes("out/metrics.jsonl") == before)
        #expect(try Run(words + ["--resume"]).code == 0)
        // Other weights to start from make it another run.
        let other = try Run(words + ["--resume", "--seed", "2"])
        #expect(other.code == 1 && other.complaint?.contains("start was") == true, "\(other)")
    }

    @Test func evaluationOfAnyBatchSize() throws {
        let scratch = try Scratch()
        let model = try scratch.model()
        let words = ["evaluate", "--model", model, "--data", scratch.text, "--json"]
        func loss(_ run: Run) throws -> Double? {
            #expect(run.code == 0, "\(run)")
            return (try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])?["loss"] as? Double
        }
        #expect(try loss(Run(words + ["--batch", "1000000"])) == loss(Run(words)))
    }

    @Test func aModelThatCannotFit() throws {
        let scratch = try Scratch()
        let json = """
            {"model_type": "gpt2", "n_layer": 12, "n_embd": 1048576, "n_head": 2, "n_positions": 32, "vocab_size": 256}
            """
        try scratch.write(Array(json.utf8), to: "huge.json")
        let run = try Run(["train", "--data", scratch.text, "--model", scratch.path("huge.json"), "--out", "x"])
        #expect(run.code == 1 && run.complaint?.contains("use a smaller model") == true, "\(run)")
    }

    @Test func fullDisk() throws {
        let scratch = try Scratch()
        let model = try scratch.model()
        let before = try scratch.bytes("model/model.safetensors")
        // A file size limit fails writes as a full disk does, and needs no file system of its own.
        let process = Process()
        let error = Pipe()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = [
            "-c", "ulimit -f 16; exec \"$@\"", "sh", try #require(Run.executablePath), "quantize", "--model", model,
            "--out", model,
        ]
        process.standardError = error
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1, "\(text)")
        #expect(text.split(separator: "\n").count { $0.hasPrefix("alambic: ") } == 1, "\(text)")
        #expect(try scratch.bytes("model/model.safetensors") == before)
    }

    @Test(arguments: ["truncated", "header", "overlap", "missing", "extra", "dtype", "nan"])
    func badCheckpoint(kind: String) throws {
        let scratch = try Scratch()
        let model = try scratch.model()
        var bytes = [UInt8](try scratch.bytes("model/model.safetensors"))
        let length = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
        var header = String(decoding: bytes[8..<8 + length], as: UTF8.self)
        let data = bytes[(8 + length)...]
        switch kind {
        case "truncated": bytes.removeLast(7)
        case "header": bytes.replaceSubrange(0..<8, with: [0, 0, 0, 0, 0, 0, 0, 16])
        case "nan":
            // The last tensor's last element.
            bytes.replaceSubrange(bytes.count - 4..<bytes.count, with: [0, 0, 0xC0, 0x7F])
        default:
            switch kind {
            case "overlap":
                header = header.replacing("\"data_offsets\":[", with: "\"data_offsets\":[1", maxReplacements: 1)
            case "missing": header = header.replacing("ln_f.bias", with: "ln_f.byas")
            case "extra": header = header.replacing("\"wpe.weight\"", with: "\"wpf.weight\"")
            default: header = header.replacing("\"F32\"", with: "\"I32\"", maxReplacements: 1)
            }
            let text = Array(header.utf8)
            let padded = text + [UInt8](repeating: 32, count: (8 - text.count % 8) % 8)
            bytes = (0..<8).map { UInt8(truncatingIfNeeded: padded.count >> (8 * $0)) } + padded + data
        }
        try scratch.write(bytes, to: "model/model.safetensors")
        let run = try Run(["evaluate", "--model", model, "--data", scratch.text])
        #expect(run.code == 1, "\(kind): \(run)")
        #expect(run.complaint?.contains("model.safetensors") == true, "\(kind): \(run)")
    }

    @Test func aLossThatExplodesStopsAndNamesTheCheckpoint() throws {
        let scratch = try Scratch()
        let run = try Run([
            "train", "--data", scratch.text, "--model", scratch.path("tiny.json"), "--weight-decay", "100", "--rate",
            "1e3",
            "--clip", "1e9", "--steps", "400", "--batch", "4", "--checkpoint-every", "1", "--out", scratch.path("out"),
        ])
        #expect(run.code == 1, "\(run)")
        #expect(run.complaint?.contains("step") == true && run.complaint?.contains("checkpoint") == true, "\(run)")
    }

    @Test func badEnvironment() throws {
        let scratch = try Scratch()
        for environment in [["ALAMBIC_THREADS": "many"], ["ALAMBIC_ISA": "mmx"]] {
            let run = try Run(
                [
                    "train", "--data", scratch.text, "--model", scratch.path("tiny.json"), "--steps", "1", "--out",
                    scratch.path("out"),
                ],
                environment: environment)
            #expect(run.code == 64, "\(run)")
            #expect(run.complaint?.contains(environment.keys.first ?? "") == true, "\(run)")
        }
    }
}
