import Foundation

/// One option of a subcommand.
struct Option: Sendable {
    enum Kind: Sendable { case value(String), list(String), flag }
    let name: String
    let kind: Kind
    let help: String

    static func value(_ name: String, _ placeholder: String, _ help: String) -> Option {
        Option(name: name, kind: .value(placeholder), help: help)
    }
    /// One value or several, up to the next option.
    static func list(_ name: String, _ placeholder: String, _ help: String) -> Option {
        Option(name: name, kind: .list(placeholder), help: help)
    }
    static func flag(_ name: String, _ help: String) -> Option { Option(name: name, kind: .flag, help: help) }

    /// What every subcommand understands.
    static let common: [Option] = [
        .value("seed", "N", "seed of every random choice (default 1)"),
        .value("threads", "N", "worker threads (default: one per core, or ALAMBIC_THREADS)"),
        .flag("json", "one machine-readable object on standard output, everything else on standard error"),
        .flag("help", "this text"),
    ]
}

/// Why a command ended without doing its work.
enum CommandError: Error {
    /// The words on the command line are off: exit code 64.
    case usage(String)
    /// The work could not be done: exit code 1.
    case failed(String)
    /// Ctrl-C: exit code 130. The text says what was kept.
    case interrupted(String)
}

/// A subcommand: its options and what it runs.
struct Subcommand: Sendable {
    let name: String
    let summary: String
    let usage: String
    let options: [Option]
    /// Further lines of help: methods, presets, an example.
    var notes: String = ""
    let run: @Sendable (Arguments) throws -> Void

    var help: String {
        let rows = (options + Option.common).map { option -> (String, String) in
            switch option.kind {
            case .value(let placeholder), .list(let placeholder): ("--\(option.name) \(placeholder)", option.help)
            case .flag: ("--\(option.name)", option.help)
            }
        }
        let width = min(26, rows.map(\.0.count).max() ?? 0)
        let lines = rows.map { row in
            let left = row.0.padding(toLength: max(width, row.0.count), withPad: " ", startingAt: 0)
            let text = wrapped(row.1, width: 80 - width - 4)
            return "  \(left)  \(text.joined(separator: "\n" + String(repeating: " ", count: width + 4)))"
        }
        let remarks = wrapped(notes.replacing("\n", with: " "), width: 80).joined(separator: "\n")
        return "usage: alambic \(name) \(usage)\n\n\(summary)\n\n" + lines.joined(separator: "\n")
            + (remarks.isEmpty ? "" : "\n\n\(remarks)")
    }
}

/// Breaks a text into lines of at most `width` characters, between words.
func wrapped(_ text: String, width: Int) -> [String] {
    var lines: [String] = []
    for word in text.split(separator: " ") {
        if let last = lines.last, last.count + 1 + word.count <= width {
            lines[lines.count - 1] = last + " " + word
        } else {
            lines.append(String(word))
        }
    }
    return lines
}

/// The parsed words of one call. Every accessor checks the range and names the option when it does not fit.
struct Arguments: Sendable {
    let command: String
    private var values: [String: String] = [:]
    private var lists: [String: [String]] = [:]
    private var flags: Set<String> = []

    init(_ words: [String], of command: Subcommand) throws(CommandError) {
        self.command = command.name
        let known = command.options + Option.common
        var rest = words[...]
        while var word = rest.popFirst() {
            if word == "-h" { word = "--help" }
            guard word.hasPrefix("--") else {
                throw .usage("unexpected '\(word)'; options start with --, see `alambic \(command.name) --help`")
            }
            var name = String(word.dropFirst(2))
            var inline: String?
            if let equals = name.firstIndex(of: "=") {
                inline = String(name[name.index(after: equals)...])
                name = String(name[..<equals])
            }
            guard let option = known.first(where: { $0.name == name }) else {
                let close = nearest(name, in: known.map(\.name)).map { "did you mean --\($0)? " } ?? ""
                throw .usage("unknown option --\(name); \(close)see `alambic \(command.name) --help`")
            }
            switch option.kind {
            case .flag:
                if inline != nil { throw .usage("--\(name) takes no value") }
                flags.insert(name)
            case .value(let placeholder):
                guard let value = inline ?? rest.popFirst(), inline != nil || !value.hasPrefix("--") else {
                    throw .usage("--\(name) needs a value (\(placeholder))")
                }
                if values.updateValue(value, forKey: name) != nil { throw .usage("--\(name) is given twice") }
            case .list(let placeholder):
                var found = inline.map { [$0] } ?? []
                while inline == nil, let word = rest.first, !word.hasPrefix("--") {
                    found.append(word)
                    rest.removeFirst()
                }
                guard !found.isEmpty else { throw .usage("--\(name) needs a value (\(placeholder))") }
                lists[name, default: []] += found
            }
        }
    }

    func has(_ name: String) -> Bool { flags.contains(name) }

    /// All values of an option that takes several.
    func list(_ name: String) -> [String] { lists[name] ?? [] }

    func string(_ name: String) -> String? { values[name] }

    func required(_ name: String, _ what: String) throws(CommandError) -> String {
        guard let value = values[name], !value.isEmpty else {
            throw .usage("--\(name) is needed: \(what); see `alambic \(command) --help`")
        }
        return value
    }

    func int(_ name: String, in range: ClosedRange<Int>) throws(CommandError) -> Int? {
        guard let text = values[name] else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw .usage(
                "--\(name) takes a whole number from \(range.lowerBound) to \(range.upperBound); found '\(text)'")
        }
        return value
    }

    func double(_ name: String, in range: ClosedRange<Double>) throws(CommandError) -> Double? {
        guard let text = values[name] else { return nil }
        guard let value = Double(text), value.isFinite, range.contains(value) else {
            throw .usage("--\(name) takes a number from \(range.lowerBound) to \(range.upperBound); found '\(text)'")
        }
        return value
    }

    func seed() throws(CommandError) -> UInt64 {
        guard let text = values["seed"] else { return 1 }
        guard let value = UInt64(text) else {
            throw .usage("--seed takes a whole number from 0 to \(UInt64.max); found '\(text)'")
        }
        return value
    }

    /// One of the named values, or a usage error that lists them.
    func choice(_ name: String, from known: [String], default first: String) throws(CommandError) -> String {
        guard let text = values[name] else { return first }
        guard known.contains(text) else {
            throw .usage("unknown \(name) '\(text)'; known: \(known.joined(separator: ", "))")
        }
        return text
    }

    /// The same for the cases of a type.
    func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, default first: Choice
    ) throws(CommandError) -> Choice where Choice.RawValue == String {
        let text = try choice(name, from: Choice.allCases.map(\.rawValue), default: first.rawValue)
        return Choice(rawValue: text) ?? first
    }
}

/// The known word within two edits of `word`, if there is one.
func nearest(_ word: String, in known: [String]) -> String? {
    let ranked = known.map { ($0, editDistance(word, $0)) }.min { $0.1 < $1.1 }
    guard let (best, distance) = ranked, distance <= 2 else { return nil }
    return best
}

private func editDistance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a), Array(b))
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, y) in b.enumerated() {
            let above = row[j + 1]
            row[j + 1] = x == y ? diagonal : 1 + min(diagonal, above, row[j])
            diagonal = above
        }
    }
    return row[b.count]
}
