import Foundation
import Testing

@testable import bench

@Suite struct ResultFileTests {
    @Test("what is written is read back")
    func roundTrip() throws {
        let rows = [row(), row("4x5x6", threads: 2, cold: true)]
        let back = try file(rows)
        #expect(back.measurements.map(\.key) == rows.map(\.key) && back.lines == [2, 3])
        #expect(back.machine.cpu == "Zuse Z3" && back.measurements[1].cold)
    }

    @Test("files that are not whole, or not ours, are refused with their line")
    func refused() throws {
        let good = try text([row(), row("4x5x6")])
        func error(_ text: String) -> String {
            let found = complaint { _ = try ResultFile(Data(text.utf8), path: "f.jsonl") }
            #expect(!found.usage && !found.text.contains("\n"))
            return found.text
        }
        #expect(error("").contains("f.jsonl:1: empty"))
        #expect(error("hello\n").contains("f.jsonl:1: not a bench result file"))
        #expect(error("{\"schema\":1}\n").contains("f.jsonl:1: not a bench result file"))
        #expect(
            error(good.replacingOccurrences(of: "\"schema\":1", with: "\"schema\":7")).contains("schema 7, expected 1"))
        let cut = String(good.dropLast(40))
        #expect(error(cut).contains("f.jsonl:3: not whole JSON: the file is cut short"))
        let lines = good.split(separator: "\n")
        #expect(
            error([lines[0], lines[1], lines[1]].joined(separator: "\n")).contains(
                "f.jsonl:3: measures the same as line 2"))
        #expect(error([lines[0], lines[0]].joined(separator: "\n")).contains("f.jsonl:2: a second machine line"))
        #expect(error(good.replacingOccurrences(of: "\"threads\":1,", with: "")).contains("no threads"))
        #expect(error(good.replacingOccurrences(of: "\"min_ns\":100", with: "\"min_ns\":0")).contains("min_ns 0"))
        #expect(complaint { _ = try ResultFile(contentsOf: "/no/such.jsonl") }.text.contains("no such file"))
        #expect(complaint { _ = try ResultFile(contentsOf: "/") }.text.contains("a folder"))
    }
}

@Suite struct CompareTests {
    let slow = [200, 201, 202, 203, 204, 205, 206]
    let fast = [100, 101, 102, 103, 104, 105, 106]

    @Test("clear differences, and those that are none")
    func verdicts() throws {
        let comparison = try Comparison(
            file([row(samples: fast), row("7x7x7", samples: fast)]),
            file([row(samples: slow), row("7x7x7", samples: [99, 104, 101, 107, 102, 105, 103])]))
        #expect(comparison.rows.map(\.verdict) == ["slower", "same"])
        #expect(abs(comparison.clearMean - 2) < 1e-9)
        #expect(comparison.slower(than: 0.1).count == 1 && comparison.slower(than: 1.1).isEmpty)
        #expect(comparison.text().contains("Zuse Z3"))
    }

    @Test("what is different work is not joined")
    func refused() throws {
        let base = try file([row()])
        for (other, what) in [
            (row(ops: 13), "ops"), (row(bytes: 35), "bytes"), (row(cold: true), "cold"),
            (row(pattern: "copy"), "pattern"),
        ] {
            let error = complaint { _ = try Comparison(base, file([other], path: "b.jsonl")) }
            #expect(error.text.contains("different work, \(what)") && error.text.contains("b.jsonl:2"), "\(error.text)")
        }
        #expect(complaint { _ = try Comparison(base, file([row("9x9x9")])) }.text.contains("no measurement in common"))
    }

    @Test("two machines are joined by their fastest variants, and said to be two")
    func machines() throws {
        let comparison = try Comparison(
            file([row(variant: "avx512", samples: fast)]), file([row(variant: "neon", samples: slow)], cpu: "Mark I"))
        #expect(!comparison.isOneMachine && comparison.rows.count == 1 && comparison.rows[0].joinsVariants)
        #expect(comparison.text().contains("Two machines"))
    }

