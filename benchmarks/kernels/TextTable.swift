/// A Markdown table whose columns line up when read as plain text.
struct TextTable {
    enum Alignment { case left, right }
    let columns: [(title: String, alignment: Alignment)]
    var rows: [[String]] = []

    func text() -> String {
        let widths = columns.indices.map { column in
            max(3, ([columns[column].title] + rows.map { $0[column] }).map(\.count).max() ?? 0)
        }
        func line(_ cells: [String]) -> String {
            let padded = cells.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return columns[column].alignment == .right ? space + cell : cell + space
            }
            return "| " + padded.joined(separator: " | ") + " |\n"
        }
        let rule = columns.indices.map { column in
            String(repeating: "-", count: widths[column] + 1) + (columns[column].alignment == .right ? ":" : "-")
        }
        return line(columns.map(\.title)) + "|" + rule.joined(separator: "|") + "|\n" + rows.map(line).joined()
    }
}
