import AlambicKernels
import AlambicModels
import AlambicTensor

/// How much a model may lose for speed.
public struct QualityBudget {
    /// How much the loss may grow, in nats.
    public let nats: Double
    /// The loss of a model on text that it was not made from.
    public let loss: (Model) throws -> Double

    /// A budget.
    public init(nats: Double, loss: @escaping (Model) throws -> Double) { (self.nats, self.loss) = (nats, loss) }
}

/// Puts every matrix of a model in the form that is measured to be the fastest.
///
/// Without a budget the values stay what they are, bit for bit, and so does all that the model says: matrices with zeros
/// are stored sparse where that is faster. With one, matrices may change their type: first all of them to what is
/// fastest for each; if the loss grows by more than the budget, as many as it allows, those first that change the least
/// (a search by halves); then the rest to what is the next fastest. The loss is measured at every step, so what comes
/// out is within the budget.
public struct Compressor {
    /// What came out.
    public struct Result {
        /// The model, with its record of forms.
        public let model: Model
        /// How many matrices changed their type.
        public let changed: Int
        /// The loss before and after; nil without a budget.
        public let loss: (before: Double, after: Double)?
    }

    private let chooser: FormChooser
    private let schemes: [any QuantizationScheme.Type]
    private let context: Context
    private let progress: (String) throws -> Void

    /// A compressor.
    ///
    /// - Parameters:
    ///   - chooser: what measures and chooses.
    ///   - schemes: the types that a budget allows.
    ///   - context: where the model will run.
    ///   - progress: called with what is done next; may throw to stop.
    public init(
        _ chooser: FormChooser, schemes: [any QuantizationScheme.Type] = QuantizationSchemes.all,
        on context: Context = .default, progress: @escaping (String) throws -> Void = { _ in }
    ) {
        (self.chooser, self.schemes, self.context, self.progress) = (chooser, schemes, context, progress)
    }

    /// A copy of the model in its fastest form.
    public func compress(_ model: Model, budget: QualityBudget? = nil) throws -> Result {
        var model = try withFastestForms(model)
        var (changed, loss) = (0, (before: 0.0, after: 0.0))
        if let budget {
            try progress("loss before")
            loss.before = try budget.loss(model)
            loss.after = loss.before
            var search = TypeSearch(
                model, try alternatives(model), limit: loss.before + budget.nats, loss: budget.loss, on: context,
                progress: progress)
            try search.run()
            // Times of other types were those of their fastest forms, which may leave zeros out.
            (model, changed) = (try withFastestForms(search.model), search.changed)
            loss.after = search.accepted ?? loss.before
        }
        try progress("record")
        let record = try model.measuredForms(with: chooser, comparing: schemes, on: context)
        return Result(model: model.recording(record), changed: changed, loss: budget == nil ? nil : loss)
    }

    /// Leaves zeros out where that is faster.
    private func withFastestForms(_ model: Model) throws -> Model {
        var weights = model.weights
        let elements = model.multipliedElements
        for index in matrices(of: model) where !weights[index].isSparse {
            let path = model.architecture.parameters[index].path
            try progress(path)
            // Hardly any zeros: there is nothing to leave out.
            guard FormKey(weights[index], among: elements).density < 31 else { continue }
            if try chooser.choice(for: weights[index], among: elements, on: context).form != .dense {
                weights[index] = try weights[index].withoutZeros()
            }
        }
        return model.replacing(weights: weights)
    }

    private func matrices(of model: Model) -> [Int] {
        model.weights.indices.filter {
            model.architecture.parameters[$0].kind == .matrix
                && model.weights[$0].count >= FormChooser.fewestElements
        }
    }

    /// For each matrix the types that are faster than its own, fastest first.
    private func alternatives(_ model: Model) throws -> [Int: [TypeSearch.Alternative]] {
        let elements = model.multipliedElements
        var all: [Int: [TypeSearch.Alternative]] = [:]
        for index in matrices(of: model) {
            let weight = model.weights[index]
            try progress(model.architecture.parameters[index].path)
            let own = try chooser.choice(for: weight, among: elements, on: context)
            let values = try weight.dense()
            for type in schemes {
                let scheme = type.init()
                guard let other = try scheme.quantizedIfPossible(weight, on: context) else { continue }
                let choice = try chooser.choice(for: other, among: elements, on: context)
                guard let time = relativeTime(choice, weight.isSparse ? own.form : .dense, own.times) else { continue }
                all[index, default: []].append(
                    TypeSearch.Alternative(
                        scheme: scheme, time: time, error: relativeError(try other.dense(), values)))
            }
            all[index]?.sort { $0.time < $1.time }
        }
        return all
    }

    /// The time of a form of another type as a fraction of what it would replace; nil unless it is faster for the
    /// purpose, and nowhere slower beyond the tolerance.
    private func relativeTime(_ other: FormChoice, _ own: PackedMatrix.Form, _ times: FormTimes) -> Double? {
        guard other.times.rows == times.rows, other.times.isSteady, times.isSteady else { return nil }
        let (mine, theirs) = (times.seconds(own), other.times.seconds(other.form))
        guard zip(mine, theirs).allSatisfy({ $1 <= $0 * (1 + FormChoice.tolerance) }) else { return nil }
        var (sum, total) = (0.0, 0.0)
        for (place, rows) in times.rows.enumerated() {
            let weight = chooser.purpose.weight(rows: rows)
            sum += weight * theirs[place] / mine[place]
            total += weight
        }
        return sum / total < 1 - FormChoice.margin ? sum / total : nil
    }
}

/// |a - b|² / |b|².
private func relativeError(_ a: Tensor, _ b: Tensor) -> Double {
    let (x, y) = (a.span, b.span)
    var (error, square) = (0.0, 0.0)
    for i in 0..<x.count {
        let difference = Double(x[i] - y[i])
        error += difference * difference
        square += Double(y[i]) * Double(y[i])
    }
    return square > 0 ? error / square : 0
}
