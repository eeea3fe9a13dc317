import Foundation
import Testing

@testable import bench

/// What a result file or a list of shapes may hold without being true, and a gate that has nothing to go by.
@Suite struct DistrustTests {
    @Test(
        "numbers that cannot be",
        arguments: [
            ("\"samples_ns\":[100,101,102,103,104]", "\"samples_ns\":[]", "samples_ns has 0 values, expected 1 to 64"),
            ("\"samples_ns\":[100,", "\"samples_ns\":[99,", "samples_ns has 99, which is not between"),
            ("\"samples_ns\":[100,", "\"samples_ns\":[\"fast\",", "samples_ns"),
            ("\"median_ns\":102", "\"median_ns\":105", "not positive and in order"),
            ("\"min_ns\":100", "\"min_ns\":-100", "min_ns -100"),
            ("\"threads\":1,", "\"threads\":0,", "threads is 0, expected at least 1"),
            ("\"ops\":12", "\"ops\":-12", "ops is -12.0"),
            ("\"bytes\":34", "\"bytes\":-1", "bytes is -1.0"),
            ("\"limit_fraction\":0.5", "\"limit_fraction\":-0.5", "limit_fraction is -0.5"),
            ("\"limit_fraction\":0.5", "\"limit_fraction\":1e999", "f.jsonl:3: "),
            ("\"min_ns\":100", "\"min_ns\":99999999999999999999", "f.jsonl:3: "),
            ("\"kind\":\"measurement\"", "\"kind\":\"invoice\"", "its kind is 'invoice'"),
            ("\"kind\":\"measurement\",", "", "its kind is missing"),
        ])
    func impossible(found: String, replacement: String, part: String) throws {
        var lines = try text([row(), row("4x5x6")]).split(separator: "\n").map(String.init)
        // The machine's own line has threads of its own.
        try #require(lines[2].contains(found), "the format changed: \(lines[2])")
        lines[2] = lines[2].replacingOccurrences(of: found, with: replacement)
        let error = complaint { _ = try ResultFile(Data(lines.joined(separator: "\n").utf8), path: "f.jsonl") }
        #expect(error.text.hasPrefix("f.jsonl:3: ") && error.text.contains(part), "\(error.text)")
        #expect(!error.text.contains("\n") && error.text.count < 200)
    }

    @Test("damage in the middle of a file is not called a cut")
    func middle() throws {
        let lines = try text([row(), row("4x5x6")]).split(separator: "\n").map(String.init)
        let error = complaint {
            let broken = [lines[0], String(lines[1].dropLast(9)), lines[2]].joined(separator: "\n")
            _ = try ResultFile(Data(broken.utf8), path: "f.jsonl")
        }
        #expect(error.text.hasPrefix("f.jsonl:2: not whole JSON") && !error.text.contains("cut short"))
        let binary = complaint { _ = try ResultFile(Data([0, 1, 2, 255, 10, 7]), path: "f.jsonl") }
        #expect(binary.text.contains("not a bench result file"))
    }

    @Test("files of shapes that are no text, too large in one number, or a folder")
    func shapes() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString + ".bin").path
        try Data([0xC3, 0x28, 0x0A]).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let binary = complaint { _ = try ShapeChoice(path) }
        #expect(binary.usage && binary.text.contains("not text"))
        let folder = complaint { _ = try ShapeChoice(FileManager.default.temporaryDirectory.path) }
        #expect(!folder.usage && folder.text.contains("a folder"))
        let list = try temporaryFile("8x8x8 # fine\n\t\n1x2147483648x1\n")
        defer { try? FileManager.default.removeItem(atPath: list) }
        let large = complaint { _ = try ShapeChoice(list) }
        #expect(large.usage && large.text.contains(":3: ") && large.text.contains("at most 2147483647"))
        let long = complaint { _ = try ShapeChoice(String(repeating: "9", count: 5000)) }
        #expect(long.usage && long.text.contains("too large"))
        #expect(try ShapeChoice("2147483647x1x1") == .list([BenchShape(2_147_483_647, 1, 1)], areProducts: false))
    }

    @Test("too few samples to tell: said, and a gate that nothing could close fails")
    func fewSamples() throws {
        func saved(_ rows: [bench.Measurement]) throws -> String { try temporaryFile(text(rows)) }
        let (few, many) = ([100, 101, 102], [100, 101, 102, 103, 104])
        let slow = many.map { $0 * 3 }
        let none = (try saved([row(samples: few)]), try saved([row(samples: few.map { $0 * 3 })]))
        let some = (
            try saved([row(samples: few), row("4x5x6", samples: many)]),
            try saved([row(samples: few), row("4x5x6", samples: many)])
        )
        let one = (
            try saved([row(samples: few), row("4x5x6", samples: many)]),
            try saved([row(samples: few), row("4x5x6", samples: slow)])
        )
        defer {
            for path in [none.0, none.1, some.0, some.1, one.0, one.1] {
                try? FileManager.default.removeItem(atPath: path)
            }
        }
        #expect(try Comparison.run([none.0, none.1]) == 0)
        #expect(try Comparison.run([none.0, none.1, "--fail-if-slower", "10%"]) == 1)
        #expect(try Comparison.run([some.0, some.1, "--fail-if-slower", "10%"]) == 0)
        #expect(try Comparison.run([one.0, one.1, "--fail-if-slower", "10%"]) == 1)
        let comparison = try Comparison(ResultFile(contentsOf: one.0), ResultFile(contentsOf: one.1))
        #expect(comparison.untold.count == 1 && comparison.text().contains("1 with fewer than 5 samples"))
    }

    @Test("a competitor that became slower closes no gate")
    func competitors() throws {
        func rows(_ scale: Int) -> [bench.Measurement] {
            var peer = row(variant: "openblas", samples: [100, 101, 102, 103, 104].map { $0 * scale })
            peer.peer = true
            return [row(), peer]
        }
        let comparison = try Comparison(file(rows(1)), file(rows(3)))
        #expect(comparison.rows.count == 2 && comparison.rows.contains { $0.verdict == "slower" })
        #expect(comparison.slower(than: 0.1).isEmpty)
    }
}

@Suite struct LayoutTests {
    @Test("lines break between words, and titles hang")
    func wrapping() {
        let words = (0..<40).map { "word\($0)" }.joined(separator: " ")
        let lines = Report.wrapped(words, after: "title: ", indent: "       ").split(separator: "\n")
        #expect(lines.count > 2 && lines.allSatisfy { $0.count <= 96 } && lines[0].hasPrefix("title: word0 "))
        #expect(lines.dropFirst().allSatisfy { $0.hasPrefix("       word") })
        #expect(lines.joined(separator: " ").split(separator: " ").dropFirst().joined(separator: " ") == words)
        let long = String(repeating: "x", count: 200)
        #expect(Report.wrapped(long) == long + "\n")
    }

    @Test("the list of cases fits a terminal of 100 columns")
    func listWidth() {
        for line in list(allCases).split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
    }
}
