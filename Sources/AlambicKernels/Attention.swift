import CKernels

// Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1), tile by tile (Dao et al. 2022): no matrix of queries
// by keys is ever in memory. Scores, softmax, log-sum-exp and sums are f32 for either element type; `docs/Numerics.md` says what
// is rounded to bf16 on the way.
//
//     s[i, j] = q[i] · k[j] / sqrt(headWidth),  for the keys j that query i sees
//     L[i] = log Σ_j exp(s[i, j]),  o[i] = Σ_j exp(s[i, j] - L[i]) v[j]

/// Which keys a query sees.
public enum AttentionMask: Sendable, CaseIterable {
    /// Those up to its own position.
    case causal
    /// All.
    case full

    fileprivate var kernel: ck_attention_mask { self == .causal ? CK_ATTENTION_CAUSAL : CK_ATTENTION_FULL }
}

/// The extents of self-attention on packed rows, checked.
private struct PackedAttention {
    let batch, length, heads, kvHeads, headWidth: Int
    let name: StaticString

    init(_ name: StaticString, _ batch: Int, _ length: Int, _ heads: Int, _ kvHeads: Int, _ headWidth: Int) {
        precondition(
            heads > 0 && headWidth > 0 && kvHeads > 0 && heads % kvHeads == 0,
            "\(name): \(heads) heads of width \(headWidth) with \(kvHeads) heads of keys and values")
        (self.name, self.batch, self.length) = (name, batch, length)
        (self.heads, self.kvHeads, self.headWidth) = (heads, kvHeads, headWidth)
    }

    var columns: Int { heads * headWidth }
    var keyColumns: Int { kvHeads * headWidth }
    var row: Int { columns + 2 * keyColumns }

    func require(_ what: StaticString, _ count: Int, _ expected: Int) {
        precondition(
            count == expected,
            "\(name): \(what) of \(count), not \(expected), for batch \(batch), length \(length), \(heads) heads of "
                + "width \(headWidth) with \(kvHeads) heads of keys and values")
    }

    func require(qkv: Int, output: Int) {
        require("qkv", qkv, batch * length * row)
        require("output", output, batch * length * columns)
    }

    var shape: ck_attention_shape {
        var shape = ck_attention_shape()
        (shape.batch, shape.queries, shape.keys) = (batch, length, length)
        (shape.heads, shape.kv_heads, shape.width) = (heads, kvHeads, headWidth)
        (shape.query_row, shape.key_row, shape.value_row, shape.output_row) = (row, row, row, columns)
        (shape.query_batch, shape.output_batch) = (row * length, columns * length)
        (shape.key_batch, shape.value_batch) = (row * length, row * length)
        return shape
    }
}

/// Self-attention of whole sequences, for training.
///
/// - Parameters:
///   - qkv: `[batch * length, (heads + 2 * kvHeads) * headWidth]`: in each row queries, then keys, then values, head by head.
///   - kvHeads: heads of keys and values, which divide `heads`: query head `h` uses head `h * kvHeads / heads` (grouped-query
///     attention, Ainslie et al. 2023).
///   - output: `[batch * length, heads * headWidth]`.
///   - logSumExp: `[batch, heads, length]`, `L` in nats, which the backward pass needs.
///
/// The bits of a row do not depend on the other sequences, on positions that it does not see or on the number of threads.
public func attention<Element: FloatElement>(
    qkv: Span<Element>, mask: AttentionMask, batch: Int, length: Int, heads: Int, kvHeads: Int, headWidth: Int,
    into output: consuming MutableSpan<Element>, logSumExp: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    let packed = PackedAttention("attention", batch, length, heads, kvHeads, headWidth)
    packed.require("logSumExp", logSumExp.count, batch * heads * length)
    packed.require(qkv: qkv.count, output: output.count)
    try attend(qkv, mask, packed, output.base, logSumExp.base, context)
}

/// Self-attention of whole sequences, when no backward pass will follow.
public func attention<Element: FloatElement>(
    qkv: Span<Element>, mask: AttentionMask, batch: Int, length: Int, heads: Int, kvHeads: Int, headWidth: Int,
    into output: consuming MutableSpan<Element>, on context: Context
) throws(KernelError) {
    let packed = PackedAttention("attention", batch, length, heads, kvHeads, headWidth)
    packed.require(qkv: qkv.count, output: output.count)
    try attend(qkv, mask, packed, output.base, nil, context)
}

/// ``attention(qkv:mask:batch:length:heads:kvHeads:headWidth:into:logSumExp:on:)`` with the causal mask and as many heads of
/// keys and values as of queries.
public func causalAttention<Element: FloatElement>(
    qkv: Span<Element>, batch: Int, length: Int, heads: Int, headWidth: Int,
    into output: consuming MutableSpan<Element>, logSumExp: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    try attention(
        qkv: qkv, mask: .causal, batch: batch, length: length, heads: heads, kvHeads: heads, headWidth: headWidth,
        into: output, logSumExp: logSumExp, on: context)
}

