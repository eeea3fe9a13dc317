import Alambic
import Foundation

/// Steps of a model on random tokens: how long they take as users run them, and then operation by operation.
struct StepMeasurement {
    let configuration: String
    let dtype: TrainingDType
    let tokens: Int
    let plan: MemoryPlan
    /// Seconds of each step, measured as a whole.
    let seconds: [Double]
    let losses: [Double]
    /// Arithmetic operations of the products and of attention in one step.
    let operations: Double
    let profile: StepProfile
    let profiledSteps: Int
    /// Operations per second of the arithmetic that products use, bytes per second of a copy: best of this run.
    private(set) var peak = 0.0
    private(set) var copy = 0.0
    /// Operations per second of integer products, where the training has some.
    private(set) var integerPeak: Double?

    init(_ trainer: Trainer, _ options: TrainingOptions, steps: Int) throws {
        try trainer.checkFits(rows: options.rows, context: options.context)
        dtype = options.dtype
        configuration = "\(options.rows) x \(options.context) tokens, \(options.dtype.rawValue)"
        let tokens = options.rows * options.context
        self.tokens = tokens
        plan = try trainer.memoryPlan(rows: options.rows, context: options.context)
        let limits = try MachineLimits(options.dtype, on: trainer.context)
        var batches = RandomBatches(options, vocabulary: trainer.architecture.vocabulary)
        func step() throws -> StepReport { try trainer.step(batches.next()) }
        for _ in 0..<3 { _ = try step() }
        var reports: [StepReport] = []
        for _ in 0..<steps {
            try limits.measure()
            reports.append(try step())
        }
        seconds = reports.map(\.seconds)
        losses = reports.map(\.loss)
        let profile = StepProfile()
        trainer.profile = profile
        let profiledSteps = max(1, min(steps, 50))
        self.profiledSteps = profiledSteps
        for _ in 0..<profiledSteps { _ = try step() }
        self.profile = profile
        operations = profile.entries.reduce(0) { $0 + $1.operations } / Double(profiledSteps)
        (peak, copy, integerPeak) = (limits.peak, limits.copy, limits.integerPeak)
    }

    /// Runs steps and writes `{"step", "ns", "tokens", "loss"}` for each, for those who compare programs.
    static func writeLines(_ trainer: Trainer, _ options: TrainingOptions, steps: Int) throws {
        var batches = RandomBatches(options, vocabulary: trainer.architecture.vocabulary)
        for _ in 0..<steps {
            let batch = batches.next()
            let (report, seconds) = try timed { try trainer.step(batch) }
            try Output.write(
                "{\"step\": \(report.step), \"ns\": \(Int(seconds * 1e9)), \"tokens\": \(report.tokens), "
                    + "\"loss\": \(report.loss)}\n")
        }
    }

    /// What took time, the longest first: steps that were fused into others have none.
    var entries: [StepProfile.Entry] {
        profile.entries.filter { $0.nanoseconds > 0 }.sorted { $0.nanoseconds > $1.nanoseconds }
    }
    var best: Double { seconds.min() ?? 0 }
    var median: Double { seconds.sorted()[seconds.count / 2] }
    /// The share of the step's time that its products and attention would take at the peaks of their arithmetic.
    var utilization: Double {
        profile.entries.reduce(0) { $0 + $1.operations / peak(of: $1) } / Double(profiledSteps) / best
    }
    /// Which peaks those are.
    var peaks: String {
        guard let integerPeak else { return String(format: "%.0f Gop/s", peak * 1e-9) }
        return String(format: "%.0f and, in int8, %.0f Gop/s", peak * 1e-9, integerPeak * 1e-9)
    }

    private func peak(of entry: StepProfile.Entry) -> Double {
        entry.arithmetic == .s8 ? integerPeak ?? peak : peak
    }

    /// What fraction of its limit an operation reaches: arithmetic or memory, whichever takes longer.
    func fraction(_ entry: StepProfile.Entry) -> Double {
        max(entry.operations / peak(of: entry), entry.bytes / copy) / (entry.nanoseconds * 1e-9)
    }

