import Foundation
import Testing

/// `alambic tokenize`, and what takes its files.
@Suite struct TokenizeTests {
    private func object(_ run: Run) throws -> [String: Any] {
        try #require(run.code == 0, "\(run)")
        return try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    }

    @Test(arguments: ["bytes", "characters"])
    func tokensTrainAsTextDoes(tokenizer: String) throws {
        let scratch = try Scratch()
        let tokens = scratch.path("x.tokens")
        let made = try object(
            try Run(["tokenize", "--data", scratch.text, "--tokenizer", tokenizer, "--out", tokens, "--json"]))
        #expect(made["tokens"] as? Int == 10_800 && made["vocabulary"] as? Int == (tokenizer == "bytes" ? 256 : 30))
        func train(_ words: [String], _ out: String) throws -> Run {
            try Run(
                words + [
                    "--model", "nanogpt-cpu", "--batch", "2", "--checkpoint-every", "2", "--out", scratch.path(out),
                ])
        }
        let text = ["train", "--data", scratch.text, "--tokenizer", tokenizer]
        #expect(try train(text + ["--steps", "5"], "a").code == 0)
        #expect(try train(["train", "--data", tokens, "--steps", "5"], "b").code == 0)
        let expected = try scratch.bytes("a/model.safetensors")
        #expect(try scratch.bytes("b/model.safetensors") == expected)
        // The run of the text goes on with the tokens.
        let resumed = try train(["train", "--data", tokens, "--steps", "5", "--resume"], "a")
        #expect(resumed.code == 0 && resumed.error.contains("resuming after step 4"), "\(resumed)")
        #expect(try scratch.bytes("a/model.safetensors") == expected)
        let one = try object(try Run(["evaluate", "--model", scratch.path("a"), "--data", tokens, "--json"]))
        let two = try object(try Run(["evaluate", "--model", scratch.path("a"), "--data", scratch.text, "--json"]))
        #expect(one["loss"] as? Double == two["loss"] as? Double)
        let said = try Run(["generate", "--model", scratch.path("a"), "--prompt", "The ", "--tokens", "9"])
        #expect(said.code == 0 && said.output.hasPrefix("The "), "\(said)")
    }

    @Test func severalFilesAreOneText() throws {
        let scratch = try Scratch()
        try scratch.write(Array("more".utf8), to: "more.txt")
        let out = scratch.path("x.tokens")
        let run = try Run(["tokenize", "--data", scratch.text, scratch.path("more.txt"), "--out", out, "--json"])
        #expect(try object(run)["tokens"] as? Int == 10_804)
    }

