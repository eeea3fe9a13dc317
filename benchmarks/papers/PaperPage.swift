import AlambicReport

/// Results as one self-contained page.
enum PaperPage {
    struct Entry {
        let paper: any Paper.Type
        let result: PaperResult
        let seconds: Double
        let seeds: Int
        let quick: Bool
    }

    static func html(_ entries: [Entry], machine: String) -> String {
        let sections = entries.map(section).joined(separator: "\n")
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>Alambic: the papers' results, run here</title>
            <style>\(Style.css)
            .met { color: var(--s2); font-weight: 600; } .missed { color: var(--s1); font-weight: 600; }
            td { white-space: normal; }
            .claims th, .claims td { text-align: left; vertical-align: top; }
            section { border-top: 1px solid var(--rule); margin-top: 48px; }</style>
            </head>
            <body>
            <main>
            <h1>The papers' results, run here</h1>
            <p class="note">\(Chart.escape(machine))</p>
            \(sections)
            </main>
            </body>
            </html>

            """
    }

    private static func section(_ entry: Entry) -> String {
        let result = entry.result
        let claims = result.claims.map { claim in
            "<tr><td class=\"\(claim.isMet ? "met\">met" : "missed\">missed")</td><td>\(Chart.escape(claim.text))</td>"
                + "<td>\(Chart.escape(claim.paper))</td><td>\(Chart.escape(claim.measured))</td></tr>"
        }
        let tables = result.tables.map { table in
            let head = table.columns.map { "<th>\(Chart.escape($0))</th>" }.joined()
            let body = table.rows.map { row in
                "<tr>"
                    + row.enumerated().map {
                        $0 == 0 ? "<th scope=\"row\">\(Chart.escape($1))</th>" : "<td>\(Chart.escape($1))</td>"
                    }
                    .joined() + "</tr>"
            }
            return "<h3>\(Chart.escape(table.title))</h3><div class=\"scroll\"><table><thead><tr>\(head)</tr></thead>"
                + "<tbody>\(body.joined(separator: "\n"))</tbody></table></div>" + note(table.note)
        }
        let curves = result.curves.map { curve in
            "<h3>\(Chart.escape(curve.title))</h3>"
                + Chart.lines(series(curve), x: curve.x, y: curve.y) + note(curve.note)
        }
        let differences = result.differences.map { "<li>\(Chart.escape($0))</li>" }.joined()
        return """
            <section id="\(entry.paper.name)">
            <h2>\(Chart.escape(entry.paper.summary))</h2>
            <p class="note">\(Chart.escape(entry.paper.citation)). \(entry.seeds) seed\(entry.seeds == 1 ? "" : "s"), \(decimal(entry.seconds / 60, 1)) minutes\(entry.quick ? ", a quick run: claims need not be met" : "").</p>
            <div class="scroll"><table class="claims"><thead><tr><th></th><th>must show</th><th>paper</th><th>here</th></tr></thead>
            <tbody>\(claims.joined(separator: "\n"))</tbody></table></div>
            \(tables.joined(separator: "\n"))
            \(curves.joined(separator: "\n"))
            <h3>What differs from the paper</h3>
            <ul>\(differences)</ul>
            </section>
            """
    }

    /// A curve as a picture of its own.
    static func picture(_ curve: PaperResult.Curves) -> String {
        Chart.picture(curve.title, series(curve), x: curve.x, y: curve.y)
    }

    private static func series(_ curve: PaperResult.Curves) -> [Chart.Series] {
        curve.lines.map { Chart.Series(name: $0.name, points: Array(zip($0.x, $0.y))) }
    }

    private static func note(_ text: String?) -> String {
        text.map { "<p class=\"note\">\(Chart.escape($0))</p>" } ?? ""
    }
}
