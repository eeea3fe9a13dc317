import Foundation
import Testing

@testable import AlambicCommand

/// `alambic prune`: patterns, targets, and what it says of them.
@Suite struct PruneTests {
    private func prune(_ scratch: Scratch, _ model: String, _ words: [String]) throws -> Run {
        try Run(
            [
                "prune", "--model", model, "--data", scratch.text, "--batch", "4", "--rounds", "2", "--out",
                scratch.path("out"),
            ]
                + words)
    }

    private func result(_ run: Run) throws -> [String: Any] {
        try #require(run.code == 0, "\(run)")
        return try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    }

    private func size(_ directory: String) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: directory)
            .filter { ["config.json", "model.safetensors"].contains($0) || $0.hasPrefix("tokenizer") }
            .reduce(0) { try $0 + Data(contentsOf: URL(fileURLWithPath: "\(directory)/\($1)")).count }
    }

    @Test(arguments: [
        ("0.75", "f32", 0.75), ("2:4", "f32", 0.5), ("1:4", "int8", 0.75), ("blocks:0.5", "f32", 0.5),
        ("blocks:0.75:4", "int8", 0.75),
    ])
    func patterns(sparsity: String, scheme: String, share: Double) throws {
        let scratch = try Scratch()
        let model = try scratch.model(steps: 30)
        let object = try result(
            try prune(
                scratch, model, ["--sparsity", sparsity, "--scheme", scheme, "--retrain-steps", "6", "--json"]))
        let layers = try #require(object["layers"] as? [[String: Any]])
        #expect(layers.count == 8)
        for layer in layers {
            let found = try #require(layer["sparsity"] as? Double)
            // Integers may round to zero on top of it.
            #expect(found >= share - 1e-9 && found < share + (scheme == "f32" ? 1e-9 : 0.05), "\(layer)")
        }
        let losses = try ["loss_dense", "loss_pruned", "loss"].map { try #require(object[$0] as? Double) }
        #expect(losses.allSatisfy { $0 > 0 && $0 < 10 })
        #expect(try size(scratch.path("out")) == object["bytes"] as? Int)
        let evaluated = try Run(["evaluate", "--model", scratch.path("out"), "--data", scratch.text])
        #expect(evaluated.code == 0, "\(evaluated)")
    }

    @Test func globalDistribution() throws {
        let scratch = try Scratch()
        let model = try scratch.model(steps: 30)
        let object = try result(
            try prune(
                scratch, model,
                ["--sparsity", "0.6", "--distribution", "global", "--retrain-steps", "2", "--json"]))
        let layers = try #require(object["layers"] as? [[String: Any]])
        let shares = try layers.map { try #require($0["sparsity"] as? Double) }
        #expect(Set(shares).count > 1)
        let nonzero = try #require(object["nonzero"] as? Int), all = try #require(object["parameters"] as? Int)
        let matrices = 2 * 12 * 16 * 16
        #expect(abs(Double(all - nonzero) - 0.6 * Double(matrices)) < 150)
    }

    @Test(arguments: ["f32", "int8"])
    func targetBytes(scheme: String) throws {
        let scratch = try Scratch()
        let tiny = """
            {"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 2, "n_positions": 32, "vocab_size": 256}
            """
        try scratch.write(Array(tiny.utf8), to: "tiny.json")
        let model = try scratch.model(steps: 30)
        let dense = try size(model)
        // Tables of 37 kB stay dense.
        let target = scheme == "f32" ? dense / 2 : 62_000
        let object = try result(
            try prune(
                scratch, model,
                ["--target-bytes", "\(target)", "--scheme", scheme, "--retrain-steps", "6", "--json"]))
        let reached = try size(scratch.path("out"))
        #expect(
            reached <= target && Double(reached) >= 0.95 * Double(target), "\(reached) for \(target), dense \(dense)")
        #expect(object["bytes"] as? Int == reached && object["target_bytes"] as? Int == target)
        let layers = try #require(object["layers"] as? [[String: Any]])
        #expect(layers.count == 8 && layers.allSatisfy { $0["loss_increase"] is Double })
        // Nothing of the measurements is left behind.
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.url.path)
        #expect(Set(names) == ["text.txt", "tiny.json", "model", "out"])
    }

    @Test func targetsOutOfReachAndMetAlready() throws {
        let scratch = try Scratch()
        let model = try scratch.model()
        for (words, says) in [
            (["--target-bytes", "1KB"], "bytes"), (["--target-tokens-per-s", "1e9"], "tokens/s"),
        ] {
            let run = try prune(scratch, model, words)
            #expect(run.code == 1, "\(run)")
            #expect(
                run.complaint?.contains("cannot be reached") == true && run.complaint?.contains(says) == true, "\(run)")
            #expect(!FileManager.default.fileExists(atPath: scratch.path("out")))
        }
        for words in [["--target-bytes", "1GB"], ["--target-tokens-per-s", "0.01"]] {
            let run = try prune(scratch, model, words)
            #expect(run.code == 0 && run.error.contains("met already"), "\(run)")
            #expect(try scratch.bytes("out/model.safetensors") == scratch.bytes("model/model.safetensors"))
        }
    }

    @Test func aPatternThatDoesNotTileIsNamed() throws {
        let scratch = try Scratch()
        let tiny = """
            {"model_type": "gpt2", "n_layer": 1, "n_embd": 18, "n_head": 2, "n_positions": 32, "vocab_size": 256}
            """
        try scratch.write(Array(tiny.utf8), to: "tiny.json")
        let model = try scratch.model()
        for sparsity in ["2:4", "blocks:0.5:4"] {
            let run = try prune(scratch, model, ["--sparsity", sparsity])
            #expect(run.code == 1 && run.complaint?.contains("h.0.attn.c_attn.weight is [54, 18]") == true, "\(run)")
        }
    }

    @Test func theTableFitsATerminal() throws {
        let scratch = try Scratch()
        let model = try scratch.model()
        let run = try prune(scratch, model, ["--sparsity", "2:4", "--retrain-steps", "2"])
        #expect(run.code == 0 && run.output.contains("h.1.mlp.c_proj.weight"), "\(run)")
        #expect(run.output.contains("50.0 %") && run.output.contains("loss dense"))
        #expect(
            run.output.split(separator: "\n").allSatisfy { $0.count <= 80 || $0.contains(scratch.url.path) }, "\(run)")
    }

    @Test func sizes() throws {
        for (text, bytes) in [("12", 12.0), ("1.5kB", 1500), ("2MB", 2e6), ("3 GB", 3e9), ("7b", 7)] {
            #expect(try PruningGoal.bytes(text) == bytes)
        }
    }
}
