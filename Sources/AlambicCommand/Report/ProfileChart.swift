import Alambic
import Foundation

extension StepMeasurement {
    /// The table as a picture: a bar for each operation, as long as its time, filled as far as its limit would need.
    func svg() -> String {
        let entries = entries
        let (row, left, width) = (22, 270, 420)
        let height = 70 + row * entries.count
        let longest = entries.first?.nanoseconds ?? 1
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(left + width + 190)\" height=\"\(height)\" "
                + "font-family=\"sans-serif\" font-size=\"13\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
            "<text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\">One training step: \(escaped(configuration))</text>",
            String(
                format: "<text x=\"12\" y=\"44\" fill=\"#555\">%.2f ms, %.0f tokens/s, %.0f %% of ",
                best * 1e3, Double(tokens) / best, utilization * 100)
                + "\(peaks); dark: what the machine's limit would take</text>",
        ]
        for (number, entry) in entries.enumerated() {
            let y = 60 + row * number
            let length = Double(width) * entry.nanoseconds / longest
            let limit = entry.operations + entry.bytes > 0 ? min(fraction(entry), 1) * length : 0
            lines.append("<text x=\"\(left - 8)\" y=\"\(y + 14)\" text-anchor=\"end\">\(escaped(entry.name))</text>")
            lines.append(
                String(
                    format: "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"16\" fill=\"#b8cbe0\"/>", left, y, length))
            lines.append(
                String(
                    format: "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"16\" fill=\"#2f5f98\"/>", left, y, limit))
            lines.append(
                String(
                    format: "<text x=\"%.1f\" y=\"%d\" fill=\"#333\">%.2f ms, %.1f %%</text>",
                    Double(left) + length + 6, y + 14, entry.nanoseconds * 1e-6 / Double(profiledSteps),
                    entry.nanoseconds / profile.nanoseconds * 100))
        }
        return lines.joined(separator: "\n") + "\n</svg>\n"
    }

    private func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
    }
}
