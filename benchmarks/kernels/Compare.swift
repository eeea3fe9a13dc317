import Foundation

/// `bench compare A B`: B against A, measurement by measurement.
struct Comparison {
    struct Row {
        let a: Measurement
        let b: Measurement
        /// B's fastest time over A's.
        var ratio: Double { Double(b.minNs) / Double(a.minNs) }
        /// Whether the samples differ beyond chance, and their minima in the same direction as their medians.
        var isClear: Bool {
            guard RankTest.differ(a.samplesNs, b.samplesNs) else { return false }
            return a.minNs < b.minNs && a.medianNs < b.medianNs || a.minNs > b.minNs && a.medianNs > b.medianNs
        }
        /// Two variants, each the fastest of its machine.
        var joinsVariants: Bool { a.variant != b.variant }
        var verdict: String { !isClear ? "same" : ratio > 1 ? "slower" : "faster" }
    }

    let a: ResultFile
    let b: ResultFile
    let rows: [Row]
    let onlyInA: [Measurement]
    let onlyInB: [Measurement]

    /// Whether times can be compared as they are: otherwise they tell two machines apart, not two programs.
    var isOneMachine: Bool { a.machine.cpu == b.machine.cpu && a.machine.cores == b.machine.cores }

    /// Joins what was measured alike. Between different machines, what is left over is joined by the fastest variant of each:
    /// one may have instruction sets that the other lacks.
    ///
    /// Refuses two measurements under one name whose work differs: their times say nothing about each other.
    init(_ a: ResultFile, _ b: ResultFile) throws(BenchError) {
        (self.a, self.b) = (a, b)
        let isOneMachine = a.machine.cpu == b.machine.cpu && a.machine.cores == b.machine.cores
        let before = Dictionary(uniqueKeysWithValues: a.measurements.indices.map { (a.measurements[$0].key, $0) })
        var pairs: [(a: Int, b: Int)] = []
        var (joinedA, joinedB) = (Set<Int>(), Set<Int>())
        for index in b.measurements.indices {
            guard let other = before[b.measurements[index].key] else { continue }
            pairs.append((other, index))
            joinedA.insert(other)
            joinedB.insert(index)
        }
        if !isOneMachine {
            let tasks = Set(pairs.filter { b.measurements[$0.b].peer != true }.map { b.measurements[$0.b].task })
            let (bestA, bestB) = (Self.fastest(a, besides: tasks), Self.fastest(b, besides: tasks))
            for (task, index) in bestB.sorted(by: { $0.value < $1.value }) {
                guard let other = bestA[task] else { continue }
                pairs.append((other, index))
                joinedA.insert(other)
                joinedB.insert(index)
            }
        }
        for pair in pairs {
            let (old, new) = (a.measurements[pair.a], b.measurements[pair.b])
            if let what = Self.difference(old, new) {
                throw BenchError.failed(
                    "\(a.path):\(a.lines[pair.a]) and \(b.path):\(b.lines[pair.b]) cannot be compared: \(new.key) is "
                        + "different work, \(what)")
            }
        }
        guard !pairs.isEmpty else {
            throw BenchError.failed(
                "\(a.path) and \(b.path) have no measurement in common (case, type, shape, variant, threads)")
        }
        rows = pairs.map { Row(a: a.measurements[$0.a], b: b.measurements[$0.b]) }
        onlyInA = a.measurements.indices.filter { !joinedA.contains($0) }.map { a.measurements[$0] }
        onlyInB = b.measurements.indices.filter { !joinedB.contains($0) }.map { b.measurements[$0] }
    }

    /// The fastest variant of ours for each task, tasks in `done` aside.
    private static func fastest(_ file: ResultFile, besides done: Set<String>) -> [String: Int] {
        var best: [String: Int] = [:]
        for (index, row) in file.measurements.enumerated() where row.peer != true && !done.contains(row.task) {
            if let other = best[row.task], file.measurements[other].minNs <= row.minNs { continue }
            best[row.task] = index
        }
        return best
    }

