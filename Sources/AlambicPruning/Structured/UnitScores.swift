import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import AlambicTraining

/// What every unit of one kind is worth: the least is removed first.
public struct UnitScores: Sendable {
    /// What they are.
    public let unit: StructuredUnit
    /// [layers][units of the layer].
    public let values: [[Double]]

    /// Scores found in whichever way.
    public init(_ unit: StructuredUnit, _ values: [[Double]]) { (self.unit, self.values) = (unit, values) }

    /// The units of a layer that are worth most, in the order of their places. Of equal ones those that come later stay.
    func best(_ count: Int, in layer: Int) -> [Int] {
        let scores = values[layer]
        let order = scores.indices.sorted { (scores[$0], $0) > (scores[$1], $1) }
        return order.prefix(count).sorted()
    }
}

extension Model {
    /// Scores by size: the Euclidean norm of the weights through which a unit is heard (Li et al. 2017, "Pruning filters for
    /// efficient ConvNets", section 3.1, has the sum of magnitudes). It needs no data, and knows nothing of them.
    public func unitMagnitudes(_ unit: StructuredUnit) throws(TrainingError) -> UnitScores {
        let map = try UnitMap(architecture)
        var sums = try kernelErrors { () throws(KernelError) in
            try self.sums(unit, map) { path throws(KernelError) in
                let weight = try self.weight(path).dense()
                return (weight, weight)
            }
        }
        for layer in sums.indices { for i in sums[layer].indices { sums[layer][i] = sums[layer][i].squareRoot() } }
        return UnitScores(unit, sums)
    }

    /// Scores to first order: by how much the loss would change without the unit, |∂L/∂g| for a gate g = 1 on what it
    /// says, meaned over batches (Molchanov et al. 2017, "Pruning convolutional neural networks for resource efficient inference",
    /// equation 8; Michel et al. 2019, "Are sixteen heads really better than one?", equation 2). Dropout and stochastic
    /// depth are off.
    ///
    /// - Parameters:
    ///   - corpus: what losses are of.
    ///   - batches: how many batches of `rows` sequences; the fewer rows a batch has, the less do examples cancel each other.
    ///   - length: tokens of a sequence; by default all that the model can see.
    public func unitTaylorScores(
        _ unit: StructuredUnit, on corpus: Corpus, batches count: Int = 16, rows: Int = 4, length: Int? = nil,
        seed: UInt64 = 1, context: Context = .default, cancellation: Cancellation? = nil
    ) throws -> UnitScores {
        let map = try UnitMap(architecture)
        guard count > 0, rows > 0 else {
            throw TrainingError.badSetting("scores of \(count) batches of \(rows) sequences: use at least one of each")
        }
        // A branch that is left out of a pass would be worth nothing in it.
        let still = replacing(architecture: map.gpt.withStochasticDepth(0), weights: weights)
        let trainer = try Trainer(
            still, optimizer: .sgd(rate: .constant(0)), clipping: nil, dropout: 0, on: context)
        let places = Dictionary(
            trainer.parameters.enumerated().map { ($1.path, $0) }, uniquingKeysWith: { first, _ in first })
        let batches = try corpus.batches(of: rows, context: length ?? architecture.context, seed: seed)
        var total: [[Double]] = (0..<architecture.layers).map { [Double](repeating: 0, count: map.count(unit, in: $0)) }
        for (number, batch) in batches.prefix(count).enumerated() {
            if cancellation?.isCancelled ?? false { throw TrainingError.cancelled(step: number, checkpoint: nil) }
            let gradients = try trainer.gradients(of: batch).gradients
            let sums = try kernelErrors { () throws(KernelError) in
                try self.sums(unit, map) { path throws(KernelError) in
                    guard let place = places[path] else { return nil }
                    return (trainer.parameters[place].value, gradients.tensors[place])
                }
            }
            for layer in sums.indices {
                for i in sums[layer].indices { total[layer][i] += abs(sums[layer][i]) / Double(count) }
            }
        }
        return UnitScores(unit, total)
    }

    /// Σ a b over the weights through which each unit is heard.
    private func sums(
        _ unit: StructuredUnit, _ map: UnitMap,
        factors: (String) throws(KernelError) -> (Tensor, Tensor)?
    ) throws(KernelError) -> [[Double]] {
        var result: [[Double]] = []
        for layer in 0..<architecture.layers {
            var values = [Double](repeating: 0, count: map.count(unit, in: layer))
            for path in map.outgoing(unit, in: layer) {
                guard let (first, second) = try factors(path) else { continue }
                let (a, b, columns) = (first.span, second.span, first.columns)
                for number in values.indices {
                    for column in map.columns(unit, number, of: columns) {
                        for row in 0..<first.rows {
                            values[number] += Double(a[row * columns + column]) * Double(b[row * columns + column])
                        }
                    }
                }
            }
            for path in map.biases(unit, in: layer) {
                guard let (first, second) = try factors(path) else { continue }
                let (a, b) = (first.span, second.span)
                for i in 0..<first.count { values[0] += Double(a[i]) * Double(b[i]) }
            }
            result.append(values)
        }
        return result
    }

    /// The weight of this path, which exists.
    func weight(_ path: String) -> PackedWeight {
        guard let index = architecture.parameters.firstIndex(where: { $0.path == path }) else {
            preconditionFailure("a model without '\(path)'")
        }
        return weights[index]
    }
}

/// Runs kernels where training errors are thrown.
func kernelErrors<Result>(_ body: () throws(KernelError) -> Result) throws(TrainingError) -> Result {
    do { return try body() } catch { throw .kernel(error) }
}
