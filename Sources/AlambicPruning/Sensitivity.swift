import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// What it costs to prune one matrix alone: how much the loss rises with its sparsity.
public struct MatrixSensitivity: Sendable {
    /// The path of the matrix.
    public let path: String
    /// Number of rows.
    public let outputs: Int
    /// Number of columns.
    public let inputs: Int
    /// Rising sparsities, from (0, 0) on, with the increase of the loss in nats per token, which never falls.
    public let points: [(sparsity: Double, increase: Double)]

    /// - Parameter points: rising sparsities over 0 with the increase measured there. Where noise made a loss fall it counts as
    ///   not having risen.
    public init(path: String, outputs: Int, inputs: Int, points: [(sparsity: Double, increase: Double)]) {
        precondition(
            zip(points, points.dropFirst()).allSatisfy { $0.sparsity < $1.sparsity }
                && points.allSatisfy { $0.sparsity > 0 && $0.sparsity <= 1 },
            "\(path): sparsities \(points.map(\.sparsity)) should rise from over 0 to at most 1")
        (self.path, self.outputs, self.inputs) = (path, outputs, inputs)
        var highest = 0.0
        self.points =
            [(0, 0)]
            + points.map { point in
                highest = max(highest, point.increase)
                return (point.sparsity, highest)
            }
    }

    /// The sparsest that was looked at.
    public var sparsest: Double { points.last?.sparsity ?? 0 }

    /// The increase at a sparsity, along straight lines between the points.
    public func increase(at sparsity: Double) -> Double {
        interpolated(points.map { ($0.sparsity, $0.increase) }, sparsity)
    }
}

/// y at x along straight lines between points of rising x; constant beyond both ends.
func interpolated(_ points: [(x: Double, y: Double)], _ x: Double) -> Double {
    guard let upper = points.firstIndex(where: { $0.x >= x }) else { return points.last?.y ?? 0 }
    guard upper > 0 else { return points[0].y }
    let (a, b) = (points[upper - 1], points[upper])
    return a.y + (b.y - a.y) * (x - a.x) / max(b.x - a.x, .leastNormalMagnitude)
}

/// How sensitivities are measured.
///
/// Each matrix is pruned alone, at once, and the loss on a piece of calibration text is compared with that of the dense
/// model on the same text: a paired difference, whose noise is far below that of either loss. Where losses at all steps
/// of the ladder would take too long, they are measured at some of them, and between these the increase follows the squared
/// error of the weights: to second order the loss rises with the square of what is taken away, and the removed
/// energy Σ w² of every step is known exactly and for next to nothing. Which steps those are depends on sizes alone, never on
/// a clock: equal calls choose equally.
public struct SensitivityScan: Sendable {
    /// Sparsities to look at, rising.
    public var ladder: [Double] = [0.3, 0.5, 0.65, 0.75, 0.8, 0.85, 0.9, 0.95]
    /// Tokens of calibration text that each loss is measured on; fewer, down to a quarter, for models where that would take too long.
    public var tokens = 4096
    /// The most multiply-adds that the losses may take in all: some two minutes of two cores with AVX-512.
    public var operations = 1e13

    /// The default settings.
    public init() {}

    /// Tokens for each loss, and how many steps of the ladder have a measured one.
    func plan(matrices: Int, parameters: Int) -> (tokens: Int, losses: Int) {
        let perToken = Double(max(matrices, 1)) * Double(max(parameters, 1))
        let least = min(2, ladder.count)
        for tokens in [tokens, tokens / 2, tokens / 4] {
            let losses = Int(min(operations / (perToken * Double(max(tokens, 1))), Double(ladder.count)))
            if losses >= min(4, ladder.count) { return (tokens, losses) }
        }
        return (max(tokens / 4, 1), least)
    }

    /// The steps of the ladder with a measured loss: evenly spread, with the last one.
    func measured(_ losses: Int) -> [Int] { (1...losses).map { $0 * ladder.count / losses - 1 } }
}

extension Model {
    /// How much the loss rises when each matrix alone is pruned.
    ///
    /// - Parameters:
    ///   - method: what chooses the weights that go.
    ///   - corpus: calibration text, of which the beginning is read: not what the model is judged on in the end.
    ///   - scan: which sparsities, and on how much text.
    ///   - except: matrices to leave alone, by a part of their path.
    ///   - context: where kernels run.
    ///   - progress: called with the number of matrices done and of all.
    public func sensitivities(
        to method: some PruningMethod = .magnitude, on corpus: Corpus, scan: SensitivityScan = SensitivityScan(),
        except: [String] = [], context: Context = .default, cancellation: Cancellation? = nil,
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> [MatrixSensitivity] {
        let prunable = architecture.prunable(except: except)
        let (tokens, losses) = scan.plan(matrices: prunable.count, parameters: parameterCount)
        let text = try corpus.prefix(tokens + 1)
        let dense = try runnableWeights(on: context)
        func loss(replacing index: Int?, by weight: Tensor?) throws -> Double {
            var weights = dense
            if let index, let weight {
                weights[index] = try RunnableWeight(
                    .f32(weight), gathers: false, multiplies: true, on: context)
            }
            return try calibrationLoss(text, Inference(weights, on: context))
        }
        let base = try loss(replacing: nil, by: nil)
        var result: [MatrixSensitivity] = []
        for (done, index) in prunable.enumerated() {
            let weight = try weights[index].dense()
            var energies: [Double] = []
            var increases: [(x: Double, y: Double)] = [(0, 0)]
            for (step, sparsity) in scan.ladder.enumerated() {
                if cancellation?.isCancelled ?? false { throw CancellationError() }
                let cut = try weight.copied()
                try method.mask(of: cut, to: .unstructured(sparsity), after: nil).apply(to: cut, on: context)
                energies.append(removedEnergy(weight, cut))
                guard scan.measured(losses).contains(step) else { continue }
                increases.append((energies[step], try loss(replacing: index, by: cut) - base))
            }
            let points = zip(scan.ladder, energies).map { ($0, interpolated(increases, $1)) }
            let shape = architecture.parameters[index].shape
            result.append(
                MatrixSensitivity(
                    path: architecture.parameters[index].path, outputs: shape.rows, inputs: shape.columns,
                    points: points))
            progress(done + 1, prunable.count)
        }
        return result
    }

    /// The mean cross-entropy of each token of a short text but the first.
    private func calibrationLoss(_ text: Corpus, _ inference: Inference) throws(KernelError) -> Double {
        let (tokens, predicted) = (text.tokens, text.tokens.count - 1)
        var (sum, done) = (0.0, 0)
        while done < predicted {
            let length = min(architecture.context, predicted - done)
            let rows = max(1, min(1024 / length, (predicted - done) / length))
            let begin = tokens.startIndex + done
            let hidden = try architecture.hidden(
                Tokens(ids: Array(tokens[begin..<begin + rows * length]), batch: rows, length: length), on: inference)
            let targets = Array(tokens[begin + 1..<begin + 1 + rows * length])
            for loss in try inference.losses(hidden, head: architecture.head, targets: targets) { sum += Double(loss) }
            done += rows * length
        }
        return sum / Double(max(predicted, 1))
    }
}

/// Σ (a - b)².
private func removedEnergy(_ a: Tensor, _ b: Tensor) -> Double {
    let (x, y) = (a.span, b.span)
    var sum = 0.0
    for index in 0..<a.count {
        let difference = Double(x[index]) - Double(y[index])
        sum += difference * difference
    }
    return sum
}
