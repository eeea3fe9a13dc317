import AlambicKernels
import AlambicTensor

/// Which products with masked weights are faster sparse, measured once for each shape, number of tokens and percent of
/// weights that exist.
struct ProductTimes {
    private struct Key: Hashable {
        let rows: Int
        let columns: Int
        let percent: Int
        let tokens: Int
    }
    /// Below this share of zeros no product is measured: none of them gained as much as the noise.
    static let leastSparsity = 0.7
    /// Below this number of weights the difference is lost in what a call costs.
    static let leastWeights = 1 << 14
    /// Sparse products must take at most this share of the time of dense ones.
    static let worthwhile = 0.9
    private static let repetitions = 3

    private let context: Context
    private var known: [Key: SparseProducts] = [:]

    init(on context: Context) { self.context = context }

    /// The products that skip the zeros of this mask to advantage.
    mutating func worthwhile(
        for mask: Mask, of parameter: Parameter, tokens: Int
    ) throws(KernelError) -> SparseProducts {
        guard mask.sparsity >= Self.leastSparsity, mask.rows * mask.columns >= Self.leastWeights, tokens > 0 else {
            return []
        }
        let key = Key(
            rows: mask.rows, columns: mask.columns, percent: Int((100 * mask.sparsity).rounded()), tokens: tokens)
        if let products = known[key] { return products }
        let products = try measured(mask, of: parameter.value, tokens: tokens)
        known[key] = products
        return products
    }

    private func measured(_ mask: Mask, of weights: Tensor, tokens: Int) throws(KernelError) -> SparseProducts {
        let operands = try Operands(mask, of: weights, tokens: tokens, on: context)
        var products: SparseProducts = []
        for product in [SparseProducts.forward, .inputGradient, .weightGradient] {
            let isFaster = try faster(
                sparse: { () throws(KernelError) in try operands.multiplySparse(product, on: context) },
                dense: { () throws(KernelError) in try operands.multiplyDense(product, on: context) })
            if isFaster { products.insert(product) }
        }
        return products
    }

    /// Whether the least time of one is well below that of the other; in turn, so that both see the same weather.
    private func faster(
        sparse: () throws(KernelError) -> Void, dense: () throws(KernelError) -> Void
    ) throws(KernelError) -> Bool {
        let clock = ContinuousClock()
        var (least, leastOfDense) = (Duration.seconds(1 << 30), Duration.seconds(1 << 30))
        for repetition in 0...Self.repetitions {
            let start = clock.now
            try sparse()
            let between = clock.now
            try dense()
            let end = clock.now
            // The first time memory is touched and scratch is made.
            guard repetition > 0 else { continue }
            least = min(least, between - start)
            leastOfDense = min(leastOfDense, end - between)
        }
        return least / leastOfDense <= Self.worthwhile
    }
}

/// What the three products of a layer multiply, and where their results go.
private struct Operands {
    let weights: Tensor
    let forward: SparseMatrix
    let backward: SparseMatrix
    let x: Tensor
    let gradient: Tensor
    let y: Tensor
    let dx: Tensor
    let dw: Tensor

    init(_ mask: Mask, of weights: Tensor, tokens: Int, on context: Context) throws(KernelError) {
        let (rows, columns) = (mask.rows, mask.columns)
        self.weights = weights
        let existing = mask.existing(of: weights)
        forward = try SparseMatrix(existing, N: rows, K: columns, on: context)
        backward = try SparseMatrix(existing.transposed(columns: columns), N: columns, K: rows, on: context)
        (x, dx) = (try Tensor([tokens, columns]), try Tensor([tokens, columns]))
        (gradient, y) = (try Tensor([tokens, rows]), try Tensor([tokens, rows]))
        dw = try Tensor([rows, columns])
        try uniform(seed: 1, stream: 1, into: x.mutableSpan, on: context)
        try uniform(seed: 1, stream: 2, into: gradient.mutableSpan, on: context)
    }

    func multiplySparse(_ product: SparseProducts, on context: Context) throws(KernelError) {
        switch product {
        case .forward:
            try forward.update(from: weights.span, on: context)
            try matmul(M: x.rows, x.span, forward, into: y.mutableSpan, on: context)
        case .inputGradient:
            try backward.update(from: weights.span, orientation: .asIs, on: context)
            try matmul(M: x.rows, gradient.span, backward, into: dx.mutableSpan, on: context)
        default:
            try AlambicKernels.gradient(
                M: x.rows, gradient.span, x.span, at: forward, into: dw.mutableSpan, on: context)
        }
    }

    func multiplyDense(_ product: SparseProducts, on context: Context) throws(KernelError) {
        let (tokens, rows, columns) = (x.rows, dw.rows, dw.columns)
        switch product {
        case .forward:
            try matmul(
                .f32, M: tokens, N: rows, K: columns, x.span, .asIs, weights.span, .transposed, into: y.mutableSpan,
                epilogue: Epilogue(), on: context)
        case .inputGradient:
            try matmul(
                .f32, M: tokens, N: columns, K: rows, gradient.span, .asIs, weights.span, .asIs, into: dx.mutableSpan,
                epilogue: Epilogue(), on: context)
        default:
            try matmul(
                .f32, M: rows, N: columns, K: tokens, gradient.span, .transposed, x.span, .asIs, into: dw.mutableSpan,
                epilogue: Epilogue(), on: context)
        }
    }
}
