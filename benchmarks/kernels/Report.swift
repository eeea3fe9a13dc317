import AlambicKernels
import Foundation

/// Result files and tables.
enum Report {
    static func jsonLine(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func render(_ machine: MachineRecord, _ rows: [Measurement], as format: BenchArguments.Output) throws
        -> String
    {
        switch format {
        case .jsonl:
            return try ([jsonLine(machine)] + rows.map { try jsonLine($0) }).joined(separator: "\n") + "\n"
        case .json:
            let lines = try rows.map { try jsonLine($0) }.joined(separator: ",")
            return try "{\"machine\":\(jsonLine(machine)),\"measurements\":[\(lines)]}\n"
        case .csv:
            let header =
                "case,shape,dtype,variant,threads,cold,min_ns,median_ns,max_ns,ops_per_s,bytes_per_s,limit_fraction"
            let lines = rows.map {
                "\($0.case),\($0.shape),\($0.dtype),\($0.variant),\($0.threads),\($0.cold),\($0.minNs),\($0.medianNs),"
                    + "\($0.maxNs),\($0.opsPerS),\($0.bytesPerS),\($0.limitFraction)"
            }
            return ([header] + lines).joined(separator: "\n") + "\n"
        case .md: return markdown(machine) + "\n" + table(rows)
        }
    }

    /// The machine and its limits, before the table.
    static func markdown(_ machine: MachineRecord) -> String {
        var text =
            "\(machine.cpu), \(machine.cores) cores, \(machine.nodes) NUMA node\(machine.nodes == 1 ? "" : "s"), "
        text += "caches \(bytes(machine.l1dBytes)) / \(bytes(machine.l2Bytes)) / \(bytes(machine.l3Bytes))\n"
        text += "instruction sets: \(machine.isa.joined(separator: " "))\n"
        for (worker, outcome) in machine.pinning.enumerated() { text += "worker \(worker): \(outcome)\n" }
        for limit in machine.limits {
            let peaks = limit.peaks.sorted { $0.key < $1.key }.map { "\($0.key) \(giga($0.value)) Gop/s" }
            let rates = limit.bandwidths.sorted { $0.key < $1.key }.map { "\($0.key) \(giga($0.value))" }
            text +=
                "limits, \(limit.threads) thread\(limit.threads == 1 ? "" : "s"): \(peaks.joined(separator: ", "))\n"
            text += "  GB/s: \(rates.joined(separator: ", "))\n"
        }
        return text
    }

    static func table(_ rows: [Measurement]) -> String {
        let header = ["case", "shape", "dtype", "variant", "thr", "median", "Gop/s", "GB/s", "of limit"]
        let body = rows.map { row in
            [
                row.case, row.shape, row.dtype, row.variant, "\(row.threads)", time(row.medianNs),
                row.ops > 0 ? giga(row.opsPerS) : "", row.cold ? giga(row.bytesPerS) : "",
                row.limitFraction > 0 ? String(format: "%.2f", row.limitFraction) : "",
            ]
        }
        let widths = header.indices.map { column in ([header] + body).map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            let padded = cells.enumerated().map { column, cell in
                let pad = String(repeating: " ", count: widths[column] - cell.count)
                return column >= 4 ? pad + cell : cell + pad
            }
            return "| " + padded.joined(separator: " | ") + " |\n"
        }
        let rule =
            "|"
            + widths.enumerated().map { String(repeating: "-", count: $1 + 1) + ($0 >= 4 ? ":" : "-") }.joined(
                separator: "|")
        return line(header) + rule + "|\n" + body.map(line).joined()
    }

    static func giga(_ value: Double) -> String {
        let scaled = value / 1e9
        return String(format: scaled >= 100 ? "%.0f" : scaled >= 10 ? "%.1f" : "%.2f", scaled)
    }

    static func bytes(_ count: Int) -> String {
        count >= 1 << 20 ? "\(count >> 20) MB" : "\(count >> 10) KB"
    }

    static func time(_ nanoseconds: Int) -> String {
        switch nanoseconds {
        case ..<10_000: "\(nanoseconds) ns"
        case ..<10_000_000: String(format: "%.1f us", Double(nanoseconds) / 1e3)
        default: String(format: "%.1f ms", Double(nanoseconds) / 1e6)
        }
    }
}
