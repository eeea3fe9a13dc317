import AlambicKernels
import COpenBLAS
import Foundation

/// Runs everything the arguments ask for and writes the result; returns the exit code.
func runBench(_ words: [String]) throws -> Int32 {
    if words.contains("--help") || words.contains("-h") {
        print(BenchArguments.help)
        return 0
    }
    if words.first == "compare" { return try Comparison.run(Array(words.dropFirst())) }
    let arguments = try BenchArguments(words)
    let machine = Machine.local
    if let problem = machine.environmentProblem { throw BenchError.usage(problem) }
    let cases = try arguments.selected(from: allCases)
    if arguments.list {
        for benchCase in cases {
            print("\(benchCase.name) \(benchCase.dtype): \(benchCase.summary)")
            let names = benchCase.variants.map { $0.runsHere ? $0.name : "(\($0.name))" }
            print("  variants: \(names.joined(separator: " "))\(benchCase.peer.map { " \($0.name)" } ?? "")")
            print("  shapes:   \(benchCase.shapes.map(\.description).joined(separator: " "))")
        }
        return 0
    }
    let peers = arguments.peers ? try PeerSet(tell: complain) : nil
    let threads = arguments.threads ?? (machine.defaultWorkers > 1 ? [1, machine.defaultWorkers] : [1])
    let harness = Harness(repetitions: arguments.repetitions)
    var limits: [Int: Limits] = [:]
    var records: [MachineRecord.Limits] = []
    for count in threads {
        progress("measuring the limits of \(count) thread\(count == 1 ? "" : "s")")
        let limit = try Limits(threads: count, machine: machine)
        records.append(try limit.measureAll(threads: count))
        limits[count] = limit
    }
    let record = machineRecord(machine, limits: records, threads: threads.max() ?? 1)

    var rows: [Measurement] = []
    for benchCase in cases {
        for shape in try arguments.shapes(of: benchCase) {
            for count in threads {
                guard let limit = limits[count] else { continue }
                for variant in arguments.variants(of: benchCase) {
                    progress("\(benchCase.name) \(shape) \(benchCase.dtype) \(variant.name), \(count) threads")
                    let context = try machine.context(threads: count, allowing: variant.needs)
                    let workload = try benchCase.prepare(shape, context)
                    func measure(_ harness: Harness) throws -> Measurement {
                        try harness.measure(
                            workload, case: benchCase, shape: shape, variant: variant.name, isa: "\(variant.needs)",
                            threads: count, limits: limit)
                    }
                    // The best variant meets the peers; the others are measured alone.
                    if let peers, variant.name == arguments.variants(of: benchCase).first?.name,
                        let turns = try peers.rows(
                            case: benchCase.name, dtype: benchCase.dtype, shape: shape, context: context,
                            isCold: benchCase.isCold, ours: { try measure(Harness(repetitions: $0)) })
                    {
                        rows += turns
                    } else {
                        rows.append(try measure(harness))
                    }
                }
                if let peer = benchCase.peer {
                    progress("\(benchCase.name) \(shape) \(benchCase.dtype) \(peer.name), \(count) threads")
                    let workload = try peer.prepare(shape, count)
                    rows.append(
                        try harness.measure(
                            workload, case: benchCase, shape: shape, variant: peer.name, isa: peer.name, threads: count,
                            limits: limit))
                }
            }
        }
    }
    peers?.stop()
    progress(nil)
    if rows.isEmpty {
        throw BenchError.usage("nothing to run: no selected case has such a variant or shape; see `bench --list`")
    }
    var text = try Report.render(record, rows, as: arguments.output)
    if arguments.output == .md { text += PeerReport.text(rows) }
    if let path = arguments.outPath {
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw BenchError.failed("cannot write \(path): \(error.localizedDescription)")
        }
    } else {
        print(text, terminator: "")
    }
    let impossible = rows.filter { $0.limitFraction > 1.02 }
    for row in impossible {
        complain(
            "\(row.key) is above the machine's limit (\(row.limitFraction)): the measurement is wrong, run it again")
    }
    return impossible.isEmpty ? 0 : 1
}

func machineRecord(_ machine: Machine, limits: [MachineRecord.Limits], threads: Int) -> MachineRecord {
    let pinning = (try? machine.context(threads: threads))?.pinning.map(\.description) ?? []
    return MachineRecord(
        cpu: machine.name, isa: "\(machine.isa)".split(separator: "+").map(String.init), l1dBytes: machine.l1dBytes,
        l2Bytes: machine.l2Bytes,
        l3Bytes: machine.l3Bytes, nodes: machine.nodes, packages: machine.packages, cores: machine.cores,
        units: machine.units, pinning: pinning, limits: limits,
        openblas: openblas_get_config().map { String(cString: $0) } ?? "", compiler: compilerName(),
        commit: commitName(), date: ISO8601DateFormatter().string(from: Date()))
}

func compilerName() -> String {
    #if compiler(>=6.3)
        "Swift 6.3 or later"
    #else
        "Swift 6.2"
    #endif
}

/// The commit that HEAD names, empty outside a checkout.
func commitName() -> String {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["git", "rev-parse", "--short", "HEAD"]
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return "" }
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
}

/// One line that rewrites itself on a terminal; nothing elsewhere.
func progress(_ text: String?) {
    guard isatty(2) == 1 else { return }
    FileHandle.standardError.write(Data("\r\u{1B}[K\(text ?? "")".utf8))
}

func complain(_ text: String) {
    FileHandle.standardError.write(Data("bench: \(text)\n".utf8))
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