    /// For `--json`.
    var pairs: [(String, Any)] {
        [
            ("shape", configuration), ("tokens", tokens), ("step_ns", seconds.map { Int($0 * 1e9) }),
            ("losses", losses), ("operations", operations), ("peak_ops_per_s", peak), ("copy_bytes_per_s", copy),
            ("int8_peak_ops_per_s", integerPeak as Any? ?? NSNull()),
            ("utilization", utilization), ("planned_bytes", plan.total), ("peak_memory_bytes", peakMemory()),
            (
                "entries",
                entries.map { entry -> [String: Any] in
                    [
                        "name": entry.name, "calls": entry.calls / profiledSteps,
                        "ns": entry.nanoseconds / Double(profiledSteps),
                        "operations": entry.operations / Double(profiledSteps),
                        "bytes": entry.bytes / Double(profiledSteps), "limit_fraction": fraction(entry),
                    ]
                }
            ),
        ]
    }

    /// The table that a person reads, in 80 columns.
    var table: String {
        let memory = "\(plan.description), peak of the process \(peakMemory() / 1_000_000) MB"
        var text = "\(configuration)\n\(wrapped(memory, width: 80).joined(separator: "\n"))\n"
        text += String(
            format: "step: best %.2f ms, median %.2f ms, %.0f tokens/s, %.0f %% of ", best * 1e3, median * 1e3,
            Double(tokens) / best, utilization * 100)
        text += "\(peaks)\n\n"
        let all = profile.nanoseconds
        text +=
            "operation".padding(toLength: 34, withPad: " ", startingAt: 0)
            + "calls        ms  share   Gop/s   GB/s  limit\n"
        for entry in entries {
            let name = entry.name.padding(toLength: 34, withPad: " ", startingAt: 0)
            let per = Double(profiledSteps)
            let rate = { (amount: Double) in
                amount > 0 ? String(format: "%.0f", amount / entry.nanoseconds) : "-"
            }
            text +=
                name
                + String(
                    format: "%5d %9.3f %5.1f%% %@ %@  %@\n", entry.calls / profiledSteps,
                    entry.nanoseconds * 1e-6 / per, entry.nanoseconds / all * 100, right(rate(entry.operations), 7),
                    right(rate(entry.bytes), 6),
                    entry.operations + entry.bytes > 0 ? String(format: "%5.2f", fraction(entry)) : "    -")
        }
        return text
    }

    private func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}

/// Batches of tokens that nobody can predict.
private struct RandomBatches {
    private let options: TrainingOptions
    private let vocabulary: UInt64
    private var state: UInt64
    private var index = 0

    init(_ options: TrainingOptions, vocabulary: Int) {
        self.options = options
        self.vocabulary = UInt64(vocabulary)
        state = options.seed
    }

    mutating func next() -> Batch {
        let count = options.rows * options.context
        var ids: [Int32] = []
        ids.reserveCapacity(count + 1)
        for _ in 0...count {
            // A linear congruential generator (Knuth's MMIX): which tokens these are does not matter.
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            ids.append(Int32(truncatingIfNeeded: (state >> 33) % vocabulary))
        }
        defer { index += 1 }
        return Batch(
            tokens: Tokens(ids: Array(ids.dropLast()), batch: options.rows, length: options.context),
            targets: Array(ids.dropFirst()), index: index)
    }
}

/// The most memory that the process had at any time, in bytes.
func peakMemory() -> Int {
    // VmHWM, in KiB; getrusage would count what the program was before it became this one.
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return (line?.split(separator: " ").dropFirst().first).flatMap { Int($0) }.map { $0 * 1024 } ?? 0
}

/// What the machine can do at best, measured between the steps.
final class MachineLimits {
    private let dtype: TrainingDType
    private let context: Context
    private let traffic: TrafficProbe
    private(set) var peak = 0.0
    private(set) var copy = 0.0
    private(set) var integerPeak: Double?

    init(_ dtype: TrainingDType, on context: Context) throws {
        self.context = context
        self.dtype = dtype
        traffic = try TrafficProbe(count: 1 << 22, on: context)
        for _ in 0..<3 { try measure() }
    }

    func measure() throws {
        peak = max(peak, try arithmeticPeak(dtype, on: context, runs: 1))
        if dtype == .int8Mixed {
            let (operations, time) = try timed { try arithmeticProbe(.s8, iterations: 200_000, on: context) }
            if let operations { integerPeak = max(integerPeak ?? 0, operations / time) }
        }
        let (bytes, copyTime) = try timed { try traffic.run(.copy, on: context) }
        copy = max(copy, Double(bytes) / copyTime)
    }
}
