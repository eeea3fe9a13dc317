import AlambicFiles
import AlambicKernels
import AlambicTensor
import Foundation

/// Which form each weight of a model runs in, and the times that say so: `alambic_forms.json` in its directory.
public struct FormRecord: Equatable, Sendable {
    /// The name of the file.
    public static let fileName = "alambic_forms.json"

    /// One weight.
    public struct Entry: Equatable, Sendable {
        /// The parameter's path.
        public let path: String
        /// What it is, as far as times depend on it.
        public let key: FormKey
        /// What it runs in.
        public let form: PackedMatrix.Form

        /// An entry.
        public init(path: String, key: FormKey, form: PackedMatrix.Form) {
            (self.path, self.key, self.form) = (path, key, form)
        }
    }

    /// Where the times were measured.
    public let machine: FormMachine
    /// What the choices are for.
    public let purpose: FormPurpose
    /// The weights that were measured, in walk order.
    public let entries: [Entry]
    /// Times of the weights, and of what else they were compared with. Every entry's key is there.
    public let times: [FormKey: FormTimes]

    /// A record.
    public init(machine: FormMachine, purpose: FormPurpose, entries: [Entry], times: [FormKey: FormTimes]) {
        precondition(entries.allSatisfy { times[$0.key] != nil }, "an entry without times")
        (self.machine, self.purpose, self.entries, self.times) = (machine, purpose, entries, times)
    }

    /// Why a weight does not run in another form.
    public func rejections(of entry: Entry) -> [FormChoice.Rejection] {
        guard let times = times[entry.key] else { return [] }
        return FormChoice(times, for: purpose).rejected.filter { $0.form != entry.form }
    }

    /// The fastest dense type for matrices of a shape, at a number of rows, of those that were measured.
    public func bestDense(_ key: FormKey, rows: Int) -> (product: Product, seconds: Double)? {
        times.compactMap { other, times -> (Product, Double)? in
            guard times.isSteady, (other.rows, other.columns, other.turns) == (key.rows, key.columns, key.turns),
                let place = times.rows.firstIndex(of: rows)
            else { return nil }
            return (other.product, times.dense[place])
        }.min { ($0.1, $0.0.rawValue) < ($1.1, $1.0.rawValue) }
    }

    // MARK: files

    /// Writes the record into a model's directory, whole or not at all.
    public func write(into directory: URL) throws(FileError) {
        try json.write(to: directory.appendingPathComponent(Self.fileName))
    }

    /// The record of a model's directory; nil when there is none.
    public init?(modelDirectory: URL) throws(FileError) {
        let url = modelDirectory.appendingPathComponent(Self.fileName)
        guard FileManager.default.fileExists(atPath: url.path) else { return nil }
        try self.init(try JSONReader(contentsOf: url))
    }

    var json: JSON {
        let weights = entries.map { entry -> JSON in
            // For people; the times say the same.
            let rejected = rejections(of: entry).map { JSON.string("\($0)") }
            return .object(
                JSONObject(
                    [("path", .string(entry.path))] + entry.key.pairs
                        + [("form", .string(entry.form.rawValue)), ("rejected", .array(rejected))]))
        }
        return [
            "schema": 1, "machine": machine.json, "for": .string(purpose.rawValue), "weights": .array(weights),
            "times": FormTable.json(times),
        ]
    }

    init(_ reader: JSONReader) throws(FileError) {
        guard try reader.integer("schema") == 1 else { throw reader.failure("schema", expected: "1") }
        let name = try reader.string("for")
        guard let purpose = FormPurpose(rawValue: name) else {
            throw reader.failure("for", expected: "decode, prefill or both")
        }
        let times = try FormTable.read(reader, "times")
        var entries: [Entry] = []
        for element in try reader.array("weights") {
            let weight = try JSONReader(element, path: reader.path)
            guard let form = PackedMatrix.Form(rawValue: try weight.string("form")) else {
                throw weight.failure("form", expected: "one of \(PackedMatrix.Form.names)")
            }
            let entry = Entry(path: try weight.string("path"), key: try FormKey(weight), form: form)
            guard times[entry.key]?.seconds[form] != nil else {
                throw FileError(
                    .malformed, path: reader.path, "weight '\(entry.path)'", expected: "times of \(form.rawValue)",
                    found: "none", fix: "measure it again")
            }
            entries.append(entry)
        }
        self.init(
            machine: try FormMachine(try reader.reader("machine")), purpose: purpose, entries: entries, times: times)
    }
}

extension FormChoice.Rejection: CustomStringConvertible {
    /// `bitmask at M = 64: 0.97x`.
    public var description: String {
        "\(form.rawValue) at M = \(rows): \(String(format: "%.2f", speedup))x, \(why)"
    }

    private var why: String {
        switch reason {
        case .slower: "slower"
        case .noGain: "no gain"
        case .unsteady: "times not steady"
        case .another: "another form gains more"
        }
    }
}
