import AlambicModels

/// What a training step needs, estimated from a model's extents before anything is allocated.
struct MemoryEstimate {
    private let layers: Int
    private let width: Int
    private let inner: Int
    private let heads: Int
    private let vocabulary: Int
    private let parameters: Int

    init(_ architecture: any Architecture) {
        layers = architecture.layers
        width = architecture.width
        inner = architecture.inner
        heads = architecture.heads
        vocabulary = architecture.vocabulary
        parameters = architecture.parameterCount
    }

    /// Bytes of the weights, of what the optimizer remembers, and of the gradients: each worker has one set, and one for
    /// each level of the tree over its micro-batches.
    func modelBytes(states: Int, microBatches: Int, workers: Int) -> Int {
        let share = max(1, microBatches / max(workers, 1))
        let levels = Int.bitWidth - share.leadingZeroBitCount
        let copies = 1 + states + max(workers, 1) * levels
        let (bytes, overflow) = parameters.multipliedReportingOverflow(by: 4 * copies)
        return overflow ? .max : bytes
    }

    /// Bytes of the values that the forward pass leaves for the backward pass, and of the gradients in flight.
    ///
    /// Each layer keeps, for every token, two norms, queries, keys and values, the attention's result and its
    /// projection, two sums, two dropouts and the second projection (12 widths), and the inner layer before and after
    /// its activation (2 inner widths). Gradients are released as they are used: a few layers' worth at a time.
    func activationBytes(rows: Int, context: Int) -> Int {
        let perLayer = 12 * width + 2 * inner + heads + 4
        let inFlight = 4 * (3 * width + inner)
        let (tokens, overflow) = rows.multipliedReportingOverflow(by: context)
        let head = 2 * min(max(tokens, 0), max(16, (1 << 20) / vocabulary)) * vocabulary
        let (floats, overflow2) = tokens.multipliedReportingOverflow(by: layers * perLayer + inFlight + 3 * width)
        let (bytes, overflow3) = floats.multipliedReportingOverflow(by: 4)
        if overflow || overflow2 || overflow3 { return .max }
        return bytes.addingReportingOverflow(4 * head).overflow ? .max : bytes + 4 * head
    }
}
