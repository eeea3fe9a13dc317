import Alambic
import Foundation
import Testing

@testable import AlambicCommand

/// `compress` and `inspect`.
@Suite struct FormCommandTests {
    private func object(_ run: Run) throws -> [String: Any] {
        #expect(run.code == 0, "\(run)")
        return try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any], "\(run)")
    }

    /// Wide enough for a choice, four fifths zeros.
    private func sparseModel(_ scratch: Scratch) throws -> String {
        let model = try Model(.gpt(layers: 1, width: 96, heads: 2, context: 16), seed: 1)
        let weights = try zip(model.weights, model.architecture.parameters).map { weight, description in
            guard description.kind == .matrix else { return weight }
            let elements = try weight.dense().elements.enumerated().map { $0 % 5 == 0 ? $1 : 0 }
            return PackedWeight.bitmask(try BitmaskTensor(try Tensor(description.shape, elements)))
        }
        try model.replacing(weights: weights).save(to: scratch.path("sparse"))
        return scratch.path("sparse")
    }

    @Test(arguments: [
        (["compress", "--model", "MODEL", "--out", "OUT", "--for", "nonsense"], "decode, prefill, both"),
        (["compress", "--model", "MODEL", "--out", "OUT", "--quality", "0.1"], "--data"),
        (["compress", "--model", "MODEL", "--out", "OUT", "--data", "TEXT"], "--quality"),
        (["compress", "--model", "MODEL", "--out", "OUT", "--data", "TEXT", "--quality", "-1"], "--quality"),
        (["compress", "--model", "MODEL"], "--out"), (["compress", "--out", "OUT"], "--model"),
        (["inspect"], "--model"),
        (["inspect", "--model", "MODEL", "--for", "decode"], "--measure"),
        (["inspect", "--model", "MODEL", "--measure", "--for", "nonsense"], "nonsense"),
    ])
    func wrongWords(words: [String], names: String) throws {
        let scratch = try Scratch()
        try Model(.gpt(layers: 1, width: 8, heads: 2, context: 8), seed: 1).save(to: scratch.path("model"))
        let run = try Run(
            words.map {
                switch $0 {
                case "MODEL": scratch.path("model")
                case "OUT": scratch.path("out")
                case "TEXT": scratch.text
                default: $0
                }
            })
        #expect(run.code == 64 && run.complaint?.contains(names) == true && run.output.isEmpty, "\(run)")
        #expect(!FileManager.default.fileExists(atPath: scratch.path("out")))
    }

    @Test(arguments: [["inspect"], ["inspect", "--measure"], ["compress", "--out", "OUT"]])
    func missingModel(words: [String]) throws {
        let scratch = try Scratch()
        let run = try Run(
            words.map { $0 == "OUT" ? scratch.path("out") : $0 } + ["--model", scratch.path("nowhere")])
        #expect(run.code == 1 && run.complaint?.contains("nowhere") == true, "\(run)")
        #expect(!FileManager.default.fileExists(atPath: scratch.path("out")))
    }

    @Test func compressThenInspect() throws {
        let scratch = try Scratch()
        let (model, out) = (try sparseModel(scratch), scratch.path("out"))
        let environment = ["XDG_CACHE_HOME": scratch.path("cache")]
        func run(_ words: [String]) throws -> Run { try Run(words, environment: environment) }

        let before = try run(["inspect", "--model", model])
        #expect(before.code == 0 && before.output.contains("not measured"), "\(before)")
        let report = try object(try run(["compress", "--model", model, "--out", out, "--json"]))
        // c_attn, c_fc, mlp.c_proj and the head, which is also the table of tokens.
        #expect(report["measured"] as? Int == 4 && report["matrices"] as? Int == 5, "\(report)")
        #expect(try scratch.bytes("out/\(FormRecord.fileName)").count > 0)

        let after = try run(["inspect", "--model", out])
        #expect(after.code == 0 && !after.output.contains("not measured") && after.error.isEmpty, "\(after)")
        #expect(after.output.contains("h.0.mlp.c_fc.weight"))
        let wide = after.output.split(separator: "\n").filter {
            $0.count > 80 && !$0.hasPrefix("  ") && !$0.hasPrefix("for ")
        }
        #expect(wide.isEmpty, "\(wide)")
        let inspected = try object(try run(["inspect", "--model", out, "--json"]))
        #expect(inspected["measured_here"] as? Bool == true && (inspected["weights"] as? [Any])?.count ?? 0 > 5)
        // With other threads the record says nothing.
        let elsewhere = try object(try run(["inspect", "--model", out, "--threads", "3", "--json"]))
        #expect(elsewhere["measured_here"] as? Bool == false)

        // Equal bits: equal texts and losses.
        func text(_ directory: String) throws -> String {
            try run(["generate", "--model", directory, "--prompt", "A", "--tokens", "8", "--seed", "2"]).output
        }
        #expect(try text(model) == text(out))
        #expect(try !FileManager.default.contentsOfDirectory(atPath: scratch.path("cache/alambic")).isEmpty)
    }

    @Test func inspectMeasures() throws {
        let scratch = try Scratch()
        let model = try sparseModel(scratch)
        // A cache that cannot be written costs nothing but time.
        let run = try Run(
            ["inspect", "--model", model, "--measure", "--for", "prefill", "--json"],
            environment: ["XDG_CACHE_HOME": scratch.text])
        let report = try object(run)
        #expect(report["measured"] as? Int == 5 && report["for"] as? String == "prefill", "\(run)")
        #expect(!FileManager.default.fileExists(atPath: model + "/" + FormRecord.fileName))
    }

    @Test func qualityIsMeasured() throws {
        let scratch = try Scratch()
        let model = try sparseModel(scratch)
        let report = try object(
            try Run([
                "compress", "--model", model, "--out", scratch.path("out"), "--data", scratch.text, "--quality", "0.05",
                "--json",
            ]))
        let (before, after) = (report["loss_before"] as? Double, report["loss"] as? Double)
        #expect(try #require(after) <= (try #require(before)) + 0.05, "\(report)")
    }

    @Test func aRecordOfAnotherModelIsALine() throws {
        let scratch = try Scratch()
        let model = try sparseModel(scratch)
        let out = scratch.path("out")
        #expect(try Run(["compress", "--model", model, "--out", out]).code == 0)
        try Model(.gpt(layers: 1, width: 32, heads: 2, context: 16), seed: 1).save(to: scratch.path("other"))
        try FileManager.default.copyItem(
            atPath: "\(out)/\(FormRecord.fileName)", toPath: scratch.path("other/\(FormRecord.fileName)"))
        for words in [["inspect"], ["generate", "--prompt", "A", "--tokens", "2"]] {
            let run = try Run(words + ["--model", scratch.path("other")])
            let warnings = run.error.split(separator: "\n").filter { $0.hasPrefix("warning: ") }
            #expect(run.code == 0 && warnings.count == 1, "\(run)")
            #expect(warnings.first?.contains(FormRecord.fileName) == true, "\(run)")
            #expect(warnings.first?.contains("expected shape [256, 32], found shape [256, 96]") == true, "\(run)")
        }
    }
}
