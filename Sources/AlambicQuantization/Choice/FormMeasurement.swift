import AlambicKernels
import AlambicModels
import AlambicTensor

extension Model {
    /// Measures every matrix in every form that it can have, and dense matrices of other types to compare with.
    ///
    /// Matrices that are equal as far as times depend on it are measured once. Those with less than
    /// ``FormChooser/fewestElements`` elements run dense without a measurement, and are left out.
    ///
    /// - Parameters:
    ///   - chooser: what measures, chooses and remembers.
    ///   - schemes: the types to compare with.
    ///   - fewest: leave out matrices with fewer elements.
    ///   - context: where the model will run.
    ///   - progress: called with how many matrices are done, and before each of them, so that it may throw to stop.
    public func measuredForms(
        with chooser: FormChooser, comparing schemes: [any QuantizationScheme.Type] = QuantizationSchemes.all,
        fewest: Int = FormChooser.fewestElements, on context: Context, progress: (Int) throws -> Void = { _ in }
    ) throws -> FormRecord {
        let elements = multipliedElements
        let measured = weights.indices.filter { isMultiplied($0) && weights[$0].count >= fewest }
        var entries: [FormRecord.Entry] = []
        var times: [FormKey: FormTimes] = [:]
        var compared: Set<Shape> = []
        for (done, index) in measured.enumerated() {
            try progress(done)
            let weight = weights[index]
            let key = FormKey(weight, among: elements)
            let choice = try chooser.choice(for: weight, among: elements, on: context)
            times[key] = choice.times
            // What is stored dense runs dense, and so does what is small.
            let chooses = weight.isSparse && weight.count >= FormChooser.fewestElements
            let form = chooses ? choice.form : .dense
            entries.append(FormRecord.Entry(path: architecture.parameters[index].path, key: key, form: form))
            guard compared.insert(weight.shape).inserted else { continue }
            for scheme in schemes {
                guard let other = try scheme.init().quantizedIfPossible(weight, on: context) else { continue }
                let key = FormKey(other, among: elements)
                times[key] = try chooser.choice(for: other, among: elements, on: context).times
            }
        }
        return FormRecord(machine: FormMachine(context), purpose: chooser.purpose, entries: entries, times: times)
    }
}

extension QuantizationScheme {
    /// The weight in this scheme's type; nil where it is of that type already, or the scheme is not for such weights.
    func quantizedIfPossible(_ weight: PackedWeight, on context: Context) throws(KernelError) -> PackedWeight? {
        do {
            let other = try quantize(weight, on: context)
            return other.product == weight.product ? nil : other
        } catch  where error.code == .badShape || error.code == .badArgument {
            return nil
        }
    }
}
