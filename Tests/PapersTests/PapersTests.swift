import Foundation
import Testing

@testable import papers

/// The papers' executable: its command line, its memory, its text, and every paper on a few synthetic images.
@Suite struct PapersTests {
    private func problem(_ words: [String]) -> String {
        do throws(Settings.UsageError) {
            _ = try Settings(words, environment: [:])
            return "none"
        } catch {
            return error.text
        }
    }

    @Test func commandLine() throws {
        let plain = try Settings([], environment: ["ALAMBIC_DATA": "/data"])
        #expect(plain.papers.count == Papers.all.count && plain.seeds == 3 && plain.data?.path == "/data")
        let quick = try Settings(["adam", "--quick", "--data", "/other"], environment: ["ALAMBIC_DATA": "/data"])
        #expect(quick.papers.map { $0.name } == ["adam"] && quick.seeds == 1 && quick.data?.path == "/other")
        #expect(problem(["nobody"]).hasPrefix("unknown paper 'nobody': use "))
        #expect(problem(["--fast"]).hasPrefix("unknown option '--fast'"))
        #expect(problem(["--seeds"]) == "--seeds needs a value")
        #expect(problem(["--seeds", "0"]) == "--seeds 0 is not a number from 1 to 100")
        #expect(Settings.help.split(separator: "\n").allSatisfy { $0.count <= 80 })
        #expect(Set(Papers.all.map { $0.name }).count == Papers.all.count)
    }

    @Test func partsRunOnceForTheSameSettings() throws {
        let data = try SyntheticData(train: 10, test: 10)
        defer { data.remove() }
        var runs = 0
        func part(_ settings: [String: String]) throws -> Int {
            // A new lab each time, as in a new process.
            let lab = Lab(paper: "test", data: data.url, out: data.out, seeds: [1], quick: true)
            return try lab.part("one", seed: 1, settings: settings) {
                runs += 1
                return runs
            }
        }
        #expect(try part(["rate": "1"]) == 1)
        #expect(try part(["rate": "1"]) == 1)
        #expect(try part(["rate": "2"]) == 2)
        // A file that is not whole is not believed.
        let file = data.out.appendingPathComponent("quick/test/one-seed1.json")
        let whole = try Data(contentsOf: file)
        try whole.prefix(whole.count / 2).write(to: file)
        #expect(try part(["rate": "2"]) == 3)
    }

    @Test func statistics() {
        let three = Statistics([1.0, 2, 6])
        #expect(three.mean == 3 && abs(three.deviation - 7.0.squareRoot()) < 1e-12)
        #expect(three.text() == "3.0 ± 2.6")
        #expect(Statistics([4]).text(2) == "4.00")
    }

    @Test func missingDataIsOneLine() throws {
        let data = try SyntheticData(train: 10, test: 10)
        defer { data.remove() }
        let lab = Lab(
            paper: "test", data: data.url.appendingPathComponent("nowhere"), out: data.out, seeds: [1], quick: true)
        #expect { try Digits(lab) } throws: {
            "\($0)".contains("nowhere/mnist") && !"\($0)".contains("\n")
        }
    }

    /// Every paper from end to end, in its quick form, on data that any network learns.
    @Test(arguments: Papers.all.map { $0.name }) func smoke(name: String) throws {
        let data = try SyntheticData()
        defer { data.remove() }
        let type = try #require(Papers.all.first { $0.name == name })
        let lab = Lab(paper: name, data: data.url, out: data.out, seeds: [1], quick: true)
        let result = try type.init().run(lab)
        #expect(!result.claims.isEmpty && !result.differences.isEmpty && !result.tables.isEmpty)
        for table in result.tables {
            #expect(!table.rows.isEmpty && table.rows.allSatisfy { $0.count == table.columns.count }, "\(table.title)")
        }
        for curve in result.curves {
            #expect(!curve.lines.isEmpty && curve.lines.allSatisfy { $0.x.count == $0.y.count && !$0.x.isEmpty })
        }
        let text = PaperText.text(type, result, seconds: 1, seeds: 1)
        let wide = text.split(separator: "\n").filter { $0.count > 80 }
        #expect(wide.isEmpty, "wider than a terminal: \(wide)")
        let page = PaperPage.html(
            [.init(paper: type, result: result, seconds: 1, seeds: 1, quick: true)], machine: "a machine")
        #expect(page.contains("</html>") && !page.contains("http"))
        // A second run takes everything from the first.
        let again = Lab(paper: name, data: data.url, out: data.out, seeds: [1], quick: true)
        let second = try type.init().run(again)
        #expect(second.claims.map(\.measured) == result.claims.map(\.measured))
    }
}
