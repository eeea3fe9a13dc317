import Foundation
import Testing

/// Adapters from the command line.
@Suite struct FinetuneTests {
    @Test func aResumedRunOverFourBitsEqualsTheWholeOne() throws {
        let scratch = try Scratch()
        let wide = """
            {"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 2, "n_positions": 32, "vocab_size": 256}
            """
        try scratch.write(Array(wide.utf8), to: "tiny.json")
        let words = [
            "finetune", "--model", try scratch.model(), "--data", scratch.text, "--base", "int4", "--dtype", "bf16",
            "--rank", "4", "--adapter-dropout", "0.1", "--batch", "4", "--steps", "4", "--checkpoint-every", "2",
            "--out", scratch.path("out"), "--json",
        ]
        let whole = try Run(words)
        #expect(whole.code == 0, "\(whole)")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(whole.output.utf8)) as? [String: Any])
        // Rank 4 times inputs and outputs of four matrices in each of two blocks.
        #expect(object["trained"] as? Int == 2 * 4 * (4 * 32 + 2 * 32 + 5 * 32 + 5 * 32), "\(whole)")
        #expect(object["base"] as? String == "int4")
        let expected = try scratch.bytes("out/model.safetensors")
        for name in ["model.safetensors", "checkpoint-4"] {
            try FileManager.default.removeItem(atPath: scratch.path("out/\(name)"))
        }
        let resumed = try Run(words + ["--resume"])
        #expect(resumed.code == 0 && resumed.error.contains("resuming after step 2"), "\(resumed)")
        #expect(try scratch.bytes("out/model.safetensors") == expected)
    }
}
