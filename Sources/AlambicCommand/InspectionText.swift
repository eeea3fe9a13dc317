import Alambic
import Foundation

extension Inspection {
    /// Tables for people, in 80 columns.
    var text: String {
        var text = storedTable
        guard let record, rows.contains(where: { $0.times != nil }) else {
            return text + "\nnot measured: `alambic inspect --measure` does, `alambic compress` records\n" + totalLines
        }
        text += "\n" + measuredTable
        text += "M: rows of activations. gain: at M = 1, against the dense type named.\n"
        text += rejectedLines + "\n" + totalLines
        text += "for \(record.purpose.rawValue), \(record.machine.threads) threads,\n  \(record.machine.isa):\n"
        text += "  \(record.machine.cpu)\(isHere ? "" : "; not this machine: sparse weights are measured here anew")\n"
        return text
    }

    private var storedTable: String {
        var text = left("weight", 28) + left("shape", 12) + left("stored", 13) + right("bytes", 10)
        text += right("dense", 6) + "  runs\n"
        for row in rows {
            text += left(row.path, 28) + left(row.shape.dimensions.map(String.init).joined(separator: "x"), 12)
            text += left(row.stored, 13) + right("\(row.bytes)", 10)
            text += right(String(format: "%.0f%%", row.density * 100), 6) + "  \(row.form ?? "-")\n"
        }
        return text
    }

    private var measuredTable: String {
        guard let header = rows.compactMap(\.times).first?.rows else { return "" }
        var text = left("weight, microseconds", 27) + left("runs", 8)
        text += header.map { right("M=\($0)", 8) }.joined() + right("gain", 6) + " over\n"
        for row in rows {
            guard let times = row.times, times.rows == header, let seconds = row.seconds else { continue }
            text += left(row.path, 27) + left(row.form ?? "", 8)
            text += seconds.map { right(Self.short($0 * 1e6), 8) }.joined()
            if let best = row.bestDense, let place = header.firstIndex(of: 1) {
                text += right(String(format: "%.2f", best.seconds / seconds[place]), 6) + " \(best.product)"
            }
            text += "\n"
        }
        return text
    }

    /// Weights for which the same was measured share a line.
    private var rejectedLines: String {
        var (order, paths) = ([String](), [String: [String]]())
        for row in rows {
            for rejection in row.rejected {
                let reason =
                    switch rejection.reason {
                    case .slower: ""
                    case .noGain: ", too little"
                    case .unsteady: ", times not steady"
                    case .another: ", another is faster"
                    }
                let speedup = String(format: "%.2fx", rejection.speedup)
                let key = "\(rejection.form.rawValue) rejected at %, M = \(rejection.rows): \(speedup)\(reason)"
                if paths[key] == nil { order.append(key) }
                paths[key, default: []].append(row.path.replacing(".weight", with: ""))
            }
        }
        return order.map { key in
            let all = paths[key] ?? []
            let names = (all.first ?? "") + (all.count > 1 ? " and \(all.count - 1) more" : "")
            return key.replacing("%", with: names) + "\n"
        }.joined()
    }

    private var totalLines: String {
        totals.map { name, value in
            let number = (value as? Double).map { String(format: "%.1f", $0) } ?? "\(value)"
            return left(name.replacing("_", with: " "), 30) + number + "\n"
        }.joined()
    }

    private static func short(_ value: Double) -> String { String(format: value < 1000 ? "%.1f" : "%.0f", value) }

    private func left(_ text: String, _ width: Int) -> String {
        // The end of a path says more than its beginning.
        let short = text.count < width ? text : "…" + text.suffix(width - 2)
        return short.padding(toLength: width, withPad: " ", startingAt: 0)
    }

    private func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
