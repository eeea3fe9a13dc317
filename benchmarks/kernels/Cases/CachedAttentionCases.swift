import AlambicKernels

/// Attention of one new token against the cache of a sequence, as decoding has it: keys x heads x head width.
extension BenchCase {
    static let cachedAttentions: [BenchCase] = [
        cached("f32", Kernels.attention, ramp), cached("bf16", Kernels.attentionBF16) { try halves($0, .bf16) },
    ]

    private static func cached<Element: FloatElement & SendableMetatype>(
        _ dtype: String, _ variants: [Variant], _ values: @escaping @Sendable (Int) throws -> Memory<Element>
    ) -> BenchCase {
        let size = MemoryLayout<Element>.stride
        return rotating(
            "attention-cached", dtype, "one token against its cache, which it joins; keys x heads x head width",
            variants: variants, shapes: [BenchShape(1024, 12, 64), BenchShape(4096, 32, 128)], pattern: .read,
            takesProductShapes: false,
            held: { size * (2 * cacheElements($0) + 4 * $0[1] * $0[2]) },
            // Keys and values of all positions but the new one are read; of that one they are read and written.
            moved: { shape, _ in size * (2 * shape[0] + 6) * shape[1] * shape[2] },
            make: { shape, _ in
                let (keys, columns) = (shape[0], shape[1] * shape[2])
                let count = try Memory<Int64>(count: 1)
                var known = count.mutableSpan
                known[0] = Int64(keys - 1)
                return (
                    qkv: try values(3 * columns), keys: try values(cacheElements(shape)),
                    values: try values(cacheElements(shape)), count: count, output: try Memory<Element>(count: columns)
                )
            },
            body: { shape, set, context in
                let (qkv, keys, values, count, output) = (set.qkv, set.keys, set.values, set.count, set.output)
                try cachedAttention(
                    qkv: qkv.span, after: count.span, keys: keys.mutableSpan, values: values.mutableSpan,
                    capacity: shape[0], queries: 1, heads: shape[1], headWidth: shape[2], into: output.mutableSpan,
                    on: context)
            })
    }

    private static func cacheElements(_ shape: BenchShape) -> Int {
        attentionCacheElements(capacity: shape[0], kvHeads: shape[1], headWidth: shape[2])
    }
}
