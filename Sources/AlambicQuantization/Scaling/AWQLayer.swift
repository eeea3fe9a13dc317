import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining
import Foundation

/// The inputs of one layer, and what ``AWQ`` finds for its weights with them.
struct AWQLayer {
    private let inputs: Int
    private var statistics: InputStatistics
    private let hessian: Hessian
    /// Σ xᵀ x / rows of inputs that have been divided; nil before that.
    private var scaledHessian: Tensor?

    /// The grid of a, and of the share at which weights are cut off, as in the authors' code.
    private static let exponents = (0..<20).map { Double($0) / 20 }
    private static let shares = (0..<10).map { 1 - Float($0) / 20 }

    init(inputs: Int) throws(KernelError) {
        self.inputs = inputs
        statistics = InputStatistics(inputs: inputs)
        hessian = try Hessian(inputs: inputs)
    }

    /// Takes notice of inputs, [rows, inputs].
    mutating func add(_ x: Tensor, on context: Context) throws(KernelError) {
        try statistics.add(x)
        try hessian.add(x, on: context)
    }

    /// The layer with its inputs divided.
    func divided(by scales: [Float]) throws(KernelError) -> AWQLayer {
        var result = self
        let h = try meanHessian().copied()
        var elements = h.mutableSpan
        for i in 0..<inputs { for j in 0..<inputs { elements[i * inputs + j] /= scales[i] * scales[j] } }
        result.scaledHessian = h
        return result
    }

    private func meanHessian() throws(KernelError) -> Tensor {
        if let scaledHessian { return scaledHessian }
        let result = try Tensor([inputs, inputs])
        let sum = hessian.sum
        let (source, rows) = (sum.span, Double(max(1, hessian.rows)))
        var target = result.mutableSpan
        for i in 0..<source.count { target[i] = Float(source[i] / rows) }
        return result
    }

    /// s = max(s_X^a, 1e-4) over the root of its greatest times its least; 1 for inputs that were always 0.
    ///
    /// The limit comes before the root, as in the authors' code: one input that is nearly always 0 would make the root next to
    /// nothing otherwise, and all other scales enormous.
    static func scales(means: [Float], exponent: Double) -> [Float] {
        let powers = means.map { $0 > 0 ? max(pow(Double($0), exponent), 1e-4) : nil }
        let known = powers.compactMap { $0 }
        guard let greatest = known.max(), let least = known.min() else { return means.map { _ in 1 } }
        let root = (greatest * least).squareRoot()
        return powers.map { $0.map { Float($0 / root) } ?? 1 }
    }

    /// The scales with the least error of the outputs of all weights that have these inputs.
    func bestScales(
        for weights: [PackedWeight], to scheme: some QuantizationScheme, on context: Context
    ) throws(KernelError) -> [Float] {
        let (means, h) = (statistics.means, try meanHessian())
        var (best, least) = (means.map { _ in Float(1) }, Double.infinity)
        for exponent in Self.exponents {
            let scales = Self.scales(means: means, exponent: exponent)
            var error = 0.0
            for weight in weights {
                let quantized = try scheme.quantize(.f32(try weight.scaled { _, k in scales[k] }.dense()), on: context)
                let difference = try quantized.scaled { _, k in 1 / scales[k] }.dense().copied()
                subtract(try weight.dense(), from: difference)
                error += try outputErrors(difference, h, on: context).reduce(0, +)
            }
            if error < least { (best, least) = (scales, error) }
        }
        return best
    }

    /// A weight with the elements of each group (of each output, for int8) cut off where that lessens the error.
    ///
    /// - Parameter rows: the outputs whose weights may be cut off; all of them by default.
    func clipped(
        _ weight: PackedWeight, rows: Range<Int>?, for scheme: some QuantizationScheme, on context: Context
    ) throws(KernelError) -> PackedWeight {
        let dense = try weight.dense()
        let group = (scheme as? Int4Scheme)?.group ?? inputs
        let groups = inputs / group
        let blocks = try diagonalBlocks(group)
        var best = [Float](repeating: 1, count: dense.rows * groups)
        var least = [Double](repeating: .infinity, count: dense.rows * groups)
        for share in Self.shares {
            let difference = try scheme.quantize(.f32(try Self.cut(dense, group) { _ in share }), on: context).dense()
                .copied()
            subtract(dense, from: difference)
            for g in 0..<groups {
                let part = try Self.columns(g * group..<(g + 1) * group, of: difference)
                for (n, error) in try outputErrors(part, blocks[g], on: context).enumerated()
                where error < least[n * groups + g] && rows?.contains(n) ?? true {
                    (best[n * groups + g], least[n * groups + g]) = (share, error)
                }
            }
        }
        let result = try Self.cut(dense, group) { best[$0] }
        return weight.isSparse ? .bitmask(try BitmaskTensor(result)) : .f32(result)
    }

    /// Cuts every group off at a share of its greatest magnitude.
    private static func cut(
        _ weight: Tensor, _ group: Int, at share: (_ group: Int) -> Float
    ) throws(KernelError) -> Tensor {
        let result = try weight.copied()
        var elements = result.mutableSpan
        for g in 0..<elements.count / group {
            var greatest: Float = 0
            for i in g * group..<(g + 1) * group { greatest = max(greatest, abs(elements[i])) }
            let limit = share(g) * greatest
            for i in g * group..<(g + 1) * group { elements[i] = min(max(elements[i], -limit), limit) }
        }
        return result
    }

    private func diagonalBlocks(_ group: Int) throws(KernelError) -> [Tensor] {
        let h = try meanHessian()
        var blocks: [Tensor] = []
        for start in stride(from: 0, to: inputs, by: group) {
            blocks.append(try Self.columns(start..<start + group, of: h.rows(start..<start + group)))
        }
        return blocks
    }

    private static func columns(_ range: Range<Int>, of x: Tensor) throws(KernelError) -> Tensor {
        let result = try Tensor([x.rows, range.count])
        let (source, columns) = (x.span, x.columns)
        var target = result.mutableSpan
        for n in 0..<x.rows {
            for k in range { target[n * range.count + k - range.lowerBound] = source[n * columns + k] }
        }
        return result
    }
}

/// d H dᵀ for every row d of a difference of weights: the mean of the squared errors of that output.
private func outputErrors(_ d: Tensor, _ h: Tensor, on context: Context) throws(KernelError) -> [Double] {
    let product = try Tensor(d.shape)
    try matmul(
        M: d.rows, N: d.columns, K: d.columns, d.span, .asIs, h.span, .asIs, into: product.mutableSpan, on: context)
    let (a, b, columns) = (d.span, product.span, d.columns)
    return (0..<d.rows).map { n in
        var sum = 0.0
        for k in n * columns..<(n + 1) * columns { sum += Double(a[k]) * Double(b[k]) }
        return sum
    }
}

/// a -= b.
private func subtract(_ b: Tensor, from a: Tensor) {
    let source = b.span
    var target = a.mutableSpan
    for i in 0..<source.count { target[i] -= source[i] }
}
