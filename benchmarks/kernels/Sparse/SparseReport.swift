// swift-format-ignore-file: AlwaysUseLowerCamelCase
// N and K are the names that the field uses.

import Foundation

/// Tables of `bench sparse`, at most 80 columns wide.
struct SparseReport {
    let table: SparseTable
    let N: Int
    let K: Int
    let threads: Int

    /// The stored types that were measured, with the dense ones that they may meet.
    private var types: [(dtype: String, against: [String])] {
        SparseTable.types.filter { type in table.timings.contains { $0.dtype == type.dtype && $0.form != .dense } }
    }

    func text() -> String {
        let workers = "\(threads) thread\(threads == 1 ? "" : "s")"
        var text = """
            C[M,N] = A[M,K] W[N,K]ᵀ, N = \(N), K = \(K), W from memory, \(workers).
            The fastest form of W and its gain over the dense form of the same type;
            "dense" where none gains, with the factor of the best in parentheses.
            Rows with a * have their zeros in whole blocks, the others at random.


            """
        for type in types { text += gains(type.dtype) + "\n" + breakEvens(type.dtype, type.against) + "\n" }
        let noise = table.noise
        let rounds = table.timings.map(\.samplesNs.count).min() ?? 0
        text += "Medians of \(rounds) rounds, all forms in turn in each; above their fastest round by\n"
        return text + "\(Self.percent(noise.typical)) in the middle, \(Self.percent(noise.worst)) at worst.\n"
    }

    /// One table of a stored type. That of int8 says how its best with one row compares with dense 4-bit weights.
    private func gains(_ dtype: String) -> String {
        let besides = dtype == "s8" && table.median(SparseTable.fourBits, .dense, percent: 0, rows: 1) != nil
        var columns: [(title: String, alignment: TextTable.Alignment)] = [("\(dtype)", .right)]
        columns += SparseTable.rows.map { ("M = \($0)", .left) }
        if besides { columns.append(("int4", .right)) }
        var text = TextTable(columns: columns)
        for percent in SparseTable.percents {
            for (mark, forms) in [("", [SparseForm.bitmask, .csr]), ("*", [.bitmask, .csr, .blocks])] {
                if percent == 0 && mark == "*" { continue }
                var row = ["\(percent) %" + (mark.isEmpty ? " " : mark)]
                row += SparseTable.rows.map { rows in
                    Self.text(table.cell(dtype, forms, percent: percent, rows: rows))
                }
                if besides { row.append(fourBits(dtype, forms, percent: percent)) }
                text.rows.append(row)
            }
        }
        return text.text() + (besides ? "int4: the gain at M = 1 over dense \(SparseTable.fourBits).\n" : "")
    }

    private func fourBits(_ dtype: String, _ forms: [SparseForm], percent: Int) -> String {
        let cell = table.cell(dtype, forms, percent: percent, rows: 1, against: SparseTable.fourBits)
        return cell.map { Self.factor($0.gain) } ?? "-"
    }

    private func breakEvens(_ dtype: String, _ against: [String]) -> String {
        var text = TextTable(
            columns: [("faster than", .left), ("from", .left)] + SparseTable.rows.map { ("M = \($0)", .right) })
        for other in against {
            for form in SparseForm.allCases where form != .dense {
                let places = SparseTable.rows.map { table.breakEven(dtype, form, against: other, rows: $0) }
                if places.allSatisfy({ $0 == nil }) { continue }
                text.rows.append(["dense \(other)", form.rawValue] + places.map(Self.place))
            }
        }
        return text.text()
    }

    /// "bitmask 1.52", or "dense (0.93)".
    static func text(_ cell: SparseTable.Cell?) -> String {
        guard let cell else { return "-" }
        return cell.gain > 1 ? "\(cell.form) \(factor(cell.gain))" : "dense (\(factor(cell.gain)))"
    }

    /// Four characters.
    static func factor(_ gain: Double) -> String {
        String(format: gain >= 99.95 ? "%.0f" : gain >= 9.995 ? "%.1f" : "%.2f", gain)
    }

    /// Where a form breaks even: percent of zeros, or that it wins or loses everywhere.
    static func place(_ percent: Double?) -> String {
        guard let percent else { return "-" }
        return percent == 0 ? "always" : percent.isFinite ? String(format: "%.0f %%", percent) : "never"
    }

    private static func percent(_ fraction: Double) -> String { String(format: "%.0f %%", fraction * 100) }
}

/// The same as one object.
struct SparseDocument: Encodable {
    struct Best: Encodable {
        let dtype, pattern: String
        let percent, rows: Int
        /// "dense" where no sparse form gains.
        let form: String
        /// Of the fastest sparse form, over the dense one of the same type; and of int8 with one row, over 4-bit weights.
        let gain: Double
        let gainOverInt4: Double?
    }
    struct BreakEven: Encodable {
        let dtype, form, against: String
        let rows: Int
        /// Nil: never within what was measured.
        let percent: Double?
    }

    let schema = 1
    let kind = "sparse-table"
    let machine: MachineRecord
    let threads, n, k: Int
    let best: [Best]
    let breakEven: [BreakEven]
    let timings: [SparseTiming]

    init(_ report: SparseReport, machine: MachineRecord) {
        let table = report.table
        (self.machine, threads, n, k, timings) = (machine, report.threads, report.N, report.K, table.timings)
        var (best, places): ([Best], [BreakEven]) = ([], [])
        for (dtype, against) in SparseTable.types {
            for rows in SparseTable.rows {
                for percent in SparseTable.percents {
                    for (pattern, forms) in [
                        ("elements", [SparseForm.bitmask, .csr]), ("blocks", [.bitmask, .csr, .blocks]),
                    ] {
                        guard let cell = table.cell(dtype, forms, percent: percent, rows: rows) else { continue }
                        let four = table.cell(
                            dtype, forms, percent: percent, rows: rows, against: SparseTable.fourBits)
                        best.append(
                            Best(
                                dtype: dtype, pattern: pattern, percent: percent, rows: rows,
                                form: cell.gain > 1 ? cell.form.rawValue : "dense", gain: cell.gain,
                                gainOverInt4: dtype == "s8" ? four?.gain : nil))
                    }
                }
                for form in SparseForm.allCases where form != .dense {
                    for other in against {
                        guard let place = table.breakEven(dtype, form, against: other, rows: rows) else { continue }
                        places.append(
                            BreakEven(
                                dtype: dtype, form: form.rawValue, against: other, rows: rows,
                                percent: place.isFinite ? place : nil))
                    }
                }
            }
        }
        (self.best, breakEven) = (best, places)
    }
}