    /// What makes two measurements different work, nil when nothing does.
    private static func difference(_ a: Measurement, _ b: Measurement) -> String? {
        func differ<T: Equatable>(_ name: String, _ x: T, _ y: T) -> String? {
            x == y ? nil : "\(name) \(x) against \(y)"
        }
        return differ("ops", a.ops, b.ops) ?? differ("bytes", a.bytes, b.bytes) ?? differ("cold", a.cold, b.cold)
            ?? differ("pattern", a.pattern, b.pattern)
    }

    /// The geometric mean of the ratios of times of the clear rows, 1 when there is none.
    var clearMean: Double {
        let clear = rows.filter(\.isClear).map { log($0.ratio) }
        return clear.isEmpty ? 1 : exp(clear.reduce(0, +) / Double(clear.count))
    }

    /// Our rows that are clearly slower by more than `allowed`, 0.1 for 10 %. A competitor's are its own affair.
    func slower(than allowed: Double) -> [Row] {
        rows.filter { $0.b.peer != true && $0.isClear && $0.ratio > 1 + allowed }
    }

    /// Rows with too few samples for any difference to be clear, however large.
    var untold: [Row] { rows.filter { min($0.a.samplesNs.count, $0.b.samplesNs.count) < RankTest.leastSamples } }
}

extension Comparison {
    static let help = """
        usage: swift run bench compare A.jsonl B.jsonl [--fail-if-slower 10%] [--output md|json]

        Compares two result files, B against A: the machines side by side, then each measurement that both hold. A difference is
        clear when a rank test of the samples (Mann–Whitney, 1 %) says so and minimum and median agree with it.

          --fail-if-slower P   exit code 1 when a measurement of B is clearly slower than A's by more than P, such as 10%
                               (competitors aside), or when none has the 5 samples that it takes to tell
          --output FORMAT      md or json (default md)
        """

    /// Entry point of the subcommand; returns the exit code.
    static func run(_ words: [String]) throws(BenchError) -> Int32 {
        var paths: [String] = []
        var allowed: Double?
        var isJSON = false
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "--fail-if-slower":
                let text = rest.popFirst() ?? ""
                guard let fraction = percentage(text) else {
                    throw BenchError.usage("--fail-if-slower takes a percentage such as 10%; found '\(text)'")
                }
                allowed = fraction
            case "--output":
                let text = rest.popFirst() ?? ""
                guard ["md", "json"].contains(text) else {
                    throw BenchError.usage("compare --output takes md or json; found '\(text)'")
                }
                isJSON = text == "json"
            case "--help", "-h":
                print(help)
                return 0
            case _ where word.hasPrefix("-"):
                throw BenchError.usage("unknown option \(word); see `bench compare --help`")
            default: paths.append(word)
            }
        }
        guard paths.count == 2 else {
            throw BenchError.usage("compare takes two result files, found \(paths.count); see `bench compare --help`")
        }
        let comparison = try Comparison(ResultFile(contentsOf: paths[0]), ResultFile(contentsOf: paths[1]))
        print(isJSON ? try comparison.json(allowed: allowed) : comparison.text())
        guard let allowed else { return 0 }
        // A gate that cannot close must not look like one that stayed open.
        let untold = comparison.untold.count { $0.b.peer != true }
        if untold > 0 {
            complain(
                "--fail-if-slower cannot tell for \(untold) of \(comparison.rows.count) measurements, which have fewer "
                    + "than \(RankTest.leastSamples) samples; measure with --repetitions \(RankTest.leastSamples) or more"
            )
        }
        let slower = comparison.slower(than: allowed)
        guard let worst = slower.max(by: { $0.ratio < $1.ratio }) else {
            return untold > 0 && untold == comparison.rows.count { $0.b.peer != true } ? 1 : 0
        }
        complain(
            "\(slower.count) measurement\(slower.count == 1 ? " is" : "s are") slower by more than "
                + "\(Report.percent(allowed)); the worst is \(worst.b.key), \(Report.percent(worst.ratio - 1))")
        return 1
    }

    /// "10%" or "10", as a fraction.
    static func percentage(_ text: String) -> Double? {
        guard let percent = Double(text.hasSuffix("%") ? String(text.dropLast()) : text), percent >= 0, percent.isFinite
        else { return nil }
        return percent / 100
    }
}
