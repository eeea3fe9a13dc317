import Foundation

/// A result file, read back. Nothing in it is trusted: it may be cut, edited, or somebody else's.
struct ResultFile {
    var path: String
    var machine: MachineRecord
    var measurements: [Measurement]
    /// The line of each measurement.
    var lines: [Int]

    private struct Kind: Decodable {
        var kind: String?
        var schema: Int?
    }

    init(contentsOf path: String) throws(BenchError) {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw BenchError.failed("cannot read \(path): no such file")
        }
        guard !isDirectory.boolValue, let data = FileManager.default.contents(atPath: path) else {
            throw BenchError.failed("cannot read \(path): \(isDirectory.boolValue ? "a folder" : "no permission")")
        }
        try self.init(data, path: path)
    }

    init(_ data: Data, path: String) throws(BenchError) {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        var machine: MachineRecord?
        var seen: [String: Int] = [:]
        self.path = path
        (measurements, lines) = ([], [])
        let all = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in all.enumerated() {
            let number = index + 1
            if line.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\t") }) {
                continue
            }
            func fail(_ text: String) -> BenchError { .failed("\(path):\(number): \(text)") }
            func decode<T: Decodable>(_ type: T.Type, _ what: String) throws(BenchError) -> T {
                do { return try decoder.decode(type, from: line) } catch {
                    throw fail("not \(what): \(Self.reason(error))")
                }
            }
            guard let head = try? decoder.decode(Kind.self, from: line) else {
                let isLast = number == all.count
                throw fail(
                    machine == nil
                        ? "not a bench result file; write one with `bench --output jsonl --out FILE`"
                        : "not whole JSON\(isLast ? ": the file is cut short" : "")")
            }
            if machine == nil {
                guard head.kind == "machine", let schema = head.schema else {
                    throw fail(
                        "not a bench result file: its first line must be the machine, as `--output jsonl` writes it")
                }
                guard schema == MachineRecord.currentSchema else {
                    throw fail(
                        "schema \(schema), expected \(MachineRecord.currentSchema): measure again with this bench")
                }
                machine = try decode(MachineRecord.self, "the machine line of schema 1")
                continue
            }
            switch head.kind {
            case "measurement": break
            case "machine": throw fail("a second machine line: a result file holds one run")
            default: throw fail("not a measurement: its kind is \(head.kind.map { "'\($0)'" } ?? "missing")")
            }
            let measurement = try decode(Measurement.self, "a measurement of schema 1")
            if let problem = measurement.problem { throw fail(problem) }
            if let earlier = seen.updateValue(number, forKey: measurement.key) {
                throw fail("measures the same as line \(earlier): \(measurement.key)")
            }
            measurements.append(measurement)
            lines.append(number)
        }
        guard let machine else {
            throw BenchError.failed("\(path):1: empty; write a result file with `bench --output jsonl --out FILE`")
        }
        self.machine = machine
    }

    /// The part of a decoding error that a person can use.
    private static func reason(_ error: any Error) -> String {
        func name(_ path: [any CodingKey]) -> String { path.map(\.stringValue).joined(separator: ".") }
        switch error as? DecodingError {
        case .keyNotFound(let key, _): return "no \(snakeCase(key.stringValue))"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            let place = name(context.codingPath)
            return place.isEmpty ? "malformed JSON" : "\(snakeCase(place)) has the wrong type"
        default: return "malformed JSON"
        }
    }

    private static func snakeCase(_ name: String) -> String {
        name.reduce(into: "") { text, letter in
            if letter.isUppercase { text += "_" }
            text += letter.lowercased()
        }
    }
}

extension Measurement {
    /// What is impossible about it, nil when nothing is.
    var problem: String? {
        if samplesNs.isEmpty || samplesNs.count > Spread.mostSamples {
            return "samples_ns has \(samplesNs.count) values, expected 1 to \(Spread.mostSamples)"
        }
        if !(1 <= minNs && minNs <= medianNs && medianNs <= maxNs) {
            return "min_ns \(minNs), median_ns \(medianNs) and max_ns \(maxNs) are not positive and in order"
        }
        if let outside = samplesNs.first(where: { !(minNs...maxNs ~= $0) }) {
            return "samples_ns has \(outside), which is not between min_ns \(minNs) and max_ns \(maxNs)"
        }
        if threads < 1 { return "threads is \(threads), expected at least 1" }
        for (name, value) in [("ops", ops), ("bytes", bytes), ("limit_fraction", limitFraction)]
        where !(value >= 0 && value.isFinite) {
            return "\(name) is \(value), expected a number of at least 0"
        }
        return nil
    }
}
