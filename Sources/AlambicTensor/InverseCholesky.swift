import AlambicKernels

/// The Cholesky factor of an inverse: the upper triangular U with H⁻¹ = Uᵀ U, in double precision.
///
/// It is found without the inverse. With the order of rows and columns reversed, H = L Lᵀ read backward is H = R Rᵀ with R
/// upper triangular, so that U = R⁻¹: one factorization and one triangular inverse, 2/3 K³ operations, half of what the way
/// over H⁻¹ costs, and without its loss of accuracy.
///
/// This is not LAPACK's `dpotrf`: a library that finds its own threads and gives other bits for another number of them
/// does not go with this one's contracts, and what is needed of it is this file over one kernel. K = 4096 takes seconds.
public struct InverseCholesky: Sendable {
    /// Rows and columns.
    public let order: Int
    /// L⁻¹ in reversed order, [order, order], lower triangular.
    private let reversed: Memory<Double>

    private static let block = 128

    /// Factorizes a symmetric matrix, of which the upper triangle is read.
    ///
    /// - Returns: nil when the matrix is not positive definite.
    public init?(_ matrix: Memory<Double>, order: Int, on context: Context) throws(KernelError) {
        precondition(matrix.count == order * order, "\(matrix.count) elements for a matrix of order \(order)")
        self.order = order
        let factor = try Memory<Double>(count: order * order)
        let source = matrix.span
        var target = factor.mutableSpan
        for i in 0..<order {
            for j in 0...i { target[i * order + j] = source[(order - 1 - i) * order + order - 1 - j] }
        }
        let work = Work(order: order, block: Self.block, context: context)
        guard let diagonal = try work.factorize(factor) else { return nil }
        reversed = try work.inverse(of: factor, diagonal)
    }

    /// Row i of U from the diagonal on: `target[j - i] = U[i, j]` for i ≤ j < order.
    public func row(_ i: Int, into target: inout [Double]) {
        let source = reversed.span
        let start = (order - 1 - i) * order
        target.removeAll(keepingCapacity: true)
        for j in i..<order { target.append(source[start + order - 1 - j]) }
    }
}

/// Blocked factorization and inversion of lower triangular matrices: products of blocks do nearly all the work.
private struct Work {
    let order: Int
    let block: Int
    let context: Context

    private func range(_ start: Int) -> Range<Int> { start..<min(start + block, order) }

    /// The lower triangle becomes L; returns the inverses of L's diagonal blocks, negated, [blocks, block, block].
    /// Nil when there is no L.
    func factorize(_ a: Memory<Double>) throws(KernelError) -> Memory<Double>? {
        let blocks = (order + block - 1) / block
        let inverses = try Memory<Double>(count: blocks * block * block)
        let panel = try Memory<Double>(count: order * block)
        for start in stride(from: 0, to: order, by: block) {
            let range = range(start)
            guard factorizeBlock(a, range) else { return nil }
            let number = start / block
            invertBlock(a, range, into: inverses, at: number * block * block)
            guard range.upperBound < order else { break }
            // Below the diagonal block: L[i, k] = A[i, k] L[k, k]⁻ᵀ.
            let (rest, width) = (range.upperBound..<order, range.count)
            move(a, rows: rest, columns: range, to: panel)
            try subtractProduct(
                M: rest.count, N: width, K: width, panel.span, stride: width,
                inverses.span(number * block * block..<(number + 1) * block * block), .transposed, stride: block,
                from: a.mutableSpan(rest.lowerBound * order + start..<order * order), stride: order, on: context)
            try subtractFromRest(a, range)
        }
        return inverses
    }

    /// A[i, j] -= L[i, k] L[j, k]ᵀ for j, i behind k, in strips of columns, of which what is above the diagonal is left.
    private func subtractFromRest(_ a: Memory<Double>, _ k: Range<Int>) throws(KernelError) {
        let strip = 3 * block
        for j in stride(from: k.upperBound, to: order, by: strip) {
            let width = min(strip, order - j)
            let below = a.span(j * order + k.lowerBound..<order * order)
            try subtractProduct(
                M: order - j, N: width, K: k.count, below, stride: order, below, .transposed, stride: order,
                from: a.mutableSpan(j * order + j..<order * order), stride: order, on: context)
        }
    }

    /// Copies a part of a, and leaves zeros behind.
    private func move(_ a: Memory<Double>, rows: Range<Int>, columns: Range<Int>, to target: Memory<Double>) {
        var source = a.mutableSpan
        var moved = target.mutableSpan
        var next = 0
        for i in rows {
            for j in columns {
                moved[next] = source[i * order + j]
                source[i * order + j] = 0
                next += 1
            }
        }
    }

    /// L of one diagonal block, column by column; false when it has none.
    private func factorizeBlock(_ a: Memory<Double>, _ range: Range<Int>) -> Bool {
        var a = a.mutableSpan
        for j in range {
            var pivot = a[j * order + j]
            for k in range.lowerBound..<j { pivot -= a[j * order + k] * a[j * order + k] }
            guard pivot > 0, pivot.isFinite else { return false }
            let root = pivot.squareRoot()
            a[j * order + j] = root
            for i in j + 1..<max(j + 1, range.upperBound) {
                var sum = a[i * order + j]
                for k in range.lowerBound..<j { sum -= a[i * order + k] * a[j * order + k] }
                a[i * order + j] = sum / root
            }
        }
        return true
    }

    /// -L[k, k]⁻¹ by forward substitution, row by row.
    private func invertBlock(_ a: Memory<Double>, _ range: Range<Int>, into target: Memory<Double>, at start: Int) {
        let l = a.span
        var x = target.mutableSpan(start..<start + block * block)
        for i in 0..<range.count {
            let row = (range.lowerBound + i) * order + range.lowerBound
            for j in 0...i {
                var sum = i == j ? -1.0 : 0
                for k in j..<i { sum -= l[row + k] * x[k * block + j] }
                x[i * block + j] = sum / l[row + i]
            }
        }
    }

    /// X = L⁻¹, block row by block row: X[i, :] = L[i, i]⁻¹ (I[i, :] - Σ L[i, k] X[k, :]) over k < i.
    func inverse(of l: Memory<Double>, _ diagonal: Memory<Double>) throws(KernelError) -> Memory<Double> {
        let x = try Memory<Double>(count: order * order)
        let panel = try Memory<Double>(count: order * block)
        for start in stride(from: 0, to: order, by: block) {
            let range = range(start)
            let inverse = diagonal.span(start * block..<start * block + block * block)
            if start > 0 {
                clear(panel, range.count * start)
                try subtractProduct(
                    M: range.count, N: start, K: start, l.span(start * order..<order * order), stride: order, x.span,
                    .asIs, stride: order, from: panel.mutableSpan, stride: start, on: context)
                // The inverse is negated: what is taken off is added.
                try subtractProduct(
                    M: range.count, N: start, K: range.count, inverse, stride: block, panel.span, .asIs, stride: start,
                    from: x.mutableSpan(start * order..<order * order), stride: order, on: context)
            }
            var rows = x.mutableSpan(start * order..<order * order)
            for i in 0..<range.count {
                for j in 0...i { rows[i * order + start + j] = -inverse[i * block + j] }
            }
        }
        return x
    }

    private func clear(_ panel: Memory<Double>, _ count: Int) {
        var elements = panel.mutableSpan(0..<count)
        for i in 0..<count { elements[i] = 0 }
    }
}