    @Test("exit codes of --fail-if-slower")
    func exitCodes() throws {
        let (a, b) = (try temporaryFile(text([row(samples: fast)])), try temporaryFile(text([row(samples: slow)])))
        defer { for path in [a, b] { try? FileManager.default.removeItem(atPath: path) } }
        #expect(try Comparison.run([a, b, "--fail-if-slower", "10%"]) == 1)
        #expect(try Comparison.run([b, a, "--fail-if-slower", "10%"]) == 0)
        #expect(try Comparison.run([a, b, "--fail-if-slower", "150"]) == 0)
        #expect(try Comparison.run([a, b, "--output", "json"]) == 0)
        for words in [
            [a], [a, b, a], [a, b, "--fail-if-slower", "much"], [a, b, "--fail-if-slower"], [a, b, "--output", "csv"],
        ] {
            #expect(complaint { _ = try Comparison.run(words) }.usage, "\(words.dropFirst(2))")
        }
    }
}

@Suite struct RankTests {
    /// By counting all ways to choose which ranks the first sample has.
    private func probability(_ m: Int, _ n: Int, atMost u: Int) -> Double {
        var (hits, all) = (0, 0)
        for mask in 0..<(1 << (m + n)) where mask.nonzeroBitCount == m {
            let ranks = (0..<m + n).filter { mask >> $0 & 1 == 1 }
            all += 1
            if ranks.reduce(0, +) - m * (m - 1) / 2 <= u { hits += 1 }
        }
        return min(1, 2 * Double(hits) / Double(all))
    }

    @Test func exactForSmallSamples() {
        let (a, b) = ([1, 3, 4, 8, 9], [2, 5, 6, 7, 10, 11])
        let u = Int(RankTest.u(a, b))
        #expect(u == a.reduce(0) { sum, x in sum + b.count { $0 < x } })
        #expect(abs(RankTest.probability(a, b) - probability(5, 6, atMost: min(u, 30 - u))) < 1e-12)
        let (low, high) = ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])
        #expect(abs(RankTest.probability(low, high) - 2.0 / 252) < 1e-12 && RankTest.differ(low, high))
    }

    @Test func tiesAndFewSamples() {
        #expect(!RankTest.differ([1, 2, 3, 4], [5, 6, 7, 8]))
        #expect(!RankTest.differ([5, 5, 5, 5, 5], [5, 5, 5, 5, 5]))
        #expect(RankTest.probability([7, 7, 7, 7, 7], [7, 7, 7, 7, 7]) == 1)
        #expect(RankTest.differ(Array(0..<30).map { $0 / 3 }, Array(0..<30).map { 9 + $0 / 3 }))
    }
}

@Suite struct SpreadTests {
    @Test func stopsWhenAQuarterIsNearTheFastest() {
        let calm = [1.0] + [Double](repeating: 1.005, count: 11)
        #expect(Spread.isEnough(runs: calm, probes: [calm], elapsed: 0.1))
        #expect(!Spread.isEnough(runs: Array(calm.prefix(11)), probes: [calm], elapsed: 0.1))
        let restless = [1.0] + (0..<15).map { 1.05 + Double($0) * 0.01 }
        #expect(!Spread.isEnough(runs: restless, probes: [], elapsed: 0.1))
        #expect(!Spread.isEnough(runs: calm, probes: [restless], elapsed: 0.1))
        #expect(Spread.isEnough(runs: restless, probes: [], elapsed: 3.5))
        #expect(
            Spread.isEnough(runs: [1], probes: [], elapsed: 31) && !Spread.isEnough(runs: [], probes: [], elapsed: 99))
        #expect(Spread.note(runs: calm, probes: []) == nil && Spread.note(runs: restless, probes: []) != nil)
    }
}
