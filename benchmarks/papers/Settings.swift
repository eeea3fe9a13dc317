import Foundation

/// What the command line asks for.
struct Settings {
    var papers: [any Paper.Type] = Papers.all
    var data: URL?
    var out = URL(fileURLWithPath: "out/papers")
    var seeds = 3
    var quick = false
    var wantsHelp = false

    /// Why words on the command line cannot be used.
    struct UsageError: Error {
        let text: String
    }

    static var help: String {
        let width = Papers.all.map { $0.name.count }.max() ?? 0
        let papers = Papers.all.map { paper in
            "  \(paper.name.padding(toLength: width, withPad: " ", startingAt: 0))  \(paper.summary)"
        }
        return """
            usage: swift run papers [NAME…] [--data DIR] [--out DIR] [--seeds N] [--quick]

            Trains what each paper's central result needs and prints paper and measured side
            by side. Finished parts are kept in the output directory: a run that was
            interrupted goes on where it was, and a run again only prints.

            \(papers.joined(separator: "\n"))

              --data DIR   holds mnist/ and tinyshakespeare/ (default: ALAMBIC_DATA)
              --out DIR    where results go (default: out/papers)
              --seeds N    means over seeds 1 to N (default 3; quick: 1)
              --quick      all of it in under ten minutes; claims need not be met
            """
    }

    init(_ words: [String], environment: [String: String]) throws(UsageError) {
        var names: [String] = []
        var rest = words[...]
        var seeds: Int?
        func value(_ option: String) throws(UsageError) -> String {
            guard let value = rest.popFirst() else { throw UsageError(text: "\(option) needs a value") }
            return value
        }
        while let word = rest.popFirst() {
            switch word {
            case "--help", "-h": wantsHelp = true
            case "--quick": quick = true
            case "--data": data = URL(fileURLWithPath: try value(word))
            case "--out": out = URL(fileURLWithPath: try value(word))
            case "--seeds":
                let text = try value(word)
                guard let count = Int(text), (1...100).contains(count) else {
                    throw UsageError(text: "--seeds \(text) is not a number from 1 to 100")
                }
                seeds = count
            default:
                guard !word.hasPrefix("-") else {
                    throw UsageError(text: "unknown option '\(word)'; see `swift run papers --help`")
                }
                names.append(word)
            }
        }
        self.seeds = seeds ?? (quick ? 1 : 3)
        if data == nil, let path = environment["ALAMBIC_DATA"] { data = URL(fileURLWithPath: path) }
        guard !names.isEmpty else { return }
        var chosen: [any Paper.Type] = []
        for name in names {
            guard let paper = Papers.all.first(where: { $0.name == name }) else {
                throw UsageError(
                    text: "unknown paper '\(name)': use \(Papers.all.map { $0.name }.joined(separator: ", "))")
            }
            chosen.append(paper)
        }
        papers = chosen
    }
}
