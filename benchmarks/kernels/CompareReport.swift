import Foundation

extension Comparison {
    /// Machines side by side, then row by row.
    func text() -> String {
        var text = machines() + "\n"
        if !isOneMachine {
            text += """
                Two machines: times tell them apart, not two programs. `of limit` compares how well each is used.


                """
        }
        text += table() + "\n"
        let counts = ["faster", "slower", "same"].map { verdict in
            "\(rows.count { $0.verdict == verdict }) \(verdict == "same" ? "without a clear difference" : verdict)"
        }
        text += counts.joined(separator: ", ")
        if rows.contains(where: \.isClear) {
            let change = clearMean - 1
            let direction = change > 0 ? "more" : "less"
            text += "; clear differences: \(Self.signed(abs(change), sign: "")) \(direction) time in the geometric mean"
        }
        text += "\n"
        if rows.contains(where: { $0.a.noisy != nil || $0.b.noisy != nil }) {
            text += "~ the machine was noisy during this measurement\n"
        }
        if !untold.isEmpty {
            text +=
                "\(untold.count) with fewer than \(RankTest.leastSamples) samples: no difference can be clear there\n"
        }
        for (file, left) in [(a, onlyInA), (b, onlyInB)] where !left.isEmpty {
            let names = left.prefix(3).map(\.key).joined(separator: "; ")
            text += Report.wrapped(
                "only in \(file.path): \(left.count) (\(names)\(left.count > 3 ? "; …" : ""))")
        }
        return String(text.dropLast())
    }

    private func machines() -> String {
        var table = TextTable(columns: [
            ("", .left), ("A: \(shortened(a.path))", .left), ("B: \(shortened(b.path))", .left),
        ])
        func add(_ title: String, _ value: (MachineRecord) -> String) {
            table.rows.append([
                title, shortened(value(a.machine), tail: false), shortened(value(b.machine), tail: false),
            ])
        }
        add("CPU") { $0.cpu }
        add("instruction sets", Report.isa)
        add("cores", Report.cores)
        add("caches", Report.caches)
        add("pinned") { machine in
            "\(machine.pinning.count { $0.hasPrefix("pinned") }) of \(machine.pinning.count) workers"
        }
        add("compiler") { $0.compiler }
        add("commit, date") { "\($0.commit.isEmpty ? "unknown" : $0.commit), \($0.date.prefix(16))" }
        for threads in Set((a.machine.limits + b.machine.limits).map(\.threads)).sorted() {
            func limits(_ machine: MachineRecord) -> MachineRecord.Limits? {
                machine.limits.first { $0.threads == threads }
            }
            let both = [limits(a.machine), limits(b.machine)].compactMap { $0 }
            let suffix = "\(threads) thr"
            for name in Set(both.flatMap(\.peaks.keys)).sorted() {
                add("\(name) peak, \(suffix)") { limits($0)?.peaks[name].map { "\(Report.giga($0)) Gop/s" } ?? "—" }
            }
            for name in Set(both.flatMap(\.bandwidths.keys)).sorted() {
                add("\(name), \(suffix)") { limits($0)?.bandwidths[name].map { "\(Report.giga($0)) GB/s" } ?? "—" }
            }
        }
        return table.text()
    }

    private func table() -> String {
        var table = TextTable(columns: [
            ("case", .left), ("shape", .left), ("variant", .left), ("thr", .right), ("A", .right), ("B", .right),
            ("time", .right), ("of limit", .right), ("B is", .left),
        ])
        table.rows = rows.map { row in
            [
                "\(row.b.case) \(row.b.dtype)", row.b.shape,
                row.joinsVariants ? "\(row.a.variant) → \(row.b.variant)" : row.b.variant, "\(row.b.threads)",
                Report.time(row.a.minNs), Report.time(row.b.minNs), Self.signed(row.ratio - 1),
                "\(Report.fraction(row.a)) → \(Report.fraction(row.b))", row.verdict,
            ]
        }
        return table.text()
    }

    /// At most 38 characters, so that two columns fit beside each other.
    private func shortened(_ text: some StringProtocol, tail: Bool = true) -> String {
        text.count <= 38 ? String(text) : tail ? "…\(text.suffix(37))" : "\(text.prefix(37))…"
    }

    private static func signed(_ fraction: Double, sign: String = "+") -> String {
        abs(fraction) >= 10
            ? String(format: "x%.1f", 1 + fraction) : String(format: "%\(sign).1f %%", fraction * 100)
    }

    private struct Document: Encodable {
        struct Side: Encodable {
            let path: String
            let machine: MachineRecord
            let only: [String]
        }
        struct Entry: Encodable {
            let `case`, dtype, shape, variantA, variantB: String
            let threads: Int
            let minNsA, minNsB, medianNsA, medianNsB: Int
            let limitFractionA, limitFractionB: Double
            let ratio, probability: Double
            let verdict: String
        }
        let a, b: Side
        let oneMachine: Bool
        let rows: [Entry]
        let geometricMeanOfClear: Double
        let slower: Int?
    }

    /// One object: both machines, the rows, and how many of them are slower than allowed.
    func json(allowed: Double?) throws(BenchError) -> String {
        try Report.jsonLine(
            Document(
                a: .init(path: a.path, machine: a.machine, only: onlyInA.map(\.key)),
                b: .init(path: b.path, machine: b.machine, only: onlyInB.map(\.key)), oneMachine: isOneMachine,
                rows: rows.map { row in
                    .init(
                        case: row.b.case, dtype: row.b.dtype, shape: row.b.shape, variantA: row.a.variant,
                        variantB: row.b.variant, threads: row.b.threads, minNsA: row.a.minNs, minNsB: row.b.minNs,
                        medianNsA: row.a.medianNs, medianNsB: row.b.medianNs, limitFractionA: row.a.limitFraction,
                        limitFractionB: row.b.limitFraction, ratio: row.ratio,
                        probability: RankTest.probability(row.a.samplesNs, row.b.samplesNs), verdict: row.verdict)
                }, geometricMeanOfClear: clearMean, slower: allowed.map { slower(than: $0).count }))
    }
}
