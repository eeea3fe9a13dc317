import Foundation

/// `bench compare A B`: B against A, measurement by measurement.
struct Comparison {
    struct Row {
        let key: String
        let ratio: Double
        let isClear: Bool
    }
    let rows: [Row]
    let onlyInA: Int
    let onlyInB: Int
    let sameMachine: Bool

    init(_ a: ResultFile, _ b: ResultFile) {
        let before = Dictionary(a.measurements.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        let after = Dictionary(b.measurements.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        rows = b.measurements.compactMap { new in
            guard let old = before[new.key] else { return nil }
            let ratio = Double(new.medianNs) / Double(old.medianNs)
            return Row(key: new.key, ratio: ratio, isClear: Self.differ(old.samplesNs, new.samplesNs))
        }
        onlyInA = before.keys.count { after[$0] == nil }
        onlyInB = after.keys.count { before[$0] == nil }
        sameMachine = a.machine.cpu == b.machine.cpu && a.machine.cores == b.machine.cores
    }

    /// Whether two samples differ beyond chance: the Mann–Whitney U statistic, normal approximation, two-sided 1 %.
    static func differ(_ a: [Int], _ b: [Int]) -> Bool {
        guard a.count >= 4, b.count >= 4 else { return false }
        var u = 0.0
        for x in a { for y in b { u += x < y ? 1 : x == y ? 0.5 : 0 } }
        let (m, n) = (Double(a.count), Double(b.count))
        let deviation = (m * n * (m + n + 1) / 12).squareRoot()
        return abs(u - m * n / 2) / deviation > 2.576
    }

    func text() -> String {
        var lines = sameMachine ? [] : ["note: the two files come from different machines"]
        for row in rows {
            let percent = (row.ratio - 1) * 100
            let verdict = !row.isClear ? "no clear difference" : percent > 0 ? "slower" : "faster"
            lines.append(
                String(format: "%+7.1f %%  ", percent) + verdict.padding(toLength: 20, withPad: " ", startingAt: 0)
                    + row.key)
        }
        if onlyInA + onlyInB > 0 {
            lines.append("not compared: \(onlyInA) only in the first file, \(onlyInB) only in the second")
        }
        return lines.joined(separator: "\n")
    }

    /// Entry point of the subcommand; returns the exit code.
    static func run(_ words: [String]) throws(BenchError) -> Int32 {
        var paths: [String] = []
        var allowed: Double?
        var rest = words[...]
        while let word = rest.popFirst() {
            if word == "--fail-if-slower" {
                guard let text = rest.popFirst(), let percent = Double(text.replacing("%", with: "")), percent >= 0
                else {
                    throw BenchError.usage("--fail-if-slower takes a percentage such as 10%")
                }
                allowed = percent / 100
            } else if word.hasPrefix("-") {
                throw BenchError.usage("unknown option \(word); see `bench --help`")
            } else {
                paths.append(word)
            }
        }
        guard paths.count == 2 else { throw BenchError.usage("compare takes two result files; found \(paths.count)") }
        let comparison = Comparison(try ResultFile(contentsOf: paths[0]), try ResultFile(contentsOf: paths[1]))
        guard !comparison.rows.isEmpty else {
            throw BenchError.failed(
                "\(paths[0]) and \(paths[1]) have no measurement in common (case, shape, dtype, variant, threads)")
        }
        print(comparison.text())
        guard let allowed else { return 0 }
        let slower = comparison.rows.filter { $0.isClear && $0.ratio > 1 + allowed }
        if slower.isEmpty { return 0 }
        FileHandle.standardError.write(
            Data("bench: \(slower.count) measurements are more than \(allowed * 100) % slower\n".utf8))
        return 1
    }
}
