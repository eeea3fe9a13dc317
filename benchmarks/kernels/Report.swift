import Foundation

/// Result files and tables.
enum Report {
    static func jsonLine(_ value: some Encodable) throws(BenchError) -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return String(decoding: try encoder.encode(value), as: UTF8.self) } catch {
            throw BenchError.failed("cannot write JSON: \(error)")
        }
    }

    static func render(_ machine: MachineRecord, _ rows: [Measurement], as format: BenchArguments.Output)
        throws(BenchError) -> String
    {
        var lines: [String] = []
        switch format {
        case .jsonl:
            lines.append(try jsonLine(machine))
            for row in rows { lines.append(try jsonLine(row)) }
            return lines.joined(separator: "\n") + "\n"
        case .json:
            for row in rows { lines.append(try jsonLine(row)) }
            return "{\"machine\":\(try jsonLine(machine)),\"measurements\":[\(lines.joined(separator: ","))]}\n"
        case .csv:
            lines.append(
                "case,shape,dtype,variant,isa,threads,pattern,cold,ops,bytes,min_ns,median_ns,max_ns,ops_per_s,"
                    + "bytes_per_s,limit_fraction,bound,noisy")
            for row in rows {
                let noisy = row.noisy.map { "\($0)" } ?? ""
                lines.append(
                    "\(row.case),\(row.shape),\(row.dtype),\(row.variant),\(row.isa),\(row.threads),\(row.pattern),"
                        + "\(row.cold),\(row.ops),\(row.bytes),\(row.minNs),\(row.medianNs),\(row.maxNs),"
                        + "\(row.opsPerS),\(row.bytesPerS),\(row.limitFraction),\(row.bound?.rawValue ?? ""),\(noisy)")
            }
            return lines.joined(separator: "\n") + "\n"
        case .md: return markdown(machine) + "\n" + table(rows)
        }
    }

    /// The machine and its limits, before the table.
    static func markdown(_ machine: MachineRecord) -> String {
        var text = "\(machine.cpu), \(cores(machine)), caches \(caches(machine))\n"
        text += "\(isa(machine)); \(machine.compiler)\(machine.commit.isEmpty ? "" : ", commit \(machine.commit)")\n"
        text += pinning(machine)
        for limit in machine.limits {
            let peaks = limit.peaks.sorted { $0.key < $1.key }.map { "\($0.key) \(giga($0.value))" }
            let rates = limit.bandwidths.sorted { $0.key < $1.key }.map { "\($0.key) \(giga($0.value))" }
            let threads = "\(limit.threads) thread\(limit.threads == 1 ? "" : "s")"
            text += wrapped("limits, \(threads), Gop/s: \(peaks.joined(separator: ", "))")
            text += wrapped("limits, \(threads), GB/s: \(rates.joined(separator: ", "))")
        }
        return text
    }

    /// One line when all workers fared alike, a line each otherwise.
    private static func pinning(_ machine: MachineRecord) -> String {
        guard let first = machine.pinning.first else { return "" }
        if machine.pinning.count == 1 { return "worker: \(first)\n" }
        return machine.pinning.enumerated().map { "worker \($0): \($1)\n" }.joined()
    }

    static func cores(_ machine: MachineRecord) -> String {
        func count(_ number: Int, _ name: String) -> String { "\(number) \(name)\(number == 1 ? "" : "s")" }
        return [
            count(machine.cores, "core"), count(machine.units, "thread"), count(machine.nodes, "node"),
        ].joined(separator: ", ")
    }

    static func caches(_ machine: MachineRecord) -> String {
        [machine.l1dBytes, machine.l2Bytes, machine.l3Bytes].map(bytes).joined(separator: " / ")
    }

    /// Names without the prefix that they share with the one before: `avx2 avx512 vnni bf16`.
    static func isa(_ machine: MachineRecord) -> String {
        machine.isa.map { name in
            name.hasPrefix("avx512") && name != "avx512" && machine.isa.contains("avx512")
                ? String(name.dropFirst(6)) : name
        }.joined(separator: " ")
    }

    static func table(_ rows: [Measurement]) -> String {
        var table = TextTable(columns: [
            ("case", .left), ("shape", .left), ("variant", .left), ("thr", .right), ("best", .right),
            ("rate", .right), ("of limit", .right),
        ])
        table.rows = rows.map { row in
            [
                "\(row.case) \(row.dtype)", row.shape, row.variant, "\(row.threads)", time(row.minNs), rate(row),
                row.limitFraction > 0 ? fraction(row) : "",
            ]
        }
        var text = table.text()
        if rows.contains(where: { $0.noisy != nil }) {
            let worst = rows.compactMap(\.noisy).max() ?? 0
            text +=
                "~ noisy: the median of repetitions or probes lay more than \(percent(Spread.noisy)) above the fastest "
                + "(worst: \(percent(worst)))\n"
        }
        return text
    }

    /// The share of the limit, marked when the machine was noisy.
    static func fraction(_ row: Measurement) -> String {
        (row.noisy == nil ? "" : "~") + String(format: "%.2f", row.limitFraction)
    }

    /// In the unit of the limit that counts.
    static func rate(_ row: Measurement) -> String {
        row.ops == 0 || row.bound == .memory ? "\(giga(row.bytesPerS)) GB/s" : "\(giga(row.opsPerS)) Gop/s"
    }

    static func giga(_ value: Double) -> String {
        let scaled = value / 1e9
        return String(format: scaled >= 100 ? "%.0f" : scaled >= 10 ? "%.1f" : "%.2f", scaled)
    }

    static func percent(_ fraction: Double) -> String {
        let percent = fraction * 100
        return String(format: percent == percent.rounded() || abs(percent) >= 100 ? "%.0f %%" : "%.1f %%", percent)
    }

    static func bytes(_ count: Int) -> String {
        if count == 0 { return "?" }
        if count >= 10 << 30 { return "\(count >> 30) GB" }
        return count >= 1 << 20 ? "\(count >> 20) MB" : "\(count >> 10) KB"
    }

    static func time(_ nanoseconds: Int) -> String {
        switch nanoseconds {
        case ..<10_000: "\(nanoseconds) ns"
        case ..<10_000_000: String(format: "%.1f us", Double(nanoseconds) / 1e3)
        case ..<10_000_000_000: String(format: "%.1f ms", Double(nanoseconds) / 1e6)
        default: String(format: "%.1f s", Double(nanoseconds) / 1e9)
        }
    }

    /// `title` and `text`, broken between words at 96 columns, further lines behind `indent`.
    static func wrapped(_ text: String, after title: String = "", indent: String = "    ") -> String {
        var (done, line, isFresh) = ("", title, true)
        for word in text.split(separator: " ") {
            if !isFresh && line.count + 1 + word.count > 96 {
                done += line + "\n"
                (line, isFresh) = (indent, true)
            }
            line += (isFresh ? "" : " ") + word
            isFresh = false
        }
        return done + line + "\n"
    }
}
