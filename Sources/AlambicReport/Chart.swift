import Foundation

/// Inline SVG charts: no script, no font and no picture from elsewhere. Colours are CSS classes, so that the page's
/// light and dark styles reach them.
public enum Chart {
    /// A named line or set of points.
    public struct Series {
        /// What the legend says.
        public let name: String
        /// In the order in which they are joined.
        public let points: [(x: Double, y: Double)]

        /// A named line or set of points.
        public init(name: String, points: [(x: Double, y: Double)]) {
            self.name = name
            self.points = points
        }
    }
    private static let width = 680.0, height = 300.0
    private static let left = 56.0, right = 16.0, top = 12.0, bottom = 44.0

    /// Lines over a common x axis, with a legend.
    public static func lines(_ series: [Series], x xTitle: String, y yTitle: String) -> String {
        let all = series.flatMap(\.points)
        guard let plot = Plot(all, zeroX: true) else { return "" }
        var body = plot.axes(xTitle, yTitle)
        for (index, line) in series.enumerated() {
            let path = line.points.map { "\(number(plot.x($0.x))),\(number(plot.y($0.y)))" }.joined(separator: " ")
            body += "<polyline class=\"line s\(index % 6)\" points=\"\(path)\"/>"
        }
        return svg(body) + legend(series.map(\.name))
    }

