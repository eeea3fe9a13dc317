import AlambicFiles
import AlambicKernels
import AlambicTensor

// The parts that the record of a model and the cache of a user share.

extension FormMachine {
    var json: JSON {
        ["cpu": .string(cpu), "isa": .string(isa), "threads": .number(threads), "version": .string(version)]
    }

    init(_ reader: JSONReader) throws(FileError) {
        self.init(
            cpu: try reader.string("cpu"), isa: try reader.string("isa"),
            threads: try reader.integer("threads", in: 1...1 << 20), version: try reader.string("version"))
    }
}

extension FormKey {
    var pairs: [(String, JSON)] {
        [
            ("shape", [.number(rows), .number(columns)]), ("product", .string(product.description)),
            ("density_32nds", .number(density)), ("turns", .number(turns)),
        ]
    }

    init(_ reader: JSONReader) throws(FileError) {
        let extents = try reader.array("shape").compactMap(\.int)
        guard extents.count == 2, extents.allSatisfy({ 1...1 << 40 ~= $0 }) else {
            throw reader.failure("shape", expected: "two extents")
        }
        let name = try reader.string("product")
        guard let product = Product.allCases.first(where: { $0.description == name }) else {
            throw reader.failure("product", expected: "the name of a product, such as f32")
        }
        self.init(
            rows: extents[0], columns: extents[1], product: product,
            density: try reader.integer("density_32nds", in: 0...32), turns: try reader.integer("turns", in: 1...64))
    }
}

extension FormTimes {
    var pairs: [(String, JSON)] {
        let times = forms.map { ($0.rawValue, JSON.array(seconds($0).map { .number($0) })) }
        return [
            ("rows", .array(rows.map { .number($0) })), ("seconds", .object(JSONObject(times))),
            ("steady", .bool(isSteady)),
        ]
    }

    init(_ reader: JSONReader) throws(FileError) {
        let rows = try reader.array("rows").compactMap(\.int)
        guard !rows.isEmpty, rows.allSatisfy({ 1...1 << 30 ~= $0 }), zip(rows, rows.dropFirst()).allSatisfy(<) else {
            throw reader.failure("rows", expected: "numbers of rows in increasing order")
        }
        let times = try reader.reader("seconds")
        var seconds: [PackedMatrix.Form: [Double]] = [:]
        for name in times.object.keys {
            guard let form = PackedMatrix.Form(rawValue: name) else {
                throw times.failure(name, expected: "one of \(PackedMatrix.Form.names) as the name")
            }
            let values = try times.doubles(name)
            guard values.count == rows.count, values.allSatisfy({ $0.isFinite && $0 > 0 }) else {
                throw times.failure(name, expected: "\(rows.count) positive times")
            }
            seconds[form] = values
        }
        guard seconds[.dense] != nil else { throw times.failure("dense", expected: "the times of the dense form") }
        self.init(rows: rows, seconds: seconds, isSteady: try reader.bool("steady", default: true))
    }
}

extension PackedMatrix.Form {
    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

/// A table of times as an array of objects.
enum FormTable {
    static func json(_ table: [FormKey: FormTimes]) -> JSON {
        // In one order, so that equal tables give equal bytes.
        func rank(_ key: FormKey) -> [Int] {
            [key.rows, key.columns, Int(key.product.rawValue), key.density, key.turns]
        }
        let sorted = table.sorted { rank($0.key).lexicographicallyPrecedes(rank($1.key)) }
        return .array(sorted.map { .object(JSONObject($0.pairs + $1.pairs)) })
    }

    static func read(_ reader: JSONReader, _ name: String) throws(FileError) -> [FormKey: FormTimes] {
        var table: [FormKey: FormTimes] = [:]
        for element in try reader.array(name) {
            let entry = try JSONReader(element, path: reader.path)
            let (key, times) = (try FormKey(entry), try FormTimes(entry))
            if let form = times.forms.first(where: { !key.product.allows($0) }) {
                throw try entry.reader("seconds").failure(
                    form.rawValue, expected: "a form that weights of \(key.product) have")
            }
            table[key] = times
        }
        return table
    }
}
