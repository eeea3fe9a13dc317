import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// Prunes the model that a trainer trains. Between the rounds the trainer goes on as usual: masks hold.
///
/// Matrices of linear layers are pruned; embeddings, positions, gains and biases never are.
public final class Pruner {
    /// Which weights to give up.
    public let method: any PruningMethod
    private let trainer: Trainer
    private let prunable: [Int]
    private let denseDropout: Double
    private var masks: [Int: Mask] = [:]
    private let products: MaskedProducts
    private var times: ProductTimes

    /// A pruner of all matrices but those whose path contains one of `except`.
    ///
    /// - Parameter products: what the trainer's products do with weights that are gone.
    public init(
        of trainer: Trainer, by method: some PruningMethod, except: [String] = [], products: MaskedProducts = .dense
    ) {
        precondition(trainer.adapters == nil, "weights beside adapters are frozen: prune the model of `snapshot()`")
        self.trainer = trainer
        self.method = method
        denseDropout = trainer.dropout
        prunable = trainer.architecture.prunable(except: except)
        self.products = products
        times = ProductTimes(on: trainer.context)
    }

    /// The paths of all prunable matrices, in walk order.
    public var paths: [String] { prunable.map { trainer.parameters[$0].path } }

    /// Removes weights until every prunable matrix has this sparsity. What is gone stays so; survivors keep their weights
    /// and what the optimizer remembers of them (Han et al. 2015, section 3.3).
    ///
    /// Dropout shrinks with the number of connections: rate * sqrt(C_after / C_before) (section 3.2), C counted over
    /// all prunable matrices, since a model has one rate.
    ///
    /// - Parameter tokens: of a batch to come, for which ``MaskedProducts/measured`` products are chosen; by default as
    ///   many as the trainer's last batch had, or 32 of the model's contexts.
    public func prune(to sparsity: Sparsity, tokens: Int? = nil) throws(TrainingError) {
        try sparsity.validate()
        try prune(to: Dictionary(paths.map { ($0, sparsity) }) { first, _ in first }, tokens: tokens)
    }

    /// The same with a sparsity for each path; other matrices stay as they are.
    ///
    /// - Throws: `.badSetting`, before any weight is touched, for a path that is no prunable matrix's, or a pattern that
    ///   does not tile its matrix.
    public func prune(to sparsities: [String: Sparsity], tokens: Int? = nil) throws(TrainingError) {
        try trainer.architecture.check(sparsities, prunable: prunable)
        var chosen: [Int: Mask] = [:]
        do {
            for index in prunable {
                let parameter = trainer.parameters[index]
                guard let sparsity = sparsities[parameter.path] else { continue }
                chosen[index] = try method.mask(of: parameter.value, to: sparsity, after: masks[index])
            }
        } catch {
            throw .kernel(error)
        }
        try set(chosen, tokens: tokens)
    }

    /// Removes what these masks, found in whichever way, do not keep; other matrices stay as they are.
    ///
    /// - Throws: `.badSetting` for a path that is no prunable matrix's, or a mask of another shape or that brings back what is
    ///   gone.
    public func prune(with given: [String: Mask], tokens: Int? = nil) throws(TrainingError) {
        var unknown = Set(given.keys)
        var chosen: [Int: Mask] = [:]
        for index in prunable {
            let parameter = trainer.parameters[index]
            guard let mask = given[parameter.path] else { continue }
            unknown.remove(parameter.path)
            guard mask.rows == parameter.shape.rows, mask.columns == parameter.shape.columns else {
                throw .badSetting("a mask of [\(mask.rows), \(mask.columns)] for \(parameter.path) \(parameter.shape)")
            }
            if let earlier = masks[index], !mask.isSubset(of: earlier) {
                throw .badSetting("the mask of \(parameter.path) brings weights back that are gone")
            }
            chosen[index] = mask
        }
        if let path = unknown.min() { throw .badSetting("no matrix that can be pruned is called '\(path)'") }
        try set(chosen, tokens: tokens)
    }

    /// The masks of thresholds by path.
    func masks(below thresholds: [String: DeviationThreshold]) throws(TrainingError) -> [String: Mask] {
        var result: [String: Mask] = [:]
        var unknown = Set(thresholds.keys)
        do {
            for index in prunable {
                let parameter = trainer.parameters[index]
                guard let threshold = thresholds[parameter.path] else { continue }
                unknown.remove(parameter.path)
                result[parameter.path] = try threshold.mask(of: parameter.value, after: masks[index])
            }
        } catch {
            throw .kernel(error)
        }
        if let path = unknown.min() { throw .badSetting("no matrix that can be pruned is called '\(path)'") }
        return result
    }

