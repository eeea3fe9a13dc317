import AlambicKernels
import Foundation
import Testing

@testable import bench

/// `bench sparse` on numbers that were made up.
@Suite struct SparseTableTests {
    private static func timing(
        _ form: SparseForm, _ percent: Int, _ ns: Int, rows: Int = 1, dtype: String = "f32", spread: Int = 0
    ) -> SparseTiming {
        SparseTiming(
            dtype: dtype, form: form, percent: percent, rows: rows, bytes: 100,
            samplesNs: [ns + spread, ns, ns - spread, ns + 2 * spread, ns - 2 * spread])
    }

    /// Dense 1000 ns; masks 1100 - 10 a percent, rows 3000 - 30 a percent, blocks 1000 - 10 a percent.
    private static func linear(rows: Int = 1, dtype: String = "f32") -> [SparseTiming] {
        [timing(.dense, 0, 1000, rows: rows, dtype: dtype)]
            + SparseTable.percents.flatMap { percent in
                [
                    timing(.bitmask, percent, 1100 - 10 * percent, rows: rows, dtype: dtype),
                    timing(.csr, percent, 3000 - 30 * percent, rows: rows, dtype: dtype),
                    timing(.blocks, percent, 1000 - 10 * percent, rows: rows, dtype: dtype),
                ]
            }
    }

    private static func isNear(_ x: Double?, _ y: Double) -> Bool { x.map { abs($0 - y) < 1e-9 } ?? false }

    @Test("the median and the minimum are those of the samples")
    func samples() {
        let timing = SparseTiming(dtype: "f32", form: .csr, percent: 50, rows: 1, bytes: 1, samplesNs: [5, 1, 4, 2, 3])
        #expect(timing.medianNs == 3 && timing.minNs == 1 && timing.samplesNs == [5, 1, 4, 2, 3])
        let none = SparseTiming(dtype: "f32", form: .csr, percent: 50, rows: 1, bytes: 1, samplesNs: [])
        #expect(none.medianNs == 0 && none.minNs == 0)
    }