    /// The same as a picture of its own, with title and legend, for documents that show files: dark lines on white.
    public static func picture(_ title: String, _ series: [Series], x xTitle: String, y yTitle: String) -> String {
        guard let plot = Plot(series.flatMap(\.points), zeroX: true) else { return "" }
        var body = plot.axes(xTitle, yTitle)
        var key = ""
        for (index, line) in series.enumerated() {
            let path = line.points.map { "\(number(plot.x($0.x))),\(number(plot.y($0.y)))" }.joined(separator: " ")
            body += "<polyline class=\"line s\(index % 6)\" points=\"\(path)\"/>"
            let (left, top) = (60 + Double(index % 3) * 210, height + 16 + Double(index / 3) * 18)
            key +=
                "<rect class=\"bar s\(index % 6)\" x=\"\(number(left))\" y=\"\(number(top - 9))\" width=\"10\" height=\"10\"/>"
            key += "<text class=\"label\" x=\"\(number(left + 16))\" y=\"\(number(top))\">\(escape(line.name))</text>"
        }
        let total = height + 52 + Double((series.count - 1) / 3) * 18
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -28 \(number(width)) \(number(total))" font-family="sans-serif">
            <style>\(Style.picture)</style>
            <rect y="-28" width="100%" height="100%" fill="white"/>
            <text class="head" x="12" y="-8">\(escape(title))</text>
            \(body)\(key)
            </svg>

            """
    }

    /// Labelled points.
    public static func points(_ series: [Series], x xTitle: String, y yTitle: String) -> String {
        guard let plot = Plot(series.flatMap(\.points), zeroX: true, margin: 0.12) else { return "" }
        var body = plot.axes(xTitle, yTitle)
        for (index, one) in series.enumerated() {
            for point in one.points {
                body +=
                    "<circle class=\"dot s\(index % 6)\" cx=\"\(number(plot.x(point.x)))\" cy=\"\(number(plot.y(point.y)))\" r=\"6\"/>"
            }
        }
        return svg(body) + legend(series.map(\.name))
    }

    /// Horizontal bars, one row a name; `groups` are drawn one under the other within a row.
    public static func bars(_ names: [String], groups: [(name: String, values: [Double])], unit: String) -> String {
        let most = groups.flatMap(\.values).max() ?? 0
        guard most > 0 else { return "" }
        let barHeight = 12.0
        let rowHeight = barHeight * Double(groups.count) + 12
        let labels = 172.0, room = width - labels - 80
        var body = ""
        for (row, name) in names.enumerated() {
            let y = Double(row) * rowHeight + 6
            body +=
                "<text class=\"label\" x=\"\(number(labels - 8))\" y=\"\(number(y + rowHeight / 2))\" text-anchor=\"end\">\(escape(name))</text>"
            for (index, group) in groups.enumerated() {
                let length = max(1, room * group.values[row] / most)
                let top = y + Double(index) * barHeight
                body +=
                    "<rect class=\"bar s\(index)\" x=\"\(number(labels))\" y=\"\(number(top))\" width=\"\(number(length))\" height=\"\(number(barHeight - 2))\" rx=\"2\"/>"
                body +=
                    "<text class=\"value\" x=\"\(number(labels + length + 6))\" y=\"\(number(top + barHeight - 3))\">\(count(Int(group.values[row])))</text>"
            }
        }
        let total = Double(names.count) * rowHeight + 8
        return
            "<svg viewBox=\"0 0 \(number(width)) \(number(total))\" role=\"img\" aria-label=\"\(escape(unit))\">\(body)</svg>"
            + legend(groups.map(\.name))
    }

    private static func svg(_ body: String) -> String {
        "<svg viewBox=\"0 0 \(number(width)) \(number(height))\" role=\"img\">\(body)</svg>"
    }

    private static func legend(_ names: [String]) -> String {
        let items = names.enumerated().map { "<li><i class=\"key s\($0.offset % 6)\"></i>\(escape($0.element))</li>" }
        return "<ul class=\"legend\">\(items.joined())</ul>"
    }

    /// A count in few digits: `1.25M`, `430k`.
    public static func count(_ value: Int) -> String {
        switch value {
        case 10_000_000...: String(format: "%.0fM", Double(value) / 1e6)
        case 1_000_000...: String(format: "%.2fM", Double(value) / 1e6)
        case 10_000...: String(format: "%.0fk", Double(value) / 1e3)
        default: "\(value)"
        }
    }

    /// One place after the point.
    public static func number(_ value: Double) -> String { String(format: "%.1f", value) }

    /// Text as HTML.
    public static func escape(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }

    /// Scales and axes of one chart.
    private struct Plot {
        let xRange: ClosedRange<Double>, yRange: ClosedRange<Double>

        init?(_ points: [(x: Double, y: Double)], zeroX: Bool, margin: Double = 0.05) {
            let finite = points.filter { $0.x.isFinite && $0.y.isFinite }
            guard let least = finite.map(\.y).min(), let most = finite.map(\.y).max(), let far = finite.map(\.x).max(),
                let near = finite.map(\.x).min()
            else { return nil }
            let spread = max(most - least, 1e-9) * margin
            yRange = (least - spread)...(most + spread)
            xRange = (zeroX ? 0 : near)...max(far * 1.02, 1e-9)
        }

        func x(_ value: Double) -> Double {
            left + (value - xRange.lowerBound) / (xRange.upperBound - xRange.lowerBound) * (width - left - right)
        }
        func y(_ value: Double) -> Double {
            height - bottom - (value - yRange.lowerBound) / (yRange.upperBound - yRange.lowerBound)
                * (height - top - bottom)
        }

        func axes(_ xTitle: String, _ yTitle: String) -> String {
            var text = ""
            for tick in Plot.ticks(yRange) {
                let at = number(y(tick))
                text +=
                    "<line class=\"grid\" x1=\"\(number(left))\" x2=\"\(number(width - right))\" y1=\"\(at)\" y2=\"\(at)\"/>"
                text +=
                    "<text class=\"tick\" x=\"\(number(left - 6))\" y=\"\(number(y(tick) + 4))\" text-anchor=\"end\">\(Plot.format(tick))</text>"
            }
            for tick in Plot.ticks(xRange) {
                text +=
                    "<text class=\"tick\" x=\"\(number(x(tick)))\" y=\"\(number(height - bottom + 16))\" text-anchor=\"middle\">\(Plot.format(tick))</text>"
            }
            text +=
                "<text class=\"title\" x=\"\(number((left + width) / 2))\" y=\"\(number(height - 8))\" text-anchor=\"middle\">\(escape(xTitle))</text>"
            text +=
                "<text class=\"title\" transform=\"translate(14 \(number(height / 2 - 16))) rotate(-90)\" text-anchor=\"middle\">\(escape(yTitle))</text>"
            return text
        }

        /// About five round numbers.
        static func ticks(_ range: ClosedRange<Double>) -> [Double] {
            let span = range.upperBound - range.lowerBound
            let rough = span / 5
            let power = pow(10, floor(log10(rough)))
            let step = [1.0, 2, 5, 10].map { $0 * power }.first { $0 >= rough } ?? rough
            let first = (range.lowerBound / step).rounded(.up) * step
            return stride(from: first, through: range.upperBound, by: step).map { $0 + 0 }  // -0 becomes 0
        }

        static func format(_ value: Double) -> String {
            abs(value) >= 100 || value.rounded() == value
                ? String(format: "%.0f", value) : String(format: "%.3g", value)
        }
    }
}
