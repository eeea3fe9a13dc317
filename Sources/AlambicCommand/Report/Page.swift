import AlambicReport
import Foundation

extension DemoReport {
    /// The report as one self-contained page.
    func html() -> String {
        let curveSeries = curves.map { curve in
            Chart.Series(name: curve.name, points: zip(curve.steps, curve.bitsPerByte).map { (Double($0), $1) })
        }
        let sizes = stages.map { Chart.Series(name: $0.name, points: [(Double($0.bytes) / 1e6, $0.bitsPerByte)]) }
        let speeds = Chart.bars(
            stages.map(\.name),
            groups: [
                ("prefill", stages.map(\.prefillTokensPerSecond)), ("decode", stages.map(\.decodeTokensPerSecond)),
            ], unit: "tokens per second")
        let rows = stages.map { stage in
            "<tr><th scope=\"row\">\(Chart.escape(stage.name))</th><td>\(stage.steps)</td>"
                + "<td>\(Self.count(stage.parameters))</td><td>\(Self.count(stage.nonzero))</td><td>\(Self.bytes(stage.bytes))</td>"
                + "<td>\(String(format: "%.3f", stage.bitsPerByte))</td><td>\(Self.count(Int(stage.prefillTokensPerSecond)))</td>"
                + "<td>\(Self.count(Int(stage.decodeTokensPerSecond)))</td><td>\(String(format: "%.0f s", stage.seconds))</td></tr>"
        }
        let list = findings().map { "<li>\(Chart.escape($0))</li>" }.joined()
        let generated = sample.map {
            "<h2>A sample</h2><p class=\"note\">\(Chart.escape($0.stage)) continues the prompt in bold.</p>"
                + "<pre><b>\(Chart.escape($0.prompt))</b>\(Chart.escape($0.text))</pre>"
        }
        let intro =
            "\(corpus.source): \(Self.bytes(corpus.bytes)) of text, \(Self.bytes(corpus.heldOutBytes)) of it held out. "
            + "\(machine.cpu), \(machine.threads) thread\(machine.threads == 1 ? "" : "s"). "
            + String(format: "The whole run took %.1f minutes.", seconds / 60)
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>Alambic: what each step cost and gained</title>
            <style>\(Style.css)</style>
            </head>
            <body>
            <main>
            <h1>What each step cost, and what it gained</h1>
            <p>\(Chart.escape(intro))</p>
            <ul>\(list)</ul>
            <div class="scroll"><table>
            <thead><tr><th>model</th><th>steps</th><th>parameters</th><th>nonzero</th><th>size</th><th>bits per byte</th><th>prefill tokens/s</th><th>decode tokens/s</th><th>took</th></tr></thead>
            <tbody>\(rows.joined(separator: "\n"))</tbody>
            </table></div>
            <p class="note">Bits per byte are on held-out text: lower is better. Size is the saved model's directory. Prefill reads a whole context at once, decode makes one token at a time.</p>
            <h2>Training</h2>
            <p class="note">Cross-entropy of the training batches against the text, dropout on where the model has it.</p>
            \(Chart.lines(curveSeries, x: "step", y: "bits per byte"))
            <h2>Size against quality</h2>
            \(Chart.points(sizes, x: "megabytes on disk", y: "bits per byte, held out"))
            <h2>Tokens per second</h2>
            \(speeds)
            \(generated ?? "")
            <p class="note">Settings: context \(settings.context), batch \(settings.batch), \(settings.steps) steps, \(settings.retrainSteps) retraining steps in \(settings.rounds) rounds to \(String(format: "%.0f", settings.sparsity * 100)) % sparsity, temperature \(settings.temperature), mixing \(settings.mixing), seed \(settings.seed).</p>
            </main>
            </body>
            </html>

            """
    }
}
