import AlambicFiles
import AlambicKernels
import AlambicTensor
import Foundation

extension Model {
    /// Whether products use a weight, by its place in walk order.
    public func isMultiplied(_ index: Int) -> Bool {
        index == architecture.head.index || architecture.parameters[index].kind == .matrix
    }

    /// The elements of all weights that products use.
    public var multipliedElements: Int {
        weights.indices.reduce(0) { $0 + (isMultiplied($1) ? weights[$1].count : 0) }
    }

    /// What a weight is, as far as times depend on it.
    public func formKey(_ index: Int) -> FormKey { FormKey(weights[index], among: multipliedElements) }

    /// The same model with another record of forms; nil for none.
    public func recording(_ forms: FormRecord?) -> Model {
        var model = self
        (model.forms, model.formsProblem) = (forms, nil)
        return model
    }

    /// The form of every weight, in walk order. Nothing is looked up or measured for a model without sparse weights.
    ///
    /// - Parameters:
    ///   - policy: what decides; nil for the record, then the cache, then a measurement.
    ///   - cache: where measurements are kept.
    ///   - measurer: what measures when neither record nor cache know a weight.
    func packedForms(
        _ policy: FormPolicy?, cache: FormCache = .user, measurer: any FormMeasurer = FormTimer(), on context: Context
    ) -> [PackedMatrix.Form] {
        var forms = weights.map { _ in PackedMatrix.Form.dense }
        let choosing = weights.indices.filter { isMultiplied($0) && weights[$0].isSparse }
        guard !choosing.isEmpty else { return forms }
        let elements = multipliedElements
        if let policy {
            for index in choosing { forms[index] = policy.form(for: weights[index], among: elements, on: context) }
            return forms
        }
        let machine = FormMachine(context)
        let recorded = recordedForms(on: machine)
        let unknown = choosing.filter { index in
            guard let entry = recorded[architecture.parameters[index].path],
                entry.key == FormKey(weights[index], among: elements)
            else { return weights[index].count >= FormChooser.fewestElements }
            forms[index] = entry.form
            return false
        }
        guard !unknown.isEmpty else { return forms }
        let chooser = FormChooser(
            for: self.forms?.purpose ?? .decode, known: cache.known(of: machine), measurer: measurer)
        for index in unknown {
            forms[index] = FormPolicy.measured(chooser).form(for: weights[index], among: elements, on: context)
        }
        cache.store(chooser.measured, of: machine)
        return forms
    }

    private func recordedForms(on machine: FormMachine) -> [String: FormRecord.Entry] {
        guard let record = forms, record.machine == machine else { return [:] }
        // What was measured on a busy machine is measured again.
        let steady = record.entries.filter { record.times[$0.key]?.isSteady == true }
        return Dictionary(steady.map { ($0.path, $0) }) { first, _ in first }
    }

    /// Reads the record of a model's directory. One that makes no sense is a problem to be told of, and no error.
    mutating func readForms(in directory: URL) {
        do throws(FileError) {
            let record = try FormRecord(modelDirectory: directory)
            if let record { try check(record, path: directory.appendingPathComponent(FormRecord.fileName).path) }
            forms = record
        } catch {
            var problem = error
            problem.fix = "forms are measured again; `alambic compress` writes a new record"
            formsProblem = problem
        }
    }

    private func check(_ record: FormRecord, path: String) throws(FileError) {
        let shapes = Dictionary(architecture.parameters.map { ($0.path, $0.shape) }) { first, _ in first }
        for entry in record.entries {
            let recorded: Shape = [entry.key.rows, entry.key.columns]
            guard shapes[entry.path] == recorded else {
                throw FileError(
                    .mismatched, path: path, "the record is of another model: weight '\(entry.path)'",
                    expected: shapes[entry.path].map { "shape \($0)" } ?? "a weight of this model",
                    found: "shape \(recorded)", fix: "")
            }
        }
    }
}
