import AlambicKernels
import AlambicTensor
import AlambicTraining

/// The columns of one weight on their way through SparseGPT. Weights lie column after column here, [inputs, outputs], so that
/// the columns still to come are one block of memory, and a product updates all of them.
struct SparseGPTLayer {
    private let outputs: Int
    private let inputs: Int
    private let sparsity: Sparsity
    private let maskBlock: Int
    private let context: Context
    /// [inputs, outputs]: what is still to be decided, and behind it the result.
    private let weights: Memory<Float>
    /// [inputs, outputs]: 1 where a weight goes.
    private let gone: Memory<UInt8>

    /// Errors are handed on to columns of later blocks once for each block.
    private static let block = 128
    /// Outputs of one task.
    private static let strip = 256

    init(_ weight: Tensor, to sparsity: Sparsity, maskBlock: Int, on context: Context) throws(KernelError) {
        (outputs, inputs) = (weight.rows, weight.columns)
        (self.sparsity, self.maskBlock, self.context) = (sparsity, maskBlock, context)
        weights = try Memory(count: inputs * outputs)
        gone = try Memory(count: inputs * outputs)
        let source = weight.span
        var target = weights.mutableSpan
        for n in 0..<outputs {
            for k in 0..<inputs { target[k * outputs + n] = source[n * inputs + k] }
        }
    }

    /// The weights [outputs, inputs] after all columns.
    func prune(_ factor: InverseCholesky) throws(KernelError) -> Tensor {
        let diagonal = Self.diagonal(factor)
        let unit = if case .pattern(_, let group) = sparsity { group } else { maskBlock }
        // A mask's columns are those of one block, so that what comes before them has been handed on.
        let block = max(Self.block / unit, 1) * unit
        // [block, outputs]: the negated errors of the block's columns, divided by the factor's diagonal.
        let errors = try Memory<Float>(count: min(block, inputs) * outputs)
        for start in stride(from: 0, to: inputs, by: block) {
            let columns = start..<min(start + block, inputs)
            let part = try FactorBlock(factor, rows: columns)
            for first in stride(from: start, to: columns.upperBound, by: unit) {
                let chosen = first..<min(first + unit, columns.upperBound)
                choose(chosen, diagonal)
                try strips { outputs in
                    for k in chosen { remove(k, outputs, part.inside, columns, errors) }
                }
            }
            let rest = inputs - columns.upperBound
            guard rest > 0 else { break }
            try matmul(
                M: rest, N: outputs, K: columns.count, part.outside.span, .transposed,
                errors.span(0..<columns.count * outputs), .asIs,
                into: weights.mutableSpan(columns.upperBound * outputs..<inputs * outputs), store: .accumulate,
                on: context)
        }
        return try result()
    }

    private static func diagonal(_ factor: InverseCholesky) -> [Double] {
        var row: [Double] = []
        return (0..<factor.order).map { i in
            factor.row(i, into: &row)
            return row[0]
        }
    }

    /// Decides which weights of some columns go.
    private func choose(_ columns: Range<Int>, _ diagonal: [Double]) {
        let span = weights.span
        var marks = gone.mutableSpan
        // Order by |w| / U_jj, whose square is the cost; output after output, so that groups of N:M lie together.
        var keys = [UInt32](repeating: 0, count: columns.count * outputs)
        for n in 0..<outputs {
            for (place, k) in columns.enumerated() {
                keys[n * columns.count + place] =
                    Float(Double(span[k * outputs + n].magnitude) / diagonal[k]).bitPattern
            }
        }
        let going: [Bool]
        if case .pattern(let kept, let group) = sparsity {
            going = Selection.smallest(group - kept, ofEach: group, in: keys)
        } else {
            // Rounded in sums, so that the matrix has the share to the weight.
            func removed(before column: Int) -> Int {
                Int((sparsity.fraction * Double(column * outputs)).rounded())
            }
            let count = removed(before: columns.upperBound) - removed(before: columns.lowerBound)
            going = Selection.smallest(count, of: keys)
        }
        for n in 0..<outputs {
            for (place, k) in columns.enumerated() where going[n * columns.count + place] {
                marks[k * outputs + n] = 1
            }
        }
    }

    /// Zeroes what goes in column k of some outputs, and hands it on to the block's later columns.
    private func remove(
        _ k: Int, _ range: Range<Int>, _ factor: Memory<Float>, _ block: Range<Int>, _ errors: Memory<Float>
    ) {
        let (width, place, count) = (block.count, k - block.lowerBound, range.count)
        let factor = factor.span
        let marks = gone.span(k * outputs + range.lowerBound..<k * outputs + range.upperBound)
        var column = weights.mutableSpan(k * outputs + range.lowerBound..<k * outputs + range.upperBound)
        var error = errors.mutableSpan(place * outputs + range.lowerBound..<place * outputs + range.upperBound)
        let inverse = 1 / factor[place * width + place]
        for n in 0..<count {
            error[n] = marks[n] == 1 ? -column[n] * inverse : 0
            if marks[n] == 1 { column[n] = 0 }
        }
        for later in place + 1..<max(place + 1, width) {
            let share = factor[place * width + later]
            let start = (block.lowerBound + later) * outputs + range.lowerBound
            var target = weights.mutableSpan(start..<start + count)
            for n in 0..<count { target[unchecked: n] += share * error[unchecked: n] }
        }
    }

    /// Calls the body for ranges of outputs, which are independent of each other.
    private func strips(_ body: (Range<Int>) -> Void) throws(KernelError) {
        let outputs = outputs
        try concurrently((outputs + Self.strip - 1) / Self.strip, on: context) { task in
            body(task * Self.strip..<min((task + 1) * Self.strip, outputs))
        }
    }

    private func result() throws(KernelError) -> Tensor {
        let result = try Tensor([outputs, inputs])
        let source = weights.span
        var target = result.mutableSpan
        for n in 0..<outputs {
            for k in 0..<inputs { target[n * inputs + k] = source[k * outputs + n] }
        }
        return result
    }
}
