import Alambic
import Foundation

/// What goes to standard error while a command works.
enum Terminal {
    static let isInteractive = isatty(STDERR_FILENO) == 1

    static func say(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8))
    }

    /// Shows on a terminal what is being done, in the place of what was done before.
    static func working(_ text: String) {
        guard isInteractive else { return }
        FileHandle.standardError.write(Data("\r\u{1B}[K\(text.prefix(79))".utf8))
    }

    /// The one line that explains a failure.
    static func fail(_ text: String) {
        let clear = isInteractive ? "\r\u{1B}[K" : ""
        say("\(clear)alambic: \(text)")
    }
}

/// Progress of one long piece of work: a bar that redraws itself on a terminal, a plain line now and then elsewhere.
final class Progress {
    private let title: String
    private let total: Int
    private let unit: String
    private let started = ContinuousClock.now
    private var lastDrawn: ContinuousClock.Instant?
    /// Plain lines are this far apart.
    private static let quietSeconds = 10.0

    /// - Parameters:
    ///   - total: how many steps there are.
    ///   - unit: the name of the rate, such as `tokens`.
    init(_ title: String, total: Int, unit: String = "tokens") {
        (self.title, self.total, self.unit) = (title, max(total, 1), unit)
    }

    private func seconds(since instant: ContinuousClock.Instant) -> Double {
        (ContinuousClock.now - instant) / .seconds(1)
    }

    /// Shows that `done` steps are behind us.
    func update(_ done: Int, rate: Double? = nil, note: String = "") {
        let interval = Terminal.isInteractive ? 0.1 : Self.quietSeconds
        if let lastDrawn, seconds(since: lastDrawn) < interval, done < total { return }
        if lastDrawn == nil && !Terminal.isInteractive && done < total && seconds(since: started) < interval { return }
        lastDrawn = ContinuousClock.now
        let elapsed = seconds(since: started)
        let left = done > 0 ? elapsed / Double(done) * Double(total - done) : 0
        let speed = rate.map { "\(Progress.short($0)) \(unit)/s" } ?? ""
        let status = [note, speed, "\(Progress.clock(left)) left"].filter { !$0.isEmpty }.joined(separator: "  ")
        if Terminal.isInteractive {
            let filled = 20 * done / total
            let bar = String(repeating: "━", count: filled) + String(repeating: "─", count: 20 - filled)
            let line = "\(title.padding(toLength: 18, withPad: " ", startingAt: 0)) \(bar) \(done)/\(total)  \(status)"
            FileHandle.standardError.write(Data("\r\u{1B}[K\(String(line.prefix(79)))".utf8))
        } else {
            Terminal.say("\(title): \(done)/\(total)  \(status)")
        }
    }

    /// Replaces the bar by one line that stays.
    func finish(_ summary: String) {
        let clear = Terminal.isInteractive ? "\r\u{1B}[K" : ""
        let line = "\(title.padding(toLength: 26, withPad: " ", startingAt: 0)) \(summary)"
        FileHandle.standardError.write(Data("\(clear)\(line)  (\(Progress.clock(seconds(since: started))))\n".utf8))
    }

    static func short(_ value: Double) -> String {
        switch value {
        case 10_000...: String(format: "%.0fk", value / 1000)
        case 1000...: String(format: "%.1fk", value / 1000)
        default: String(format: "%.0f", value)
        }
    }

    static func clock(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded())
        return whole < 60 ? String(format: "%.0f s", seconds) : "\(whole / 60) min \(whole % 60) s"
    }
}

/// Ctrl-C and SIGTERM: noted, so that long work can stop between two steps and leave a checkpoint.
enum Interruption {
    /// What long work looks at between two steps.
    static let cancellation = Cancellation()

    static var isRequested: Bool { cancellation.isCancelled }

    /// The first signal asks for an orderly end, the second one ends the process as usual.
    static func install() {
        // Made before a signal can come: a handler must not be the first to touch it.
        _ = cancellation
        // Whoever started us may have blocked them: a mask is inherited.
        var wanted = sigset_t()
        sigemptyset(&wanted)
        for number in [SIGINT, SIGTERM] { sigaddset(&wanted, number) }
        pthread_sigmask(SIG_UNBLOCK, &wanted, nil)
        for number in [SIGINT, SIGTERM] {
            signal(number) { caught in
                Interruption.cancellation.cancel()
                signal(caught, SIG_DFL)
            }
        }
        // A closed pipe is an error to report, not a reason to die without a word.
        signal(SIGPIPE, SIG_IGN)
        // A file that outgrows its limit is an error of that write.
        signal(SIGXFSZ, SIG_IGN)
    }
}
