import Alambic
import Foundation

/// Which matrix gets which sparsity, and why.
struct PruningPlan {
    let goal: PruningGoal
    /// Matrices that are not named stay dense.
    private(set) var sparsities: [String: Sparsity] = [:]
    private var sensitivities: [MatrixSensitivity] = []

    init(_ goal: PruningGoal, _ run: PruningRun) throws {
        self.goal = goal
        switch goal {
        case .sparsity(let sparsity, .layer):
            for path in run.model.prunablePaths() { sparsities[path] = sparsity }
        case .sparsity(let sparsity, .global): sparsities = try run.model.globalMagnitude(sparsity)
        case .bytes(let limit):
            sensitivities = try Self.scan(run)
            let allocator = SparsityAllocator(sensitivities, cost: ByteCost(run.form))
            // Shares are rounded to whole weights, and zeros that quantization makes of small weights change with retraining.
            let search = TargetSearch(allocator, limit: limit, aim: run.form == .int8 ? 0.98 : 0.999)
            let outcome = try search.run { try Double(run.size(of: run.deployed(model($0, run)))) }
            try take(outcome) { "\(Int($0)) bytes" }
        case .tokensPerSecond(let rate):
            sensitivities = try Self.scan(run)
            let cost = try Self.timed(sensitivities, run)
            let search = TargetSearch(SparsityAllocator(sensitivities, cost: cost), limit: 1 / rate, aim: 0.98)
            let outcome = try search.run { try run.deployed(model($0, run)).secondsPerToken(on: run.context) }
            try take(outcome) { String(format: "%.1f tokens/s", 1 / $0) }
        }
    }

    private mutating func take(_ outcome: TargetSearch.Outcome, _ text: (Double) -> String) throws {
        switch outcome {
        case .metDense: break
        case .reached(let allocation, let measured):
            sparsities = named(allocation.sparsities)
            Terminal.say(
                "sparsities found: \(text(measured)), loss expected to rise by at most "
                    + String(format: "%.3f without retraining", allocation.increase))
        case .unreachable(let best):
            throw CommandError.failed(
                "\(goal.option) cannot be reached by pruning: the best is \(text(best)), with every matrix as sparse as "
                    + String(format: "%.0f %%", (sensitivities.map(\.sparsest).max() ?? 0) * 100))
        }
    }

    private func named(_ shares: [Double]) -> [String: Sparsity] {
        var result: [String: Sparsity] = [:]
        for (matrix, share) in zip(sensitivities, shares) where share > 0 { result[matrix.path] = .unstructured(share) }
        return result
    }

    private func model(_ shares: [Double], _ run: PruningRun) throws -> Model {
        try run.prunedAtOnce(named(shares))
    }

    /// On the text to retrain on: what is held out stays unseen.
    private static func scan(_ run: PruningRun) throws -> [MatrixSensitivity] {
        let progress = Progress("sensitivity", total: run.model.prunablePaths().count)
        let found = try sensitivities(run, run.method, progress)
        progress.finish("\(found.count) matrices")
        return found
    }

    private static func sensitivities(
        _ run: PruningRun, _ method: some PruningMethod, _ progress: Progress
    ) throws -> [MatrixSensitivity] {
        try run.model.sensitivities(
            to: method, on: run.train, context: run.context, cancellation: Interruption.cancellation
        ) { done, _ in progress.update(done) }
    }

    private static func timed(_ matrices: [MatrixSensitivity], _ run: PruningRun) throws -> TimeCost {
        let ladder = SensitivityScan().ladder
        let progress = Progress("timing products", total: ladder.count + 1)
        let cost = try TimeCost(
            measuring: matrices.map { ($0.outputs, $0.inputs) }, form: run.form, sparsities: ladder, on: run.context
        ) { done, _ in progress.update(done) }
        progress.finish("\(ladder.count + 1) sparsities")
        return cost
    }
}

extension PruningPlan {
    /// A line of the table of layers.
    struct Layer {
        let path: String
        let outputs: Int
        let inputs: Int
        let sparsity: Double
        let increase: Double?

        var json: [String: Any] {
            var object: [String: Any] = ["path": path, "outputs": outputs, "inputs": inputs, "sparsity": sparsity]
            if let increase { object["loss_increase"] = increase }
            return object
        }

        static func table(_ layers: [Layer]) -> String {
            let isMeasured = layers.contains { $0.increase != nil }
            var text =
                "matrix".padding(toLength: 34, withPad: " ", startingAt: 0) + "  outputs    inputs  sparsity"
                + (isMeasured ? "  loss alone\n" : "\n")
            for layer in layers {
                let name = layer.path.count > 34 ? "…" + layer.path.suffix(33) : layer.path
                text += name.padding(toLength: 34, withPad: " ", startingAt: 0)
                text += String(format: "%9d %9d  %6.1f %%", layer.outputs, layer.inputs, layer.sparsity * 100)
                text += (layer.increase.map { String(format: "  %+10.4f\n", $0) } ?? "\n")
            }
            return text
        }
    }

    /// What became of every matrix, measured in the weights, with what it alone would do to the loss, where that was measured.
    func layers(of model: Model) -> [Layer] {
        let known = Dictionary(sensitivities.map { ($0.path, $0) }) { first, _ in first }
        return zip(model.architecture.parameters, model.weights).compactMap { description, weight in
            guard description.kind == .matrix else { return nil }
            let share = sparsities[description.path]?.fraction ?? 0
            return Layer(
                path: description.path, outputs: description.shape.rows, inputs: description.shape.columns,
                sparsity: 1 - Double(weight.nonzeroCount) / Double(max(weight.count, 1)),
                increase: known[description.path]?.increase(at: share))
        }
    }
}

extension PruningGoal {
    /// The option that asked for it.
    var option: String {
        switch self {
        case .sparsity(let sparsity, _): "--sparsity \(sparsity)"
        case .bytes(let bytes): "--target-bytes \(Int(bytes))"
        case .tokensPerSecond(let rate): String(format: "--target-tokens-per-s %g", rate)
        }
    }
}

extension PruningRun {
    /// Bytes of a model's files, as they would be saved: written beside the output and taken away again.
    func size(of model: Model) throws -> Int {
        let place = URL(fileURLWithPath: "\(URL(fileURLWithPath: directory).standardizedFileURL.path).size-\(getpid())")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: place) }
        try model.write(into: place)
        return Output.size(of: place.path)
    }
}
