/// What must show of every paper, as one table for a README.
enum PaperMarkdown {
    static func text(_ entries: [PaperPage.Entry], machine: String) -> String {
        var lines = [
            "| paper | must show | paper's | here | | time |", "|---|---|---|---|---|---:|",
        ]
        for entry in entries {
            for (index, claim) in entry.result.claims.enumerated() {
                let name = index == 0 ? entry.paper.name : ""
                let time = index == 0 ? "\(decimal(entry.seconds / 60, 1)) min" : ""
                lines.append(
                    "| \(name) | \(cell(claim.text)) | \(cell(claim.paper)) | \(cell(claim.measured)) | "
                        + "\(claim.isMet ? "met" : "**missed**") | \(time) |")
            }
        }
        let seeds = entries.map(\.seeds).max() ?? 0
        lines += ["", "\(seeds) seed\(seeds == 1 ? "" : "s"); \(machine)."]
        return lines.joined(separator: "\n") + "\n"
    }

    private static func cell(_ text: String) -> String { text.replacing("|", with: "\\|") }
}
