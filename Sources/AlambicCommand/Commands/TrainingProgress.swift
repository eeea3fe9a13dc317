import Alambic
import Foundation

/// How a training goes on, in one line: redrawn on a terminal, a plain line now and then elsewhere.
final class TrainingProgress {
    private let title: String
    private let total: Int
    private let started = ContinuousClock.now
    private let before: Int
    private var lastDrawn: ContinuousClock.Instant?
    private var tokens = 0
    private var seconds = 0.0
    private var used = 0.0
    /// Plain lines are this far apart.
    private static let quietSeconds = 10.0

    /// - Parameter before: steps that were done when this began.
    init(_ title: String, total: Int, before: Int) {
        (self.title, self.total, self.before) = (title, total, before)
    }

    /// Shows a step, unless the last one was shown only just now.
    func update(_ report: StepReport) {
        tokens += report.tokens
        seconds += report.seconds
        used += (report.utilization ?? 0) * report.seconds
        let now = ContinuousClock.now
        let interval = Terminal.isInteractive ? 0.1 : Self.quietSeconds
        let last = lastDrawn ?? (Terminal.isInteractive ? nil : started)
        if let last, (now - last) / .seconds(1) < interval, report.step < total { return }
        lastDrawn = now
        let elapsed = (now - started) / .seconds(1)
        let left = elapsed / Double(report.step - before) * Double(total - report.step)
        let share = report.utilization == nil ? nil : used / max(seconds, 1e-9)
        let line = Self.line(
            report, of: total, tokensPerSecond: Double(tokens) / max(seconds, 1e-9), utilization: share, left: left)
        (tokens, seconds, used) = (0, 0, 0)
        if Terminal.isInteractive {
            FileHandle.standardError.write(Data("\r\u{1B}[K\(line)".utf8))
        } else {
            Terminal.say(line)
        }
    }

    /// Replaces the line by one that stays.
    func finish(_ summary: String) {
        let clear = Terminal.isInteractive ? "\r\u{1B}[K" : ""
        let elapsed = Progress.clock((ContinuousClock.now - started) / .seconds(1))
        Terminal.say("\(clear)\(title): \(summary)  (\(elapsed))")
    }

    /// Everything in at most 79 columns; what matters least goes first where the numbers are long.
    static func line(
        _ report: StepReport, of total: Int, tokensPerSecond: Double, utilization: Double?, left: Double
    ) -> String {
        let rate = String(format: "%.1e", report.rate).replacing("e-0", with: "e-").replacing("e+0", with: "e")
        var items: [(importance: Int, text: String)] = [
            (5, "\(report.step)/\(total)"), (5, String(format: "loss %.3f", report.loss)), (1, "lr \(rate)"),
            (0, String(format: "norm %.2f", report.gradientNorm)), (3, "\(Progress.short(tokensPerSecond)) tok/s"),
        ]
        if let utilization { items.append((2, String(format: "%.0f%% peak", utilization * 100))) }
        items.append((4, "\(clock(left)) left"))
        func joined() -> String { items.map(\.text).joined(separator: "  ") }
        while joined().count > 79, let least = items.indices.min(by: { items[$0].importance < items[$1].importance }) {
            items.remove(at: least)
        }
        return String(joined().prefix(79))
    }

    /// 4:05, or 1:04:05.
    private static func clock(_ seconds: Double) -> String {
        let whole = Int(min(max(seconds, 0), 1e9).rounded())
        let (hours, minutes) = (whole / 3600, whole / 60 % 60)
        let tail = String(format: "%02d", whole % 60)
        return hours > 0 ? "\(hours):\(String(format: "%02d", minutes)):\(tail)" : "\(minutes):\(tail)"
    }
}

/// Operations per second of the arithmetic that products of this type use, from registers: the best of a few short runs.
func arithmeticPeak(_ dtype: TrainingDType, on context: Context, runs: Int = 5) throws -> Double {
    var best = 0.0
    for _ in 0..<runs {
        let (operations, time) = try timed {
            // Without bf16 arithmetic, products of bf16 run in f32.
            if dtype.weightProduct != nil, let operations = try arithmeticProbe(.bf16, iterations: 200_000, on: context)
            {
                return operations
            }
            return try arithmeticProbe(.f32, iterations: 200_000, on: context) ?? 0
        }
        best = max(best, operations / time)
    }
    return best
}