    @Test("the fastest of the forms, against the dense one")
    func cells() {
        let table = SparseTable(timings: Self.linear())
        let half = table.cell("f32", [.bitmask, .csr], percent: 50, rows: 1)
        #expect(half == .init(form: .bitmask, gain: 1000.0 / 600))
        #expect(
            table.cell("f32", [.bitmask, .csr, .blocks], percent: 50, rows: 1) == .init(form: .blocks, gain: 2))
        #expect(table.cell("f32", [.csr], percent: 95, rows: 1) == .init(form: .csr, gain: 1000.0 / 150))
        // A loser is told with its factor.
        #expect(table.cell("f32", [.bitmask, .csr], percent: 0, rows: 1) == .init(form: .bitmask, gain: 1000.0 / 1100))
        // What was not measured.
        #expect(table.cell("f32", [.bitmask], percent: 50, rows: 8) == nil)
        #expect(table.cell("bf16", [.bitmask], percent: 50, rows: 1) == nil)
        #expect(table.cell("f32", [.bitmask], percent: 50, rows: 1, against: "bf16") == nil)
    }

    @Test("break-even lies on the line between two shares")
    func breakEven() {
        let bf16 = [Self.timing(.dense, 0, 500, dtype: "bf16"), Self.timing(.dense, 0, 40, dtype: "s8")]
        let table = SparseTable(timings: Self.linear() + bf16)
        func place(_ form: SparseForm, _ against: String) -> Double? {
            table.breakEven("f32", form, against: against, rows: 1)
        }
        #expect(Self.isNear(place(.bitmask, "f32"), 10))
        #expect(Self.isNear(place(.csr, "f32"), 200.0 / 3))
        #expect(Self.isNear(place(.bitmask, "bf16"), 60))
        #expect(Self.isNear(place(.csr, "bf16"), 250.0 / 3))
        #expect(place(.blocks, "f32") == 0)
        #expect(place(.csr, "s8") == .infinity)
        #expect(place(.csr, "s8s4g32") == nil && table.breakEven("f32", .csr, against: "f32", rows: 8) == nil)
    }

    @Test("a bump on the way does not end a loss, and the last crossing counts")
    func bumps() {
        let times = [(0, 900), (50, 1100), (60, 900), (70, 1200), (80, 800), (90, 400), (95, 200)]
        let table = SparseTable(
            timings: [Self.timing(.dense, 0, 1000)] + times.map { Self.timing(.bitmask, $0.0, $0.1) })
        #expect(Self.isNear(table.breakEven("f32", .bitmask, against: "f32", rows: 1), 75))
        // In any order of the timings.
        let shuffled = SparseTable(timings: table.timings.reversed())
        #expect(Self.isNear(shuffled.breakEven("f32", .bitmask, against: "f32", rows: 1), 75))
        // Equal at the end is not slower.
        let equal = SparseTable(
            timings: [Self.timing(.dense, 0, 1000), Self.timing(.csr, 90, 2000), Self.timing(.csr, 95, 1000)])
        #expect(equal.breakEven("f32", .csr, against: "f32", rows: 1) == 95)
    }

    @Test("figures of four characters, and losers in parentheses")
    func text() {
        #expect(SparseReport.text(.init(form: .bitmask, gain: 1.523)) == "bitmask 1.52")
        #expect(SparseReport.text(.init(form: .blocks, gain: 9.996)) == "blocks 10.0")
        #expect(SparseReport.text(.init(form: .csr, gain: 123.4)) == "csr 123")
        #expect(SparseReport.text(.init(form: .csr, gain: 0.934)) == "dense (0.93)")
        #expect(SparseReport.text(.init(form: .csr, gain: 1)) == "dense (1.00)")
        #expect(SparseReport.text(nil) == "-")
        #expect(SparseReport.place(nil) == "-" && SparseReport.place(0) == "always")
        #expect(SparseReport.place(.infinity) == "never" && SparseReport.place(66.66) == "67 %")
    }

    private static var whole: SparseReport {
        var timings: [SparseTiming] = []
        for (dtype, _) in SparseTable.types {
            for rows in SparseTable.rows { timings += linear(rows: rows, dtype: dtype) }
        }
        timings.removeAll { $0.dtype == "s8" && $0.form == .csr }
        timings.append(timing(.dense, 0, 500, dtype: SparseTable.fourBits))
        return SparseReport(table: SparseTable(timings: timings), N: 4096, K: 4096, threads: 2)
    }

    @Test("every line fits 80 columns, every type and share has its rows")
    func report() {
        let text = Self.whole.text()
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for line in lines { #expect(line.count <= 80, "\(line.count) columns: \(line)") }
        #expect(text.contains("N = 4096, K = 4096, W from memory, 2 threads."))
        #expect(text.contains("Medians of 5 rounds"))
        for title in ["|   f32 |", "|  bf16 |", "|    s8 |"] { #expect(text.contains(title), "\(title)") }
        #expect(lines.count { $0.hasPrefix("| 50 %  |") } == 3 && lines.count { $0.hasPrefix("| 50 %* |") } == 3)
        #expect(lines.count { $0.hasPrefix("|  0 %  |") } == 3 && !text.contains("0 %* | dense"))
        // int8 alone is held against 4-bit weights: 500 / 600 at 50 %.
        #expect(lines.count { $0.contains("int4") && $0.hasPrefix("|") } == 1)
        #expect(lines.contains { $0.hasPrefix("| 50 %  | bitmask 1.67") && $0.hasSuffix("| 0.83 |") })
        #expect(!lines.contains { $0.hasPrefix("| dense s8 ") && $0.contains(" csr ") && $0.contains("never") })
        #expect(lines.contains { $0.hasPrefix("| dense s8s4g32 | bitmask | ") })
    }

    @Test("a part of the types makes a part of the tables")
    func part() {
        let text = SparseReport(table: SparseTable(timings: Self.linear()), N: 8, K: 8, threads: 1).text()
        #expect(text.contains("|   f32 |") && !text.contains("bf16") && text.contains("1 thread."))
        #expect(text.contains("| -"))
        // No int4 column without its timing.
        #expect(!text.contains("int4"))
    }

    @Test("one JSON object, with every gain and break-even")
    func json() throws {
        let text = try Report.jsonLine(SparseDocument(Self.whole, machine: machine()))
        #expect(!text.contains("\n"))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["kind"] as? String == "sparse-table" && object["n"] as? Int == 4096)
        let best = try #require(object["best"] as? [[String: Any]])
        let expectedBest = 3 * SparseTable.rows.count * SparseTable.percents.count * 2
        #expect(best.count == expectedBest)
        let places = try #require(object["break_even"] as? [[String: Any]])
        // f32: three forms against three types; bf16: three against two; s8: two against itself, and 4 bits with one row.
        let eachRow = 3 * 3 + 3 * 2 + 2
        #expect(places.count == 4 * eachRow + 2)
        #expect((object["timings"] as? [[String: Any]])?.first?["median_ns"] as? Int == 1000)
    }

    @Test("how far medians lie above the fastest round")
    func noise() {
        let table = SparseTable(timings: [
            Self.timing(.dense, 0, 1000), Self.timing(.csr, 50, 1000, spread: 100),
            Self.timing(.csr, 60, 1000, spread: 250),
        ])
        #expect(Self.isNear(table.noise.typical, 0.25) && Self.isNear(table.noise.worst, 1))
        #expect(SparseTable(timings: []).noise.worst == 0)
    }

    @Test(
        "words that mean nothing",
        arguments: [
            ([], "bench sparse --table"), (["--table", "--dtype", "f64"], "f32, bf16, s8"),
            (["--table", "--dtype", "f32,,s8"], "f32, bf16, s8"), (["--table", "--threads", "0"], "from 1"),
            (["--table", "--threads", "9999"], "from 1"), (["--table", "--rounds", "3"], "from 7"),
            (["--table", "--shape", "64"], "NxK"), (["--table", "--shape", "0x5"], "at least 1"),
            (["--table", "--output", "csv"], "md or json"), (["--table", "--out"], "needs a value"),
            (["--table", "matmul"], "does not take 'matmul'"),
        ])
    func badWords(words: [String], part: String) {
        let error = complaint { _ = try SparseArguments(words) }
        #expect(error.usage && error.text.contains(part) && !error.text.contains("\n"), "\(error.text)")
    }

    @Test("arguments as given, and what they are without")
    func arguments() throws {
        let plain = try SparseArguments(["--table"])
        #expect(plain.types == ["f32", "bf16", "s8"] && plain.threads == 1 && plain.N == 4096 && plain.rounds >= 7)
        let given = try SparseArguments(
            ["--table", "--dtype", "s8,f32,s8", "--shape", "64x32", "--rounds", "7", "--output", "json"])
        #expect(given.types == ["s8", "f32"] && given.N == 64 && given.K == 32 && given.rounds == 7 && given.isJSON)
    }

    @Test("weights that cannot fit are refused in one line")
    func enormous() throws {
        let large = try SparseArguments(["--table", "--shape", "2000000000x2000000000"])
        let error = complaint { _ = try SparseRun(large, on: .local) }
        #expect(!error.usage && error.text.contains("2000000000x2000000000") && !error.text.contains("\n"))
        let little = complaint { _ = try SparseRun(SparseArguments(["--table"]), on: .local, available: 1 << 20) }
        #expect(!little.usage && little.text.contains("1 MB are free"), "\(little.text)")
        // All candidates together are cold.
        let run = try SparseRun(SparseArguments(["--table"]), on: .local, available: 1 << 50)
        let one = SparseCandidates.bytes(run.arguments.types, N: 4096, K: 4096).packed
        let rotation = one * Double(run.copies), least = 8 * Double(Machine.local.l3Bytes)
        #expect(rotation >= least)
    }
}
