import Alambic
import Foundation

/// What a model's weights are stored as and run as, with the times of its record.
struct Inspection {
    /// One weight.
    struct Row {
        let path: String
        let shape: Shape
        let stored: String
        let bytes: Int
        let density: Double
        /// Nil for a weight that no product uses.
        let form: String?
        /// Seconds of the form it runs in, for each of the record's numbers of rows; nil where it was not measured.
        let times: FormTimes?
        let seconds: [Double]?
        /// The fastest dense type at M = 1.
        let bestDense: (product: Product, seconds: Double)?
        let rejected: [FormChoice.Rejection]
    }

    let rows: [Row]
    let record: FormRecord?
    let isHere: Bool

    init(_ model: Model, on context: Context) {
        let record = model.forms
        let entries = Dictionary((record?.entries ?? []).map { ($0.path, $0) }) { first, _ in first }
        self.record = record
        isHere = record.map { $0.machine == FormMachine(context) } ?? false
        rows = model.weights.indices.map { index in
            let (weight, path) = (model.weights[index], model.architecture.parameters[index].path)
            let nonzero = Double(weight.nonzeroCount) / Double(max(1, weight.count))
            let entry =
                model.isMultiplied(index) ? entries[path].flatMap { $0.key == model.formKey(index) ? $0 : nil } : nil
            let times = entry.flatMap { record?.times[$0.key] }
            let form: String? =
                switch (model.isMultiplied(index), entry) {
                case (false, _): nil
                case (true, let entry?): entry.form.rawValue
                // Small, or stored dense: there was no choice.
                case (true, nil):
                    weight.isSparse && weight.count >= FormChooser.fewestElements
                        ? "?" : PackedMatrix.Form.dense.rawValue
                }
            return Row(
                path: path, shape: weight.shape, stored: weight.formName, bytes: weight.byteCount, density: nonzero,
                form: form, times: times, seconds: entry.flatMap { times?.seconds($0.form) },
                bestDense: entry.flatMap { record?.bestDense($0.key, rows: 1) },
                rejected: entry.flatMap { record?.rejections(of: $0) } ?? [])
        }
    }

    /// Microseconds of the measured products of one token, as the weights run and as dense ones of the types they have.
    private var decode: (chosen: Double, dense: Double)? {
        let measured = rows.compactMap { row -> (Double, Double)? in
            guard let times = row.times, let seconds = row.seconds, let place = times.rows.firstIndex(of: 1) else {
                return nil
            }
            return (seconds[place], times.dense[place])
        }
        guard !measured.isEmpty else { return nil }
        return (measured.reduce(0) { $0 + $1.0 } * 1e6, measured.reduce(0) { $0 + $1.1 } * 1e6)
    }

    /// For `--json`, and as lines.
    var totals: [(String, Any)] {
        let products = rows.filter { $0.form != nil }
        var pairs: [(String, Any)] = [
            ("matrices", products.count), ("measured", rows.count { $0.times != nil }),
            ("unsteady", rows.count { $0.times?.isSteady == false }),
            ("not_dense", rows.count { $0.form.map { $0 != "dense" && $0 != "?" } ?? false }),
            ("weight_bytes", rows.reduce(0) { $0 + $1.bytes }),
        ]
        if let decode {
            pairs.append(("microseconds_per_token", decode.chosen))
            pairs.append(("microseconds_per_token_dense", decode.dense))
        }
        return pairs
    }

    /// One object.
    var object: [(String, Any)] {
        var pairs = totals
        let weights = rows.map { row -> [String: Any] in
            var object: [String: Any] = [
                "path": row.path, "shape": row.shape.dimensions, "stored": row.stored, "bytes": row.bytes,
                "density": row.density,
            ]
            object["form"] = row.form == "?" ? nil : row.form
            if let times = row.times {
                object["rows"] = times.rows
                object["seconds"] = Dictionary(
                    times.forms.map { ($0.rawValue, times.seconds($0)) }, uniquingKeysWith: { first, _ in first })
                object["rejected"] = row.rejected.map {
                    ["form": $0.form.rawValue, "M": $0.rows, "speedup": $0.speedup, "reason": $0.reason.rawValue]
                }
            }
            if let best = row.bestDense {
                object["best_dense"] = ["product": best.product.description, "seconds": best.seconds] as [String: Any]
            }
            return object
        }
        pairs.append(("weights", weights))
        if let record {
            pairs.append(("for", record.purpose.rawValue))
            pairs.append(("measured_here", isHere))
            pairs.append(
                (
                    "machine",
                    [
                        "cpu": record.machine.cpu, "isa": record.machine.isa, "threads": record.machine.threads,
                        "version": record.machine.version,
                    ] as [String: Any]
                ))
        }
        return pairs
    }
}
