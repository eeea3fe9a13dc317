import AlambicKernels
import Foundation

/// Runs everything the arguments ask for and writes the result; returns the exit code.
func runBench(_ words: [String]) throws -> Int32 {
    if words.first == "compare" { return try Comparison.run(Array(words.dropFirst())) }
    if words.first == "sparse" { return try SparseRun.main(Array(words.dropFirst())) }
    if words.contains("--help") || words.contains("-h") {
        print(BenchArguments.help)
        return 0
    }
    let arguments = try BenchArguments(words)
    let machine = Machine.local
    if let problem = machine.environmentProblem { throw BenchError.usage(problem) }
    let cases = try arguments.selected(from: allCases)
    if arguments.list {
        print(list(cases), terminator: "")
        return 0
    }
    let run = try BenchRun(arguments, cases: cases, on: machine)
    if let path = arguments.outPath { try checkWritable(path) }
    for problem in run.leftOut { complain("left out: \(problem)") }
    let peers = arguments.peers ? try PeerSet(tell: complain) : nil
    stopOnInterrupt()
    let (record, rows) = try run.measure(peers: peers)
    peers?.stop()
    var text = try Report.render(record, rows, as: arguments.output)
    if arguments.output == .md { text += PeerReport.text(rows) }
    try write(text, to: arguments.outPath)
    if interrupted.load(ordering: .relaxed) {
        complain("interrupted after \(rows.count) of \(run.items.count) measurements, which were written")
        return 130
    }
    // A competitor is held to no limit: it is not our measurement that would be wrong.
    let impossible = rows.filter { $0.limitFraction > Harness.mostPossible && $0.peer != true }
    guard let worst = impossible.max(by: { $0.limitFraction < $1.limitFraction }) else { return 0 }
    let others = impossible.count - 1
    complain(
        "\(worst.key) is above the machine's limit (\(String(format: "%.3f", worst.limitFraction))) twice"
            + (others == 0 ? "" : ", and so \(others == 1 ? "is another" : "are \(others) others")")
            + ": the measurement is wrong, run it again on an idle machine")
    return 1
}

/// The cases, their variants (those that do not run here in parentheses) and shapes, and the sets of shapes.
func list(_ cases: [BenchCase]) -> String {
    var text = ""
    for benchCase in cases {
        let names = benchCase.variants.map { $0.runsHere ? $0.name : "(\($0.name))" }
        text += Report.wrapped(benchCase.summary, after: "\(benchCase.name) \(benchCase.dtype): ")
        let peer = benchCase.peer.map { [$0.name] } ?? []
        let indent = String(repeating: " ", count: 12)
        text += Report.wrapped((names + peer).joined(separator: " "), after: "  variants: ", indent: indent)
        let shapes = benchCase.shapes.map(\.description).joined(separator: " ")
        text += Report.wrapped(shapes, after: "  shapes:   ", indent: indent)
    }
    text += "sets of shapes:\n"
    for set in ShapeChoice.sets { text += "  \(set.name): \(set.summary)\n" }
    return text
}

/// Ctrl-C ends what is measured after the present repetition.
func stopOnInterrupt() {
    signal(SIGINT) { _ in
        // A second one ends the process at once.
        interrupted.store(true, ordering: .relaxed)
        signal(SIGINT, SIG_DFL)
    }
}

/// To a file, or to standard output.
func write(_ text: String, to path: String?) throws(BenchError) {
    guard let path else {
        print(text, terminator: "")
        return
    }
    do { try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
        throw BenchError.failed("cannot write \(path): \(error.localizedDescription)")
    }
}

/// Before anything is measured: nobody should wait an hour to learn that a folder does not exist.
func checkWritable(_ path: String) throws(BenchError) {
    var isDirectory: ObjCBool = false
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
        throw BenchError.failed("cannot write \(path): a folder")
    }
    guard FileManager.default.isWritableFile(atPath: folder) else {
        throw BenchError.failed("cannot write \(path): \(folder) is not a folder that can be written to")
    }
}

do {
    exit(try runBench(Array(CommandLine.arguments.dropFirst())))
} catch BenchError.usage(let text) {
    complain(text)
    exit(64)
} catch BenchError.failed(let text) {
    complain(text)
    exit(1)
} catch {
    complain("\(error)")
    exit(1)
}
