import Foundation

/// Ours against the competitors, row by row: what follows the table of `bench --peers`.
enum PeerReport {
    /// One work on one shape: our best variant and the competitors.
    struct Comparison {
        var ours: Measurement
        var peers: [Measurement]

        /// The competitor with the least time.
        var best: Measurement? { peers.min { $0.minNs < $1.minNs } }
        /// Our least time over the best competitor's: below 1 we are faster.
        var ratio: Double? { best.map { Double(ours.minNs) / Double($0.minNs) } }
    }

    static func comparisons(_ rows: [Measurement]) -> [Comparison] {
        var order: [String] = []
        var groups: [String: [Measurement]] = [:]
        for row in rows {
            let key = [row.case, row.shape, row.dtype, "\(row.threads)"].joined(separator: " ")
            if groups[key] == nil { order.append(key) }
            groups[key, default: []].append(row)
        }
        return order.compactMap { key in
            let group = groups[key] ?? []
            let peers = group.filter(\.isPeer)
            // Rounds are taken by the first variant, which is the one that is chosen when nobody asks for another.
            guard let ours = group.first(where: { !$0.isPeer }), !peers.isEmpty else { return nil }
            return Comparison(ours: ours, peers: peers)
        }
    }

    /// Empty when no row is a competitor's.
    static func text(_ rows: [Measurement]) -> String {
        let found = comparisons(rows)
        if found.isEmpty { return "" }
        let body = found.compactMap { comparison -> [String]? in
            guard let best = comparison.best, let ratio = comparison.ratio else { return nil }
            let (ours, peer) = (comparison.ours, best)
            return [
                ours.case, ours.shape, ours.dtype, "\(ours.threads)", Report.giga(ours.opsPerS),
                fraction(ours.limitFraction), Report.giga(peer.opsPerS), fraction(peer.limitFraction),
                String(format: "%.3f", ratio), peer.variant,
            ]
        }
        let header = [
            "case", "shape", "dtype", "thr", "our Gop/s", "of limit", "best peer's", "of limit", "time ratio",
            "best peer",
        ]
        let right = Set(3...8)
        let widths = header.indices.map { column in ([header] + body).map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            let padded = cells.enumerated().map { column, cell in
                let pad = String(repeating: " ", count: widths[column] - cell.count)
                return right.contains(column) ? pad + cell : cell + pad
            }
            return "| " + padded.joined(separator: " | ") + " |\n"
        }
        let rules = widths.enumerated().map { column, width in
            String(repeating: "-", count: width + 1) + (right.contains(column) ? ":" : "-")
        }
        let ratios = found.map { ($0.ratio ?? .infinity, $0.best?.limitFraction ?? 0) }
        let ahead = ratios.count { $0.0 < 1 }
        let level = ratios.count { $0.0 >= 1 && $0.0 <= 1.02 && $0.1 > 0.93 }
        var text = "\nours against the best peer (least times in the same rounds; below 1 ours is faster):\n"
        text += line(header) + "|" + rules.joined(separator: "|") + "|\n" + body.map(line).joined()
        text += "of \(found.count) rows \(ahead) ahead of every peer, "
        text += "\(level) within 2 % of one that is above 0.93 of the limit, \(found.count - ahead - level) behind\n"
        return text + ways(found)
    }

    /// Which of its ways each competitor took, for who wants to know what was beaten.
    private static func ways(_ found: [Comparison]) -> String {
        var lines: [String] = []
        for peer in found.flatMap(\.peers) {
            guard let detail = peer.detail, !detail.isEmpty else { continue }
            let line = "  \(peer.variant), \(peer.case) \(peer.dtype): \(detail)"
            if !lines.contains(line) { lines.append(line) }
        }
        return lines.isEmpty ? "" : "what the peers ran:\n" + lines.joined(separator: "\n") + "\n"
    }

    private static func fraction(_ value: Double) -> String { value > 0 ? String(format: "%.2f", value) : "" }
}