/// ``attention(qkv:mask:batch:length:heads:kvHeads:headWidth:into:on:)`` with the causal mask and as many heads of keys and
/// values as of queries.
public func causalAttention<Element: FloatElement>(
    qkv: Span<Element>, batch: Int, length: Int, heads: Int, headWidth: Int,
    into output: consuming MutableSpan<Element>, on context: Context
) throws(KernelError) {
    try attention(
        qkv: qkv, mask: .causal, batch: batch, length: length, heads: heads, kvHeads: heads, headWidth: headWidth,
        into: output, on: context)
}

private func attend<Element: FloatElement>(
    _ qkv: Span<Element>, _ mask: AttentionMask, _ packed: PackedAttention, _ output: UnsafeMutablePointer<Element>,
    _ logSumExp: UnsafeMutablePointer<Float>?, _ context: Context
) throws(KernelError) {
    let query = qkv.base
    let key = query + packed.columns
    try check(
        ck_attention(
            context.handle, Element.code, mask.kernel, packed.shape, query, key, key + packed.keyColumns, output,
            logSumExp), "attention")
}

/// Gradient of ``attention(qkv:mask:batch:length:heads:kvHeads:headWidth:into:logSumExp:on:)``.
///
/// With `p[i, j] = exp(s[i, j] - L[i])` and `D[i] = dO[i] · o[i]` (Dao et al. 2022, appendix B.2):
/// `ds[i, j] = p[i, j] (dO[i] · v[j] - D[i])`, `dq[i] = Σ_j ds[i, j] k[j] / sqrt(headWidth)`,
/// `dk[j] = Σ_i ds[i, j] q[i] / sqrt(headWidth)`, `dv[j] = Σ_i p[i, j] dO[i]`; the last two are summed over the query heads
/// that share a head of keys and values.
///
/// - Parameters:
///   - dOutput: `[batch * length, heads * headWidth]`.
///   - output: what the forward pass returned, with its `logSumExp`.
///   - dQKV: replaced, in the layout of `qkv`.
public func attentionBackward<Element: FloatElement>(
    dOutput: Span<Element>, qkv: Span<Element>, output: Span<Element>, logSumExp: Span<Float>, mask: AttentionMask,
    batch: Int, length: Int, heads: Int, kvHeads: Int, headWidth: Int, into dQKV: consuming MutableSpan<Element>,
    on context: Context
) throws(KernelError) {
    let packed = PackedAttention("attentionBackward", batch, length, heads, kvHeads, headWidth)
    packed.require(qkv: qkv.count, output: output.count)
    packed.require("gradient of qkv", dQKV.count, qkv.count)
    packed.require("gradient of output", dOutput.count, output.count)
    packed.require("logSumExp", logSumExp.count, batch * heads * length)
    let query = qkv.base
    let key = query + packed.columns
    let dQuery = dQKV.base
    let dKey = dQuery + packed.columns
    try check(
        ck_attention_backward(
            context.handle, Element.code, mask.kernel, packed.shape, dOutput.base, query, key, key + packed.keyColumns,
            output.base, logSumExp.base, dQuery, dKey, dKey + packed.keyColumns), "attentionBackward")
}

/// Gradient of ``causalAttention(qkv:batch:length:heads:headWidth:into:logSumExp:on:)``: see
/// ``attentionBackward(dOutput:qkv:output:logSumExp:mask:batch:length:heads:kvHeads:headWidth:into:on:)``.
public func causalAttentionBackward<Element: FloatElement>(
    dOutput: Span<Element>, qkv: Span<Element>, output: Span<Element>, logSumExp: Span<Float>, batch: Int,
    length: Int, heads: Int, headWidth: Int, into dQKV: consuming MutableSpan<Element>, on context: Context
) throws(KernelError) {
    try attentionBackward(
        dOutput: dOutput, qkv: qkv, output: output, logSumExp: logSumExp, mask: .causal, batch: batch, length: length,
        heads: heads, kvHeads: heads, headWidth: headWidth, into: dQKV, on: context)
}

