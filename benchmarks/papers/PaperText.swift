/// Results as plain text of at most 80 columns where the tables permit.
enum PaperText {
    static func text(_ paper: any Paper.Type, _ result: PaperResult, seconds: Double, seeds: Int) -> String {
        var lines = [""] + wrapped(paper.citation, indent: 2) + wrapped(paper.summary, indent: 2) + [""]
        for claim in result.claims {
            lines += wrapped("\(claim.isMet ? "met   " : "MISSED") \(claim.text)", indent: 7)
            lines += wrapped("       paper: \(claim.paper); here: \(claim.measured)", indent: 7)
        }
        for table in result.tables {
            lines += ["", table.title] + rows(table)
            if let note = table.note { lines += wrapped(note, indent: 0) }
        }
        lines.append("")
        for difference in result.differences { lines += wrapped("- \(difference)", indent: 2) }
        lines.append("\(seeds) seed\(seeds == 1 ? "" : "s"), \(decimal(seconds / 60, 1)) minutes")
        return lines.joined(separator: "\n") + "\n"
    }

    private static func rows(_ table: PaperResult.Table) -> [String] {
        let all = [table.columns] + table.rows
        let widths = table.columns.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        var lines = all.map { row in
            row.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + space : space + cell
            }.joined(separator: "  ")
        }
        lines.insert(widths.map { String(repeating: "-", count: $0) }.joined(separator: "  "), at: 1)
        return lines
    }

    private static func wrapped(_ text: String, indent: Int, width: Int = 80) -> [String] {
        var lines: [String] = []
        var line = ""
        // Leading spaces are part of the first word.
        let lead = String(text.prefix { $0 == " " })
        for word in text.split(separator: " ") {
            if line.isEmpty {
                line = lines.isEmpty ? lead + word : String(repeating: " ", count: indent) + word
            } else if line.count + word.count < width {
                line += " " + word
            } else {
                lines.append(line)
                line = String(repeating: " ", count: indent) + word
            }
        }
        return lines + [line]
    }
}
