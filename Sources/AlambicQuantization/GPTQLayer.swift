import AlambicKernels
import AlambicTensor
import AlambicTraining

/// The columns of one weight on their way to integers. Weights lie column after column here, [inputs, outputs], so that the
/// columns still to come are one block of memory, and a product updates all of them.
struct GPTQLayer {
    private let outputs: Int
    private let inputs: Int
    private let scheme: Int4Scheme
    private let context: Context
    /// [inputs, outputs]: what is still to be rounded.
    private let weights: Memory<Float>
    /// Which elements stay zero: those that are zero here; nil for none.
    private let kept: Memory<Float>?
    /// [outputs, inputs].
    private let levels: Memory<Int8>
    /// [inputs / group, outputs], as f16 rounds them.
    private let scales: Memory<Float>
    /// [block, outputs]: the negated errors of the block's columns, divided by the factor's diagonal.
    private let errors: Memory<Float>

    /// Errors are handed on to columns of later blocks once for each block (section 3.3, "lazy batch-updates").
    private static let block = 128
    /// Outputs of one task: rows of a block are whole cache lines, and all of it stays in the second-level cache.
    private static let strip = 256

    init(_ weight: Tensor, keepsZeros: Bool, _ scheme: Int4Scheme, on context: Context) throws(KernelError) {
        (outputs, inputs) = (weight.rows, weight.columns)
        try GroupedTensor.check(group: scheme.group, columns: inputs)
        (self.scheme, self.context) = (scheme, context)
        weights = try Memory(count: inputs * outputs)
        levels = try Memory(count: inputs * outputs)
        scales = try Memory(count: inputs / scheme.group * outputs)
        errors = try Memory(count: min(Self.block, inputs) * outputs)
        Self.transpose(weight, into: weights)
        kept = keepsZeros ? try Self.copied(weights) : nil
    }

    private static func transpose(_ weight: Tensor, into weights: Memory<Float>) {
        let (outputs, inputs, source) = (weight.rows, weight.columns, weight.span)
        var target = weights.mutableSpan
        for n in 0..<outputs {
            for k in 0..<inputs { target[k * outputs + n] = source[n * inputs + k] }
        }
    }

    private static func copied(_ weights: Memory<Float>) throws(KernelError) -> Memory<Float> {
        let copy = try Memory<Float>(count: weights.count)
        let source = weights.span
        var target = copy.mutableSpan
        for i in 0..<source.count { target[i] = source[i] }
        return copy
    }

    func quantize(_ factor: InverseCholesky) throws(KernelError) -> GroupedTensor {
        let halves = try Memory<UInt16>(count: outputs)
        for start in stride(from: 0, to: inputs, by: Self.block) {
            let block = start..<min(start + Self.block, inputs)
            let part = try FactorBlock(factor, rows: block)
            for first in stride(from: block.lowerBound, to: block.upperBound, by: scheme.group) {
                try chooseScales(first, halves)
                try strips { outputs in
                    for k in first..<first + scheme.group { round(k, outputs, part.inside, block) }
                }
            }
            let rest = inputs - block.upperBound
            guard rest > 0 else { break }
            try matmul(
                M: rest, N: outputs, K: block.count, part.outside.span, .transposed,
                errors.span(0..<block.count * outputs), .asIs,
                into: weights.mutableSpan(block.upperBound * outputs..<inputs * outputs), store: .accumulate,
                on: context)
        }
        return try result()
    }

    /// Chooses the scales of the group that begins with column `first`, for every output.
    private func chooseScales(_ first: Int, _ halves: Memory<UInt16>) throws(KernelError) {
        let group = scheme.group
        let start = first / group * outputs
        let wide = try Memory<Float>(count: outputs)
        try strips { outputs in
            let (weights, kept) = (weights.span, kept?.span)
            var target = wide.mutableSpan
            var members = [Float](repeating: 0, count: group)
            for n in outputs {
                for k in 0..<group {
                    let place = (first + k) * self.outputs + n
                    let staysZero = if let kept { kept[place] == 0 } else { false }
                    members[k] = staysZero ? 0 : weights[place]
                }
                target[n] = scheme.scales.scale(of: members.span)
            }
        }
        try GroupedTensor.roundScales(wide, to: halves, on: context)
        let rounded = wide.span
        var target = scales.mutableSpan(start..<start + outputs)
        for n in 0..<outputs { target[n] = rounded[n] }
    }

    /// Rounds column k of some outputs, and hands its errors on to the block's later columns.
    private func round(_ k: Int, _ range: Range<Int>, _ factor: Memory<Float>, _ block: Range<Int>) {
        let (width, place) = (block.count, k - block.lowerBound)
        let (factor, count) = (factor.span, range.count)
        let scales = scales.span(
            k / scheme.group * outputs + range.lowerBound..<(k / scheme.group) * outputs + range.upperBound)
        let column = weights.span(k * outputs + range.lowerBound..<k * outputs + range.upperBound)
        var errors = errors.mutableSpan(place * outputs + range.lowerBound..<place * outputs + range.upperBound)
        var levels = levels.mutableSpan
        let inverse = 1 / factor[place * width + place]
        for n in 0..<count {
            let staysZero = if let kept { kept.span[k * outputs + range.lowerBound + n] == 0 } else { false }
            let level = staysZero ? 0 : GroupedTensor.level(column[n], scale: scales[n])
            levels[(range.lowerBound + n) * inputs + k] = level
            errors[n] = (Float(level) * scales[n] - column[n]) * inverse
        }
        for later in place + 1..<max(place + 1, width) {
            let share = factor[place * width + later]
            let start = (block.lowerBound + later) * outputs + range.lowerBound
            var target = weights.mutableSpan(start..<start + count)
            for n in 0..<count { target[unchecked: n] += share * errors[unchecked: n] }
        }
    }

    /// Calls the body for ranges of outputs, which are independent of each other.
    private func strips(_ body: (Range<Int>) -> Void) throws(KernelError) {
        let outputs = outputs
        try concurrently((outputs + Self.strip - 1) / Self.strip, on: context) { task in
            body(task * Self.strip..<min((task + 1) * Self.strip, outputs))
        }
    }

    /// The integers and scales in the kernels' layout.
    private func result() throws(KernelError) -> GroupedTensor {
        let groups = inputs / scheme.group
        let (wide, halves) = (try Memory<Float>(count: groups * outputs), try Memory<UInt16>(count: groups * outputs))
        let source = scales.span
        var target = wide.mutableSpan
        for n in 0..<outputs {
            for group in 0..<groups { target[n * groups + group] = source[group * outputs + n] }
        }
        // They are values of f16 already.
        try convert(wide.span, to: .f16, into: halves.mutableSpan, on: context)
        return GroupedTensor(
            rows: outputs, columns: inputs, group: scheme.group,
            nibbles: try GroupedTensor.packed(levels, count: levels.count), scales: halves)
    }
}