    /// Makes masks those of the trainer's parameters, and dropout what is left of it.
    private func set(_ chosen: [Int: Mask], tokens: Int?) throws(TrainingError) {
        let batch = tokens ?? trainer.source.map { $0.rows * $0.context } ?? 32 * trainer.architecture.context
        var (kept, total) = (0, 0)
        for index in prunable {
            if let mask = chosen[index] {
                do { try adopt(mask, index, tokens: batch) } catch { throw .kernel(error) }
            }
            let count = trainer.parameters[index].value.count
            kept += masks[index]?.kept ?? count
            total += count
        }
        trainer.dropout = DropoutRescaling.rate(denseDropout, connections: kept, of: max(total, 1))
    }

    private func adopt(_ mask: Mask, _ index: Int, tokens: Int) throws(KernelError) {
        let parameter = trainer.parameters[index]
        try mask.apply(to: parameter.value, on: trainer.context)
        parameter.valueChanged()
        for state in trainer.state.state(ofParameter: index) { try mask.apply(to: state, on: trainer.context) }
        trainer.state.forgetQuantized(ofParameter: index, whereZero: parameter.value)
        parameter.transform = mask
        masks[index] = mask
        try mask.skipZeros(
            of: parameter, in: try sparseProducts(of: index, mask, tokens: tokens / trainer.microBatches),
            on: trainer.context)
    }

    /// The head multiplies in chunks of its own, where products are dense.
    private func sparseProducts(of index: Int, _ mask: Mask, tokens: Int) throws(KernelError) -> SparseProducts {
        guard trainer.dtype.weightProduct == nil, index != trainer.architecture.head.index else { return [] }
        switch products {
        case .dense: return []
        case .sparse(let products): return products
        case .measured: return try times.worthwhile(for: mask, of: trainer.parameters[index], tokens: tokens)
        }
    }

    /// Which products of every prunable matrix skip weights that are gone.
    public var sparseProducts: [(path: String, products: SparseProducts)] {
        prunable.map { (trainer.parameters[$0].path, trainer.parameters[$0].sparse?.products ?? []) }
    }

    /// The share of zeros in every prunable matrix, measured in the weights themselves.
    public var measured: [(path: String, sparsity: Double)] {
        prunable.map { index in
            let parameter = trainer.parameters[index]
            let zeros = parameter.value.elements.count { $0 == 0 }
            return (parameter.path, Double(zeros) / Double(max(parameter.value.count, 1)))
        }
    }

    /// The model as it is now, with the pruned matrices stored sparse where that is smaller.
    public func model() throws(TrainingError) -> Model {
        let model = try trainer.snapshot()
        var weights = model.weights
        do {
            for index in masks.keys { weights[index] = try .smallest(of: try weights[index].dense()) }
        } catch {
            throw .kernel(error)
        }
        return model.replacing(weights: weights)
    }
}

extension PackedWeight {
    /// Sparse, unless dense is smaller.
    static func smallest(of dense: Tensor) throws(KernelError) -> PackedWeight {
        let sparse = PackedWeight.bitmask(try BitmaskTensor(dense))
        return sparse.byteCount < 4 * dense.count ? sparse : .f32(dense)
    }
}

extension Architecture {
    /// The places in the walk of all matrices but those whose path contains one of `except`.
    func prunable(except: [String]) -> [Int] {
        parameters.indices.filter { index in
            let parameter = parameters[index]
            return parameter.kind == .matrix && !except.contains { parameter.path.contains($0) }
        }
    }

    /// Throws unless every path is a prunable matrix's, and every pattern tiles its matrix.
    func check(_ sparsities: [String: Sparsity], prunable: [Int]) throws(TrainingError) {
        var unknown = Set(sparsities.keys)
        for index in prunable {
            let parameter = parameters[index]
            guard unknown.remove(parameter.path) != nil, let sparsity = sparsities[parameter.path] else { continue }
            try sparsity.check(outputs: parameter.shape.rows, inputs: parameter.shape.columns, path: parameter.path)
        }
        if let path = unknown.min() {
            throw .badSetting(
                "no matrix that can be pruned is called '\(path)'"
                    + (prunable.first.map { ": use paths such as '\(parameters[$0].path)'" } ?? ""))
        }
    }
}
