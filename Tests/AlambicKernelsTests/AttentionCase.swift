import AlambicKernels
import AlambicTestSupport

/// One shape of self-attention in one type. Operands are floats in either type, those of bf16 with zeros behind.
struct AttentionCase: CustomStringConvertible {
    var isBF16 = false
    var mask = AttentionMask.causal
    var batch, length, heads: Int
    var kvHeads: Int
    var width: Int
    var seed: UInt64

    init(
        isBF16: Bool = false, mask: AttentionMask = .causal, batch: Int, length: Int, heads: Int, kvHeads: Int? = nil,
        width: Int, seed: UInt64
    ) {
        (self.isBF16, self.mask, self.batch, self.length) = (isBF16, mask, batch, length)
        (self.heads, self.kvHeads, self.width, self.seed) = (heads, kvHeads ?? heads, width, seed)
    }

    var description: String {
        "\(isBF16 ? "bf16" : "f32") \(mask) batch \(batch) length \(length) heads \(heads)/\(kvHeads) width \(width) "
            + "seed \(seed)"
    }
    var columns: Int { heads * width }
    var row: Int { (heads + 2 * kvHeads) * width }
    var variants: [Variant] { (isBF16 ? Kernels.attentionBF16 : Kernels.attention).filter(\.runsHere) }

    func inputs(deviation: Float = 1) -> (qkv: [Float], dOutput: [Float]) {
        var numbers = SplitMix(seed: seed)
        return (
            representable(numbers.normals(batch * length * row, deviation: deviation)),
            representable(numbers.normals(batch * length * columns))
        )
    }

    /// The numbers, cut off behind what the type holds.
    func representable(_ numbers: [Float]) -> [Float] { isBF16 ? widened(bits(numbers)) : numbers }

    func forward(_ qkv: [Float], on context: Context) throws -> (output: [Float], logSumExp: [Float]) {
        var logSumExp = [Float](repeating: .nan, count: batch * heads * length)
        func run<Element: FloatElement>(_ qkv: [Element], _ unset: Element) throws -> [Element] {
            var output = [Element](repeating: unset, count: batch * length * columns)
            try attention(
                qkv: qkv.span, mask: mask, batch: batch, length: length, heads: heads, kvHeads: kvHeads,
                headWidth: width, into: output.mutableSpan, logSumExp: logSumExp.mutableSpan, on: context)
            return output
        }
        let output = isBF16 ? widened(try run(bits(qkv), 0x7fff)) : try run(qkv, .nan)
        return (output, logSumExp)
    }

    func backward(
        _ dOutput: [Float], _ qkv: [Float], _ output: [Float], _ logSumExp: [Float], on context: Context
    ) throws -> [Float] {
        func run<Element: FloatElement>(
            _ dOutput: [Element], _ qkv: [Element], _ output: [Element], _ unset: Element
        ) throws -> [Element] {
            var dQKV = [Element](repeating: unset, count: qkv.count)
            try attentionBackward(
                dOutput: dOutput.span, qkv: qkv.span, output: output.span, logSumExp: logSumExp.span, mask: mask,
                batch: batch, length: length, heads: heads, kvHeads: kvHeads, headWidth: width,
                into: dQKV.mutableSpan, on: context)
            return dQKV
        }
        return isBF16
            ? widened(try run(bits(dOutput), bits(qkv), bits(output), 0x7fff))
            : try run(dOutput, qkv, output, .nan)
    }

    /// The rows of `query` against the first `keyCount` rows of a cache.
    func cached(
        query: [Float], keys: [Float], values: [Float], queries: Int, keyCount: Int, on context: Context
    ) throws -> [Float] {
        func run<Element: FloatElement>(
            _ query: [Element], _ keys: [Element], _ values: [Element], _ unset: Element
        ) throws -> [Element] {
            var output = [Element](repeating: unset, count: queries * columns)
            try cachedAttention(
                query: query.span, queryStride: row, keys: keys.span, values: values.span, queries: queries,
                keyCount: keyCount, heads: heads, kvHeads: kvHeads, headWidth: width, into: output.mutableSpan,
                on: context)
            return output
        }
        return isBF16
            ? widened(try run(bits(query), bits(keys), bits(values), 0x7fff)) : try run(query, keys, values, .nan)
    }
}

/// The upper halves.
private func bits(_ x: [Float]) -> [UInt16] { x.map { UInt16($0.bitPattern >> 16) } }
private func widened(_ x: [UInt16]) -> [Float] { x.map { Float(bitPattern: UInt32($0) << 16) } }
