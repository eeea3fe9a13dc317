/// One line of a result file: a kernel on a shape, with its repetitions.
struct Measurement: Codable, Sendable {
    /// Which limit is the longer one on this shape.
    enum Bound: String, Codable, Sendable { case arithmetic, memory }

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
    /// At most 64 repetitions, evenly spread over the measurement; the other figures are those of all repetitions.
    var samplesNs: [Int]
    var minNs: Int
    var medianNs: Int
    var maxNs: Int
    var opsPerS: Double
    var bytesPerS: Double
    var limitFraction: Double
    // The fields below are optional: files written before they existed are of the same schema.
    var bound: Bound?
    /// How far the median of the repetitions or of the probes lay above the fastest, when it was far: 0.12 for 12 %.
    var noisy: Double?
    /// Whether this is a competitor's time.
    var peer: Bool?
    /// What a competitor ran inside, such as the operator it chose; nil in our own rows.
    var detail: String?

    /// What is measured, whoever does it.
    var task: String { [`case`, dtype, shape, "\(threads)"].joined(separator: " ") }
    /// What makes two measurements comparable.
    var key: String {
        [`case`, dtype, shape, variant, "\(threads) thread\(threads == 1 ? "" : "s")"].joined(separator: " ")
    }
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
    static let currentSchema = 1

    var schema = MachineRecord.currentSchema
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
