import Foundation

/// One line that rewrites itself on a terminal, nothing elsewhere: what is measured, how far it is, and the time left.
final class Progress {
    private let total: Int
    private let isShown: Bool
    private let started = ContinuousClock.now
    private var done = 0

    init(total: Int) {
        self.total = total
        isShown = isatty(2) == 1
    }

    /// Measurement `done + 1` begins.
    func begin(_ text: String) {
        guard isShown else { return }
        write("[\(done + 1)/\(total)] \(text)\(left)")
    }

    /// What is done besides measurements.
    func note(_ text: String) {
        guard isShown else { return }
        write(text)
    }

    func end() { done += 1 }

    func clear() {
        guard isShown else { return }
        FileHandle.standardError.write(Data("\r\u{1B}[K".utf8))
    }

    /// From the average of those done.
    private var left: String {
        guard done > 0 else { return "" }
        let seconds = (ContinuousClock.now - started) / .seconds(1)
        let rest = Int((seconds / Double(done) * Double(total - done)).rounded(.up))
        return rest >= 90 ? ", \((rest + 30) / 60) min left" : ", \(rest) s left"
    }

    private func write(_ text: String) {
        FileHandle.standardError.write(Data("\r\u{1B}[K\(text.prefix(Self.columns - 1))".utf8))
    }

    /// The terminal's width: a line that reaches beyond it could not be rewritten.
    private static var columns: Int {
        var size = winsize()
        guard ioctl(2, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 1 else { return 80 }
        return Int(size.ws_col)
    }
}

/// One line on standard error; on a terminal, in place of the progress line.
func complain(_ text: String) {
    FileHandle.standardError.write(Data("\(isatty(2) == 1 ? "\r\u{1B}[K" : "")bench: \(text)\n".utf8))
}