/// Causal attention of the newest rows of one sequence against its cache of keys and values. Bit-equal to the same rows of
/// ``attention(qkv:mask:batch:length:heads:kvHeads:headWidth:into:on:)`` on a context with the same instruction sets.
///
/// - Parameters:
///   - query: at least `queries` rows, `queryStride` elements apart, each of `heads * headWidth` in use. Row `i` stands at
///     position `keyCount - queries + i` and sees the keys up to its own.
///   - keys: at least `keyCount` rows of `kvHeads * headWidth`, those of the new positions included; more is capacity.
///   - values: the same of values.
///   - kvHeads: heads of keys and values; nil: as many as of queries.
///   - output: `[queries, heads * headWidth]`.
public func cachedAttention<Element: FloatElement>(
    query: Span<Element>, queryStride: Int, keys: Span<Element>, values: Span<Element>, queries: Int, keyCount: Int,
    heads: Int, kvHeads: Int? = nil, headWidth: Int, into output: consuming MutableSpan<Element>, on context: Context
) throws(KernelError) {
    let packed = PackedAttention("cachedAttention", 1, keyCount, heads, kvHeads ?? heads, headWidth)
    let columns = packed.columns, keyColumns = packed.keyColumns
    precondition(
        0 <= queries && queries <= keyCount, "cachedAttention: \(queries) queries against \(keyCount) keys")
    guard queries > 0 else { return }
    precondition(
        queryStride >= columns && query.count >= (queries - 1) * queryStride + columns
            && keys.count >= keyCount * keyColumns && values.count >= keyCount * keyColumns
            && output.count == queries * columns,
        "cachedAttention: query of \(query.count) with stride \(queryStride), keys of \(keys.count), values of "
            + "\(values.count) and output of \(output.count) for \(queries) queries, \(keyCount) keys, \(heads) heads of "
            + "width \(headWidth) with \(packed.kvHeads) heads of keys and values")
    var shape = packed.shape
    shape.queries = queries
    (shape.query_row, shape.key_row, shape.value_row) = (queryStride, keyColumns, keyColumns)
    try check(
        ck_attention(
            context.handle, Element.code, CK_ATTENTION_CAUSAL, shape, query.base, keys.base, values.base, output.base,
            nil), "cachedAttention")
}

/// The next rows of one sequence: their keys and values join its cache, and each row sees those up to its own. Bit-equal to
/// the same rows of ``attention(qkv:mask:batch:length:heads:kvHeads:headWidth:into:on:)``.
///
/// The first `count[0]` rows of the cache are known; the new ones go behind them. `count` itself stays as it is: whoever
/// owns it counts the rows when all layers have them.
///
/// - Parameters:
///   - qkv: `[queries, (heads + 2 * kvHeads) * headWidth]`: in each row queries, then keys, then values, head by head.
///   - count: one number. Without room for `queries` rows more it throws `.badArgument`. A list reads it when it runs, and
///     then does nothing where there is no room.
///   - keys: ``attentionCacheElements(capacity:kvHeads:headWidth:)`` of them with any contents, in an order of the
///     operation's own.
///   - values: the same of values.
///   - capacity: how many rows the cache has.
///   - kvHeads: heads of keys and values; nil: as many as of queries.
///   - output: `[queries, heads * headWidth]`.
public func cachedAttention<Element: FloatElement>(
    qkv: Span<Element>, after count: Span<Int64>, keys: consuming MutableSpan<Element>,
    values: consuming MutableSpan<Element>, capacity: Int, queries: Int, heads: Int, kvHeads: Int? = nil,
    headWidth: Int, into output: consuming MutableSpan<Element>, on context: Context
) throws(KernelError) {
    let packed = PackedAttention("cachedAttention", 1, queries, heads, kvHeads ?? heads, headWidth)
    packed.require(qkv: qkv.count, output: output.count)
    packed.require("count", count.count, 1)
    let elements = attentionCacheElements(capacity: capacity, kvHeads: packed.kvHeads, headWidth: headWidth)
    packed.require("keys", keys.count, elements)
    packed.require("values", values.count, elements)
    let cache = ck_attention_cache(keys: keys.base, values: values.base, capacity: capacity, count: count.base)
    try check(
        ck_attention_cached(
            context.handle, Element.code, queries, heads, packed.kvHeads, headWidth, cache, qkv.base, output.base),
        "cachedAttention of \(queries) queries with a cache for \(capacity) keys")
}

/// Elements that keys, and as many that values take in the cache of a sequence of up to `capacity` rows.
public func attentionCacheElements(capacity: Int, kvHeads: Int, headWidth: Int) -> Int {
    precondition(
        capacity >= 0 && kvHeads > 0 && headWidth > 0,
        "a cache for \(capacity) rows of \(kvHeads) heads of width \(headWidth)")
    let elements = ck_attention_cache_elements(capacity, kvHeads, headWidth)
    precondition(
        elements > 0 || capacity == 0, "a cache for \(capacity) rows of \(kvHeads) heads of width \(headWidth)")
    return elements
}

extension Kernels {
    /// Variants of attention in f32, forward and backward.
    public static var attention: [Variant] { Variant.list(ck_attention_variants) }
    /// Variants of attention in bf16, forward and backward.
    public static var attentionBF16: [Variant] { Variant.list(ck_attention_bf16_variants) }
}
