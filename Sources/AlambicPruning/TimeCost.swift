import AlambicKernels
import AlambicModels
import AlambicTensor

/// Seconds of the product of one row, one decoded token, with a matrix, measured on this machine.
///
/// The matrices are random, of the shapes and as many as the model has, in the form in which they would run, and are used one
/// after the other as in a decode step: so they are in the caches, or not, as they would be there. The best of several passes
/// counts; between the sparsities measured, time follows straight lines.
public struct TimeCost: CostModel {
    private struct Extents: Hashable {
        let outputs: Int
        let inputs: Int
    }

    private let curves: [Extents: [(x: Double, y: Double)]]

    /// Measures.
    ///
    /// - Parameters:
    ///   - matrices: the shapes of all matrices, in the order of a step.
    ///   - form: what their elements are.
    ///   - sparsities: where to measure, besides dense; rising.
    ///   - passes: how many times; the best counts.
    ///   - context: where products run.
    public init(
        measuring matrices: [(outputs: Int, inputs: Int)], form: ElementForm, sparsities: [Double], passes: Int = 15,
        on context: Context, progress: (Int, Int) -> Void = { _, _ in }
    ) throws(KernelError) {
        let shapes = matrices.map { Extents(outputs: $0.outputs, inputs: $0.inputs) }
        var curves: [Extents: [(x: Double, y: Double)]] = [:]
        for (step, sparsity) in ([0] + sparsities).enumerated() {
            for (shape, seconds) in try Self.measure(shapes, form, sparsity, passes, context) {
                // What is slower than a denser form would not be chosen.
                let fastest = min(seconds, curves[shape]?.last?.y ?? .infinity)
                curves[shape, default: []].append((sparsity, fastest))
            }
            progress(step + 1, sparsities.count + 1)
        }
        self.curves = curves
    }

    /// Seconds of one product. The shape must be one of those measured.
    public func cost(of shape: (outputs: Int, inputs: Int), sparsity: Double) -> Double {
        guard let curve = curves[Extents(outputs: shape.outputs, inputs: shape.inputs)] else {
            preconditionFailure("no product with [\(shape.outputs), \(shape.inputs)] weights was measured")
        }
        return interpolated(curve, sparsity)
    }

    /// Seconds of the product with each shape: the best pass, averaged over the matrices of the shape.
    private static func measure(
        _ shapes: [Extents], _ form: ElementForm, _ sparsity: Double, _ passes: Int, _ context: Context
    ) throws(KernelError) -> [Extents: Double] {
        var stored: [Extents: PackedWeight] = [:]
        var runnable: [RunnableWeight] = []
        let chooser = FormChooser()
        let elements = shapes.reduce(0) { $0 + $1.outputs * $1.inputs }
        for shape in shapes {
            let weight = if let weight = stored[shape] { weight } else { try random(shape, form, sparsity, context) }
            stored[shape] = weight
            // As it would run.
            let fastest = FormPolicy.measured(chooser).form(for: weight, among: elements, on: context)
            runnable.append(
                try RunnableWeight(weight, gathers: false, multiplies: true, form: fastest, on: context))
        }
        let inference = Inference(runnable, on: context)
        var inputs: [Int: Tensor] = [:]
        for shape in stored.keys where inputs[shape.inputs] == nil {
            let input = try Tensor([1, shape.inputs])
            try normal(
                seed: 2, stream: 0, mean: 0, deviation: 1, into: input.mutableSpan, on: context)
            inputs[shape.inputs] = input
        }
        let clock = ContinuousClock()
        var best: [Extents: Double] = [:]
        for pass in 0...passes {
            var sums: [Extents: (seconds: Double, count: Double)] = [:]
            for (index, shape) in shapes.enumerated() {
                guard let input = inputs[shape.inputs] else { continue }
                let start = clock.now
                _ = try inference.linear(input, weight: ParameterID(index: index), bias: nil)
                let seconds = (clock.now - start) / .seconds(1)
                sums[shape, default: (0, 0)].seconds += seconds
                sums[shape, default: (0, 0)].count += 1
            }
            // The first pass finds nothing where it will be.
            for (shape, sum) in sums where pass > 0 {
                best[shape] = min(best[shape] ?? .infinity, sum.seconds / sum.count)
            }
        }
        return best
    }

    private static func random(
        _ shape: Extents, _ form: ElementForm, _ sparsity: Double, _ context: Context
    ) throws(KernelError) -> PackedWeight {
        let weight = try Tensor([shape.outputs, shape.inputs])
        try normal(seed: 1, stream: 0, mean: 0, deviation: 1, into: weight.mutableSpan, on: context)
        if sparsity > 0 {
            try Magnitude().mask(of: weight, to: .unstructured(sparsity), after: nil).apply(to: weight, on: context)
        }
        switch form {
        case .f32: return sparsity > 0 ? .bitmask(try BitmaskTensor(weight)) : .f32(weight)
        case .int8:
            let quantized = try QuantizedTensor(weight, on: context)
            return sparsity > 0 ? .bitmask(try BitmaskTensor(quantized)) : .int8(quantized)
        }
    }
}

extension Model {
    /// Seconds of a decode step, measured: one token at a time after a few others, the best of several stretches.
    ///
    /// - Parameters:
    ///   - tokens: tokens of a stretch, at most what the model's context has room for.
    ///   - stretches: how many of them.
    ///   - context: where kernels run.
    public func secondsPerToken(
        tokens: Int = 24, stretches: Int = 7, on context: Context = .default
    ) throws -> Double {
        let session = try Session(self, contextEnd: .slide, on: context)
        let count = max(1, min(tokens, architecture.context - 1))
        let vocabulary = architecture.vocabulary
        var best = Double.infinity
        for _ in 0...max(stretches, 1) {
            session.reset()
            _ = try session.append([0])
            let clock = ContinuousClock()
            let start = clock.now
            for index in 0..<count { _ = try session.append([Int32(index % vocabulary)]) }
            best = min(best, (clock.now - start) / .seconds(1) / Double(count))
        }
        return best
    }
}
