import CKernels

// Causal scaled dot-product attention (Vaswani et al. 2017, section 3.2.1), tile by tile (Dao et al. 2022): no matrix of
// queries by keys is ever in memory.
//
//     s[i, j] = q[i] · k[j] / sqrt(headWidth),  j <= i
//     L[i] = log Σ_j exp(s[i, j]),  o[i] = Σ_j exp(s[i, j] - L[i]) v[j]

/// Self-attention of whole sequences, for training.
///
/// - Parameters:
///   - qkv: `[batch * length, 3 * heads * headWidth]`: in each row queries, then keys, then values, head by head.
///   - output: `[batch * length, heads * headWidth]`.
///   - logSumExp: `[batch, heads, length]`, `L` in nats, which the backward pass needs.
///
/// The bits of a row do not depend on the other sequences, on later positions or on the number of threads.
public func causalAttention(
    qkv: Span<Float>, batch: Int, length: Int, heads: Int, headWidth: Int, into output: consuming MutableSpan<Float>,
    logSumExp: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    precondition(
        logSumExp.count == batch * heads * length,
        "causalAttention: logSumExp of \(logSumExp.count) for [\(batch), \(heads), \(length)]")
    try attend(qkv, batch, length, heads, headWidth, output.base, output.count, logSumExp.base, context)
}

/// Self-attention of whole sequences, when no backward pass will follow.
public func causalAttention(
    qkv: Span<Float>, batch: Int, length: Int, heads: Int, headWidth: Int, into output: consuming MutableSpan<Float>,
    on context: Context
) throws(KernelError) {
    try attend(qkv, batch, length, heads, headWidth, output.base, output.count, nil, context)
}

private func attend(
    _ qkv: Span<Float>, _ batch: Int, _ length: Int, _ heads: Int, _ headWidth: Int,
    _ output: UnsafeMutablePointer<Float>, _ outputCount: Int, _ logSumExp: UnsafeMutablePointer<Float>?,
    _ context: Context
) throws(KernelError) {
    let columns = heads * headWidth
    precondition(heads > 0 && headWidth > 0, "causalAttention: \(heads) heads of width \(headWidth)")
    precondition(
        qkv.count == batch * length * 3 * columns && outputCount == batch * length * columns,
        "causalAttention: qkv of \(qkv.count) and output of \(outputCount) for batch \(batch), length \(length), "
            + "\(heads) heads of width \(headWidth)")
    let shape = ck_attention_shape(
        batch: batch, queries: length, keys: length, heads: heads, width: headWidth, query_row: 3 * columns,
        query_batch: 3 * columns * length, key_row: 3 * columns, key_batch: 3 * columns * length,
        value_row: 3 * columns, value_batch: 3 * columns * length, output_row: columns, output_batch: columns * length)
    let start = qkv.base
    try check(
        ck_attention_f32(
            context.handle, shape, start, start + columns, start + 2 * columns, output, logSumExp), "causalAttention")
}

/// Gradient of ``causalAttention(qkv:batch:length:heads:headWidth:into:logSumExp:on:)``.
///
/// With `p[i, j] = exp(s[i, j] - L[i])` and `D[i] = dO[i] · o[i]` (Dao et al. 2022, appendix B.2):
/// `ds[i, j] = p[i, j] (dO[i] · v[j] - D[i])`, `dq[i] = Σ_j ds[i, j] k[j] / sqrt(headWidth)`,
/// `dk[j] = Σ_i ds[i, j] q[i] / sqrt(headWidth)`, `dv[j] = Σ_i p[i, j] dO[i]`.
///
/// - Parameters:
///   - dOutput: `[batch * length, heads * headWidth]`.
///   - output: what the forward pass returned, with its `logSumExp`.
///   - dQKV: replaced, in the layout of `qkv`.
public func causalAttentionBackward(
    dOutput: Span<Float>, qkv: Span<Float>, output: Span<Float>, logSumExp: Span<Float>, batch: Int, length: Int,
    heads: Int, headWidth: Int, into dQKV: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    let columns = heads * headWidth
    precondition(heads > 0 && headWidth > 0, "causalAttentionBackward: \(heads) heads of width \(headWidth)")
    precondition(
        qkv.count == batch * length * 3 * columns && dQKV.count == qkv.count
            && output.count == batch * length * columns && dOutput.count == output.count
            && logSumExp.count == batch * heads * length,
        "causalAttentionBackward: qkv of \(qkv.count), its gradient of \(dQKV.count), output of \(output.count), its "
            + "gradient of \(dOutput.count) and logSumExp of \(logSumExp.count) for batch \(batch), length \(length), "
            + "\(heads) heads of width \(headWidth)")
    try check(
        ck_attention_backward_f32(
            context.handle, batch, length, heads, headWidth, dOutput.base, qkv.base, output.base, logSumExp.base,
            dQKV.base), "causalAttentionBackward")
}

/// Attention of the newest rows of one sequence against its cache of keys and values. Bit-equal to the same rows of
/// ``causalAttention(qkv:batch:length:heads:headWidth:into:on:)`` on a context with the same instruction sets.
///
/// - Parameters:
///   - query: at least `queries` rows, `queryStride` elements apart, each of `heads * headWidth` in use. Row `i` stands at
///     position `keyCount - queries + i` and sees the keys up to its own.
///   - keys: at least `keyCount` rows of `heads * headWidth`, those of the new positions included; more is capacity.
///   - values: the same of values.
///   - output: `[queries, heads * headWidth]`.
public func cachedAttention(
    query: Span<Float>, queryStride: Int, keys: Span<Float>, values: Span<Float>, queries: Int, keyCount: Int,
    heads: Int, headWidth: Int, into output: consuming MutableSpan<Float>, on context: Context
) throws(KernelError) {
    let columns = heads * headWidth
    precondition(heads > 0 && headWidth > 0, "cachedAttention: \(heads) heads of width \(headWidth)")
    precondition(
        0 <= queries && queries <= keyCount, "cachedAttention: \(queries) queries against \(keyCount) keys")
    guard queries > 0 else { return }
    precondition(
        queryStride >= columns && query.count >= (queries - 1) * queryStride + columns
            && keys.count >= keyCount * columns && values.count >= keyCount * columns
            && output.count == queries * columns,
        "cachedAttention: query of \(query.count) with stride \(queryStride), keys of \(keys.count), values of "
            + "\(values.count) and output of \(output.count) for \(queries) queries, \(keyCount) keys, \(heads) heads of "
            + "width \(headWidth)")
    let shape = ck_attention_shape(
        batch: 1, queries: queries, keys: keyCount, heads: heads, width: headWidth, query_row: queryStride,
        query_batch: 0, key_row: columns, key_batch: 0, value_row: columns, value_batch: 0, output_row: columns,
        output_batch: 0)
    try check(
        ck_attention_f32(context.handle, shape, query.base, keys.base, values.base, output.base, nil),
        "cachedAttention")
}

extension Kernels {
    /// Variants of causal attention, forward and backward.
    public static var attention: [Variant] { Variant.list(ck_attention_variants) }
}
