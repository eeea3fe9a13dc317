import Foundation

/// One line of a result file: a kernel on a shape, with every repetition kept.
struct Measurement: Codable, Sendable {
    var kind = "measurement"
    var `case`: String
    var shape: String
    var dtype: String
    var variant: String
    var isa: String
    var threads: Int
    var pattern: String
    var cold: Bool
    var ops: Double
    var bytes: Double
    var samplesNs: [Int]
    var minNs: Int
    var medianNs: Int
    var maxNs: Int
    var opsPerS: Double
    var bytesPerS: Double
    var limitFraction: Double
    /// What a competitor ran inside, such as the operator it chose; nil in our own rows.
    var detail: String?

    /// What makes two measurements comparable.
    var key: String { [`case`, shape, dtype, variant, "\(threads)"].joined(separator: " ") }
}

/// The first line of a result file: where it was measured, and what that machine can do at most.
struct MachineRecord: Codable, Sendable {
    struct Limits: Codable, Sendable {
        var threads: Int
        /// Operations per second from registers alone, by C type name.
        var peaks: [String: Double]
        /// Bytes per second by traffic pattern, read plus written.
        var bandwidths: [String: Double]
    }
    var schema = 1
    var kind = "machine"
    var cpu: String
    var isa: [String]
    var l1dBytes: Int
    var l2Bytes: Int
    var l3Bytes: Int
    var nodes: Int
    var packages: Int
    var cores: Int
    var units: Int
    var pinning: [String]
    var limits: [Limits]
    var openblas: String
    var compiler: String
    var commit: String
    var date: String
}

/// A result file, read back.
struct ResultFile {
    var machine: MachineRecord
    var measurements: [Measurement]

    init(contentsOf path: String) throws(BenchError) {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw BenchError.failed("cannot read \(path): no such file, or no permission")
        }
        var machine: MachineRecord?
        measurements = []
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        for (number, line) in data.split(separator: UInt8(ascii: "\n")).enumerated() {
            if number == 0 {
                machine = try? decoder.decode(MachineRecord.self, from: line)
                guard machine?.schema == 1 else {
                    throw BenchError.failed("\(path):1 is not the machine line of a bench result file of schema 1")
                }
            } else if let measurement = try? decoder.decode(Measurement.self, from: line) {
                measurements.append(measurement)
            } else {
                throw BenchError.failed("\(path):\(number + 1) is not a measurement of schema 1")
            }
        }
        guard let machine else {
            throw BenchError.failed("\(path) is empty; write one with `--output jsonl --out FILE`")
        }
        self.machine = machine
    }
}

enum BenchError: Error {
    case usage(String)
    case failed(String)
}
