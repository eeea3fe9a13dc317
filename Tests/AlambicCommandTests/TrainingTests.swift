import Foundation
import Testing

@testable import Alambic
@testable import AlambicCommand

/// What a person sees of a training, and how it fails.
@Suite struct TrainingTests {
    private func train(_ scratch: Scratch, _ words: [String] = [], steps: Int = 4) -> [String] {
        [
            "train", "--data", scratch.text, "--model", scratch.path("tiny.json"), "--steps", "\(steps)", "--batch",
            "4",
            "--out", scratch.path("out"),
        ] + words
    }

    @Test func theRunIsPlannedMeasuredAndReported() throws {
        let scratch = try Scratch()
        let run = try Run(train(scratch, ["--dtype", "bf16", "--json"], steps: 20))
        #expect(run.code == 0, "\(run)")
        #expect(run.error.hasPrefix("memory: ") && run.error.contains("packed weights"), "\(run)")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        for key in ["loss", "held_loss", "bits_per_byte", "tokens_per_s", "utilization", "planned_bytes"] {
            #expect((object[key] as? Double)?.isFinite == true, "\(key) in \(run)")
        }
        let lines = try TrainingReport.read(scratch.path("out/metrics.jsonl"))
        #expect(lines.count == 20 && lines.allSatisfy { $0.utilization != nil && $0.seconds > 0 })
        #expect(lines.filter { $0.heldLoss != nil }.map(\.step) == Array(stride(from: 2, through: 20, by: 2)))
        let page = String(decoding: try scratch.bytes("out/report.html"), as: UTF8.self)
        #expect(page.contains("<svg") && page.contains("held out") && page.contains("dtype"))
        #expect(!page.contains("src=") && !page.contains("http"), "not self-contained")
    }

    @Test func theLineFits() throws {
        var report = StepReport(
            step: 1_234_567, loss: 10.8251, terms: [:], rate: 0.001, gradientNorm: 12345.678, tokens: 1, seconds: 1)
        report.utilization = 0.5
        for (total, left) in [(9_999_999, 1e7), (2_000_000, 59)] {
            let line = TrainingProgress.line(
                report, of: total, tokensPerSecond: 123_456, utilization: 0.97, left: left)
            #expect(line.count < 80 && line.contains("\(total)") && line.contains("10.825"), "\(line)")
        }
        report = StepReport(
            step: 120, loss: 3.2145, terms: [:], rate: 0.00098, gradientNorm: 0.52, tokens: 1, seconds: 1)
        #expect(
            TrainingProgress.line(report, of: 2000, tokensPerSecond: 812.3, utilization: 0.744, left: 3723)
                == "120/2000  loss 3.215  lr 9.8e-4  norm 0.52  812 tok/s  74% peak  1:02:03 left")
    }

    @Test func memoryThatDoesNotSufficeIsSaidBeforeTheFirstStep() throws {
        let scratch = try Scratch()
        // Wide enough for the values to weigh more than the weights.
        let json = """
            {"model_type": "gpt2", "n_layer": 4, "n_embd": 32, "n_head": 2, "n_positions": 128, "vocab_size": 256}
            """
        try scratch.write(Array(json.utf8), to: "tiny.json")
        let command = train(scratch, steps: 1).prefix(7) + ["--batch", "16", "--out", scratch.path("out")]
        let enough = try Run(command + ["--json"])
        #expect(enough.code == 0, "\(enough)")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(enough.output.utf8)) as? [String: Any])
        let planned = try #require(object["planned_bytes"] as? Int)
        for (share, part) in [(0.97, "--recompute"), (0.3, "--micro-batches"), (0.001, "smaller batch")] {
            let run = try Run(
                command.dropLast() + [scratch.path("no"), "--memory", "\(Double(planned) * share / 1e9)"])
            #expect(run.code == 1, "\(run)")
            #expect(run.complaint?.contains(part) == true && run.complaint?.contains("MB") == true, "\(part): \(run)")
            #expect(!FileManager.default.fileExists(atPath: scratch.path("no")))
        }
    }

    @Test func aCheckpointOfOtherSettingsNamesBothAndTheFix() throws {
        let scratch = try Scratch()
        #expect(try Run(train(scratch, ["--dtype", "bf16", "--checkpoint-every", "2"], steps: 2)).code == 0)
        let before = try scratch.bytes("out/checkpoint-2/model.safetensors")
        let other = try Run(train(scratch, ["--resume"], steps: 2))
        #expect(other.code == 1, "\(other)")
        #expect(other.complaint?.contains("dtype was bf16 and is f32 (--dtype bf16") == true, "\(other)")
        let small = """
            {"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 2, "n_positions": 32, "vocab_size": 256}
            """
        try scratch.write(Array(small.utf8), to: "tiny.json")
        let shape = try Run(train(scratch, ["--resume", "--dtype", "bf16"], steps: 2))
        #expect(shape.code == 1 && shape.complaint?.contains("model.n_embd was 16 and is 32") == true, "\(shape)")
        #expect(try scratch.bytes("out/checkpoint-2/model.safetensors") == before)
    }

    @Test func aFullDiskLeavesTheLastCheckpoint() throws {
        let scratch = try Scratch()
        let words = train(scratch, ["--checkpoint-every", "2"], steps: 6)
        #expect(try Run(words).code == 0)
        let expected = try scratch.bytes("out/model.safetensors")
        try FileManager.default.removeItem(atPath: scratch.path("out/checkpoint-6"))
        let on = words + ["--resume"]
        // No file may become larger than this: the weights fit, what the optimizer remembers does not.
        let process = Process()
        let error = Pipe()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        let quoted = ([try #require(Run.executablePath)] + on).map { "'\($0)'" }.joined(separator: " ")
        process.arguments = ["-c", "ulimit -f 64; exec \(quoted)"]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = error
        try process.run()
        let text = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1, "\(text)")
        let complaints = text.split(separator: "\n").filter { $0.hasPrefix("alambic: ") }
        #expect(complaints.count == 1 && complaints[0].contains("checkpoint-6'"), "\(text)")
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path("out"))
        #expect(names.filter { $0.hasPrefix("checkpoint-") } == ["checkpoint-4"], "\(names)")
        let again = try Run(on)
        #expect(again.code == 0 && again.error.contains("resuming after step 4"), "\(again)")
        #expect(try scratch.bytes("out/model.safetensors") == expected)
    }

    @Test func theProfileSumsToTheStep() throws {
        let scratch = try Scratch()
        let run = try Run([
            "profile", "--model", scratch.path("tiny.json"), "--dtype", "bf16", "--steps", "3", "--batch", "4", "--svg",
            scratch.path("p.svg"), "--json",
        ])
        #expect(run.code == 0, "\(run)")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        let entries = try #require(object["entries"] as? [[String: Any]])
        #expect(entries.contains { $0["name"] as? String == "host" })
        #expect(entries.allSatisfy { ($0["ns"] as? Double ?? 0) > 0 })
        let picture = String(decoding: try scratch.bytes("p.svg"), as: UTF8.self)
        #expect(picture.hasPrefix("<svg") && picture.contains("optimizer"))
        let table = try Run(["profile", "--model", scratch.path("tiny.json"), "--steps", "1", "--batch", "4"])
        #expect(table.code == 0 && table.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(table)")
        for (words, part) in [
            (["--steps", "0"], "--steps"), (["--dtype", "f8"], "f8"), (["--recompute", "all"], "all"),
            (["--vocabulary", "1"], "--vocabulary"),
        ] {
            let bad = try Run(["profile"] + words)
            #expect(bad.code == 64 && bad.complaint?.contains(part) == true, "\(bad)")
        }
        let nowhere = try Run(["profile", "--steps", "1", "--svg", "/proc/x.svg"])
        #expect(nowhere.code == 1 && nowhere.complaint?.contains("/proc") == true, "\(nowhere)")
    }
}
