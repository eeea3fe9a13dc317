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

    /// Bytes of the weights, of what the optimizer remembers, and of the gradients.
    func modelBytes(states: Int, microBatches: Int, workers: Int) -> Int {
        let copies = 1 + states + gradientCopies(microBatches: microBatches, workers: workers)
        let (bytes, overflow) = parameters.multipliedReportingOverflow(by: 4 * copies)
        return overflow ? .max : bytes
    }

    /// How many sets of gradients there are: each worker has one, and one for each level of the tree over its
    /// micro-batches.
    func gradientCopies(microBatches: Int, workers: Int) -> Int {
        let share = max(1, microBatches / max(workers, 1))
        return max(workers, 1) * (Int.bitWidth - share.leadingZeroBitCount)
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

    /// Bytes of the values of a forward pass alone: those of one block, since later ones take their place, the token
    /// numbers and losses, and the logits of one stretch of the head.
    func inferenceBytes(rows: Int, context: Int) -> Int {
        let bytes = Double(rows) * Double(context) * bytesPerToken + logitsBytes
        return bytes < 0x1p62 ? Int(bytes) : .max
    }

    /// How many sequences of `context` tokens a forward pass can take at a time in this memory; at least one.
    func inferenceRows(in bytes: Int, context: Int) -> Int {
        max(1, Int((Double(bytes) - logitsBytes) / (Double(context) * bytesPerToken)))
    }

    private var logitsBytes: Double { 4 * Double(max(16, (1 << 20) / vocabulary)) * Double(vocabulary) }
    private var bytesPerToken: Double { 4 * (8 * Double(width) + 2 * Double(inner) + 8) }
}
