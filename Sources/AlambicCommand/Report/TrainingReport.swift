import Alambic
import AlambicReport
import Foundation

/// What a training left behind, for the terminal and as a page: `report.html`.
struct TrainingReport {
    /// The numbers of one line of `metrics.jsonl`.
    struct Line {
        let step: Int
        let loss: Double
        let heldLoss: Double?
        let gradientNorm: Double
        let tokensPerSecond: Double
        let seconds: Double
        let utilization: Double?
    }

    private let title: String
    private let corpus: String
    private let parameters: Int
    private let steps: Int
    private let settings: [(String, String)]
    private let quality: Evaluation
    private let plan: MemoryPlan
    private let lines: [Line]
    private let peakBytes = peakMemory()

    init(
        title: String, trainer: Trainer, corpus: Corpus, quality: Evaluation, plan: MemoryPlan, metrics: String
    ) throws {
        self.title = title
        self.corpus = corpus.name
        self.quality = quality
        self.plan = plan
        parameters = trainer.architecture.parameterCount
        steps = trainer.step
        settings = trainer.settings.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        lines = try Self.read(metrics)
    }

    /// The lines of a metrics file, those of earlier runs that this one continued included.
    static func read(_ path: String) throws -> [Line] {
        guard let data = FileManager.default.contents(atPath: path) else { return [] }
        return data.split(separator: UInt8(ascii: "\n")).compactMap { line in
            guard let json = try? JSON(parsing: line, path: path), let step = json["step"]?.int else { return nil }
            func number(_ name: String) -> Double? { json[name]?.double }
            return Line(
                step: step, loss: number("loss") ?? .nan, heldLoss: number("held_loss"),
                gradientNorm: number("gradient_norm") ?? .nan, tokensPerSecond: number("tokens_per_s") ?? .nan,
                seconds: number("seconds") ?? 0, utilization: number("utilization"))
        }
    }

    private func median(_ values: [Double]) -> Double? { values.isEmpty ? nil : values.sorted()[values.count / 2] }

    /// The typical speed: the median over all steps.
    private var speed: Double? { median(lines.map(\.tokensPerSecond).filter(\.isFinite)) }
    private var utilization: Double? { median(lines.compactMap(\.utilization)) }

    /// One line.
    var summary: String {
        var text = lines.last.map { String(format: "loss %.3f, ", $0.loss) } ?? ""
        text += String(format: "held out %.3f, %.3f bits per byte", quality.loss, quality.bitsPerByte)
        return text
    }

    /// For the terminal and for `--json`.
    var pairs: [(String, Any)] {
        var all: [(String, Any)] = [("steps", steps), ("parameters", parameters)]
        if let last = lines.last { all.append(("loss", last.loss)) }
        all += [("held_loss", quality.loss), ("bits_per_byte", quality.bitsPerByte)]
        if let speed { all.append(("tokens_per_s", speed)) }
        if let utilization { all.append(("utilization", utilization)) }
        return all + [("planned_bytes", plan.total), ("peak_memory_bytes", peakBytes)]
    }

    /// The page: no script, no font and no picture from elsewhere.
    func html() -> String {
        let curve = Self.thinned(lines.map { (Double($0.step), $0.loss) })
        let held = lines.compactMap { line in line.heldLoss.map { (Double(line.step), $0) } }
        var series = [Chart.Series(name: "training", points: curve)]
        if !held.isEmpty { series.append(Chart.Series(name: "held out", points: held)) }
        let norms = Chart.Series(
            name: "gradient norm", points: Self.thinned(lines.map { (Double($0.step), $0.gradientNorm) }))
        let speeds = Chart.Series(
            name: "tokens per second", points: Self.thinned(lines.map { (Double($0.step), $0.tokensPerSecond) }))
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>Alambic: \(Chart.escape(title))</title>
            <style>\(Style.css)</style>
            </head>
            <body>
            <main>
            <h1>\(Chart.escape(title.prefix(1).uppercased() + title.dropFirst())) on \(Chart.escape(corpus))</h1>
            <p>\(Chart.escape(summary)).</p>
            \(Self.table(results))
            <h2>Loss</h2>
            <p class="note">Nats per token. A point of the training curve is the mean of some steps, dropout on where the model has it; held out without dropout, on the same piece of text each time.</p>
            \(Chart.lines(series, x: "step", y: "loss"))
            <h2>Gradient norm</h2>
            <p class="note">Before clipping.</p>
            \(Chart.lines([norms], x: "step", y: "norm"))
            <h2>Speed</h2>
            \(Chart.lines([speeds], x: "step", y: "tokens per second"))
            <h2>Memory</h2>
            <p class="note">Planned before the first step, and the most that the process had at any time.</p>
            \(Self.table(memory))
            <h2>Settings</h2>
            \(Self.table(settings))
            </main>
            </body>
            </html>

            """
    }

    private var results: [(String, String)] {
        var rows = [
            ("steps", "\(steps)"), ("parameters", "\(parameters)"),
            ("held-out loss, \(quality.tokens) tokens", String(format: "%.4f nats per token", quality.loss)),
            ("bits per byte", String(format: "%.4f", quality.bitsPerByte)),
        ]
        if let speed { rows.append(("tokens per second, median", String(format: "%.0f", speed))) }
        if let utilization {
            rows.append(("of the arithmetic's peak, median", String(format: "%.1f %%", utilization * 100)))
        }
        rows.append(("time in steps", Progress.clock(lines.reduce(0) { $0 + $1.seconds })))
        return rows
    }

    private var memory: [(String, String)] {
        var rows = [
            ("weights", plan.weights), ("gradients", plan.gradients), ("optimizer", plan.optimizer),
            ("packed weights", plan.panels),
        ]
        if let activations = plan.activations { rows.append(("activations", activations)) }
        rows += [("planned in all", plan.total), ("peak of the process", peakBytes)]
        return rows.map { ($0.0, DemoReport.bytes($0.1)) }
    }

    private static func table(_ rows: [(String, String)]) -> String {
        let body = rows.map { "<tr><th scope=\"row\">\(Chart.escape($0.0))</th><td>\(Chart.escape($0.1))</td></tr>" }
        return "<div class=\"scroll\"><table><tbody>\(body.joined(separator: "\n"))</tbody></table></div>"
    }

    /// At most a few hundred points, each the mean of a stretch.
    static func thinned(_ points: [(Double, Double)], to most: Int = 300) -> [(x: Double, y: Double)] {
        let stretch = max(1, (points.count + most - 1) / most)
        return stride(from: 0, to: points.count, by: stretch).map { start in
            let part = points[start..<min(start + stretch, points.count)]
            return (part[part.endIndex - 1].0, part.reduce(0) { $0 + $1.1 } / Double(part.count))
        }
    }
}
