import Foundation
import Testing

@testable import bench

/// A row of a result file.
func row(
    _ shape: String = "1x2x3", case name: String = "matmul", dtype: String = "f32", variant: String = "avx2",
    threads: Int = 1, samples: [Int] = [100, 101, 102, 103, 104], ops: Double = 12, bytes: Double = 34,
    cold: Bool = false, pattern: String = "read", fraction: Double = 0.5
) -> bench.Measurement {
    let sorted = samples.sorted()
    return bench.Measurement(
        case: name, shape: shape, dtype: dtype, variant: variant, isa: variant, threads: threads, pattern: pattern,
        cold: cold, ops: ops, bytes: bytes, samplesNs: samples, minNs: sorted[0], medianNs: sorted[sorted.count / 2],
        maxNs: sorted[sorted.count - 1], opsPerS: 1, bytesPerS: 1, limitFraction: fraction)
}

func machine(_ cpu: String = "Zuse Z3") -> MachineRecord {
    MachineRecord(
        cpu: cpu, isa: ["avx2"], l1dBytes: 32768, l2Bytes: 1 << 20, l3Bytes: 32 << 20, nodes: 1, packages: 1, cores: 2,
        units: 2, pinning: ["pinned: hardware thread 0"],
        limits: [.init(threads: 1, peaks: ["f32": 1e11], bandwidths: ["read": 3e10])], openblas: "", compiler: "Swift",
        commit: "abc", date: "2026-01-01T00:00:00Z")
}

func file(_ rows: [bench.Measurement], cpu: String = "Zuse Z3", path: String = "a.jsonl") throws -> ResultFile {
    try ResultFile(Data(text(rows, cpu: cpu).utf8), path: path)
}

func text(_ rows: [bench.Measurement], cpu: String = "Zuse Z3") throws -> String {
    try Report.render(machine(cpu), rows, as: .jsonl)
}

/// The text of the error that `body` must throw, and whether it is one of usage.
func complaint(_ body: () throws -> Void, at location: SourceLocation = #_sourceLocation) -> (text: String, usage: Bool)
{
    do { try body() } catch let error as BenchError {
        if case .usage = error { return (error.text, true) }
        return (error.text, false)
    } catch {
        Issue.record("threw \(error)", sourceLocation: location)
        return ("", false)
    }
    Issue.record("nothing was thrown", sourceLocation: location)
    return ("", false)
}

/// A folder that goes away with the test.
func temporaryFile(_ text: String, named name: String = UUID().uuidString + ".txt") throws -> String {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent(name)
    try Data(text.utf8).write(to: url)
    return url.path
}