    @Test func whatDoesNotFitIsSaidInOneLine() throws {
        let scratch = try Scratch()
        let tokens = scratch.path("x.tokens")
        try #require(
            try Run(["tokenize", "--data", scratch.text, "--tokenizer", "characters", "--out", tokens]).code == 0)
        let model = try scratch.model()
        let small = """
            {"model_type": "gpt2", "n_layer": 1, "n_embd": 16, "n_head": 2, "n_positions": 32, "vocab_size": 29}
            """
        try scratch.write(Array(small.utf8), to: "small.json")
        let bytes = [UInt8](try scratch.bytes("x.tokens"))
        try scratch.write(Array(bytes.dropLast(9)), to: "cut.tokens")
        try scratch.write(bytes[..<20] + [bytes[20] ^ 4] + bytes[21...], to: "damaged.tokens")
        let train = ["train", "--out", scratch.path("out"), "--data"]
        for (words, code, parts) in [
            (train + [tokens, "--tokenizer", "bytes"], 1, ["CharacterTokenizer", "ByteTokenizer"]),
            (["evaluate", "--model", model, "--data", tokens], 1, ["CharacterTokenizer", "ByteTokenizer"]),
            (train + [tokens, "--model", scratch.path("small.json")], 1, ["29", "30", "vocab_size"]),
            (train + [scratch.path("cut.tokens")], 1, ["cut.tokens", "cut off"]),
            (train + [scratch.path("damaged.tokens")], 1, ["damaged.tokens", "header"]),
            (train + [scratch.text, "--batch", "5000"], 1, ["text.txt", "9720", "5000", "--batch"]),
            (train + [scratch.text, "--tokenizer", "gpt2"], 64, ["gpt2:DIR"]),
            (train + [scratch.text, "--tokenizer", "gpt2:/nowhere"], 1, ["/nowhere"]),
            (train + [scratch.text, "--tokenizer", "gpt2:\(scratch.url.path)"], 1, ["vocab.bpe"]),
            (train + [scratch.text, "--tokenizer", "words"], 64, ["words", "characters"]),
            (["tokenize", "--out", tokens], 64, ["--data"]), (["tokenize", "--data", "--out", tokens], 64, ["--data"]),
            (["tokenize", "--data", scratch.text], 64, ["--out"]),
            (["tokenize", "--data", scratch.text, "--out", scratch.url.path], 1, ["directory"]),
            (["tokenize", "--data", scratch.text, "--out", "/proc/x.tokens"], 1, ["/proc"]),
            (["tokenize", "--data", "/nowhere.txt", "--out", scratch.path("y")], 1, ["/nowhere.txt"]),
            (["tokenize", "--data", tokens, "--out", scratch.path("y")], 1, ["not text"]),
            (["generate", "--model", model, "--prompt", "a", "--vocab", "x"], 64, ["--vocab"]),
            (["tokenize", "--data", scratch.text, "--vocab", "x", "--out", scratch.path("y")], 64, ["--vocab"]),
        ] {
            let run = try Run(words)
            #expect(run.code == Int32(code), "\(run)")
            for part in parts { #expect(run.complaint?.contains(part) == true, "\(part): \(run)") }
            #expect(run.output.isEmpty)
        }
        #expect([UInt8](try scratch.bytes("x.tokens")) == bytes)
        #expect(!FileManager.default.fileExists(atPath: scratch.path("y")))
    }

    @Test func latin1HasNoCharacters() throws {
        let scratch = try Scratch()
        try scratch.write(Array(String(repeating: "plain text ", count: 9).utf8) + [0xE9], to: "latin1.txt")
        let run = try Run([
            "tokenize", "--data", scratch.path("latin1.txt"), "--tokenizer", "characters", "--out", scratch.path("y"),
        ])
        #expect(run.code == 1 && run.complaint?.contains("latin1.txt': at byte 99: byte 0xe9") == true, "\(run)")
    }
}

/// GPT-2's own tokens, from the text to the model and back.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["ALAMBIC_DATA"] != nil, "needs ALAMBIC_DATA"))
struct TokenizeGPT2Tests {
    @Test func aModelIsTrainedAndSpeaks() throws {
        let scratch = try Scratch()
        let folder = try #require(ProcessInfo.processInfo.environment["ALAMBIC_DATA"]) + "/gpt2_bpe"
        let small = """
            {"model_type": "gpt2", "n_layer": 1, "n_embd": 16, "n_head": 2, "n_positions": 16, "vocab_size": 50257}
            """
        try scratch.write(Array(small.utf8), to: "small.json")
        let tokens = scratch.path("x.tokens")
        let made = try Run(
            ["tokenize", "--data", scratch.text, "--tokenizer", "gpt2", "--vocab", folder, "--out", tokens])
        #expect(made.code == 0, "\(made)")
        let train = [
            "train", "--model", scratch.path("small.json"), "--batch", "2", "--steps", "2", "--out", scratch.path("m"),
        ]
        let trained = try Run(train + ["--data", tokens, "--tokenizer", "gpt2:\(folder)"])
        #expect(trained.code == 0, "\(trained)")
        let said = try Run(["generate", "--model", scratch.path("m"), "--prompt", "The dog", "--tokens", "3"])
        #expect(said.code == 0 && said.output.hasPrefix("The dog"), "\(said)")
        // The model's directory is a tokenizer's, too.
        let again = try Run(
            ["tokenize", "--data", scratch.text, "--tokenizer", scratch.path("m"), "--out", scratch.path("y.tokens")])
        #expect(again.code == 0, "\(again)")
        #expect(try scratch.bytes("y.tokens") == scratch.bytes("x.tokens"))
    }
}
