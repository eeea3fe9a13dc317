import AlambicKernels
import AlambicModels
import AlambicTensor

/// A decoder-only transformer that computes in integers alone: tokens go in, 32-bit logits come out, and nothing in
/// between is anything but integers. There are no floats in this type, nor in what it is made of; what the integers
/// stand for is known to ``IntegerGPT``.
public struct IntegerTransformer: Sendable {
    /// For each token its integers in the residual stream, [vocabulary, width].
    public let tokens: DenseTensor<Int32>
    /// The same for each position, [context, width].
    public let positions: DenseTensor<Int32>
    /// The blocks in order.
    public let blocks: [IntegerBlock]
    /// After the last block.
    public let norm: IntegerLayerNorm
    /// From the last norm to the logits.
    public let head: IntegerLinear

    /// Number of tokens that it knows.
    public var vocabulary: Int { tokens.rows }
    /// The longest sequence in tokens.
    public var context: Int { positions.rows }
    /// Width of the residual stream.
    public var width: Int { tokens.columns }

    /// A transformer of parts that fit together.
    public init(
        tokens: DenseTensor<Int32>, positions: DenseTensor<Int32>, blocks: [IntegerBlock], norm: IntegerLayerNorm,
        head: IntegerLinear
    ) {
        let width = tokens.columns
        precondition(
            positions.columns == width && norm.columns == width && blocks.allSatisfy { $0.width == width }
                && head.inputs == width && head.outputs == tokens.rows && head.output == .logits,
            """
            tokens \(tokens.shape), positions \(positions.shape), blocks of widths \(blocks.map(\.width)), a norm of \
            \(norm.columns) columns and a head [\(head.outputs), \(head.inputs)]
            """)
        norm.requireStream()
        head.requireInputs(norm.output)
        (self.tokens, self.positions, self.blocks, self.norm, self.head) = (tokens, positions, blocks, norm, head)
    }

    /// Tokens that go through together, unless a single sequence is longer.
    private static let rows = 512

    /// The logits [batch, length, vocabulary] of sequences in one array: those of a token say what may follow it. The
    /// same bits for any batch and any number of threads.
    ///
    /// The array takes four bytes for each token of the sequences and of the vocabulary, 196 MiB for 1024 tokens of
    /// GPT-2's 50257, and where there is not as much the program stops: ``forEachLogits(of:on:_:)`` needs no such memory.
    ///
    /// - Throws: `.badArgument` for a token outside of the vocabulary or a sequence longer than the context;
    ///   `.noMemory` where there is too little for the pass itself.
    public func logits(
        of sequences: Tokens, on machineContext: Context = .default
    ) throws(KernelError) -> [Int32] {
        var logits: [Int32] = []
        try forEachLogits(of: sequences, on: machineContext) { rows, strip throws(KernelError) in
            if rows.lowerBound == 0 { logits.reserveCapacity(sequences.count * vocabulary) }
            for i in strip.indices { logits.append(strip[i]) }
        }
        return logits
    }

    /// Hands over the logits of sequences in strips of at most 64 tokens, each as soon as it is made: the numbers of the
    /// tokens, counted through all sequences, and their logits [tokens, vocabulary]. Strips come in order and together
    /// are what ``logits(of:on:)`` returns, bit for bit. What `body` throws ends it.
    ///
    /// - Throws: `.badArgument` for a token outside of the vocabulary or a sequence longer than the context;
    ///   `.noMemory`.
    public func forEachLogits(
        of sequences: Tokens, on machineContext: Context = .default,
        _ body: (_ tokens: Range<Int>, _ logits: Span<Int32>) throws(KernelError) -> Void
    ) throws(KernelError) {
        try check(sequences)
        guard sequences.count > 0 else { return }
        let length = sequences.length
        let together = min(sequences.batch, max(1, Self.rows / length))
        let workspace = try IntegerTransformerWorkspace(
            width: width, blocks: blocks, rows: together * length, head: vocabulary)
        for first in stride(from: 0, to: sequences.batch, by: together) {
            let batch = min(together, sequences.batch - first)
            embed(sequences.ids[first * length..<(first + batch) * length], length: length, in: workspace)
            for block in blocks {
                try block.run(in: workspace, batch: batch, length: length, on: machineContext)
            }
            try workspace.normalize(norm, rows: batch * length, on: machineContext)
            let rows = first * length..<(first + batch) * length
            try handOver(rows, in: workspace, on: machineContext, body)
        }
    }

    private func check(_ sequences: Tokens) throws(KernelError) {
        if let token = sequences.ids.first(where: { $0 < 0 || Int($0) >= vocabulary }) {
            throw KernelError(.badArgument, "\(ModelError.tokenOutOfRange(token, vocabulary: vocabulary))")
        }
        guard sequences.length <= context else {
            throw KernelError(
                .badArgument, "\(ModelError.contextTooLong(tokens: sequences.length, limit: context))")
        }
    }

    private func embed(_ ids: ArraySlice<Int32>, length: Int, in workspace: IntegerTransformerWorkspace) {
        let (stream, tokens, positions) = (workspace.residual, self.tokens, self.positions)
        var x = stream.mutableSpan
        let (tokenRows, positionRows) = (tokens.span, positions.span)
        for (row, id) in ids.enumerated() {
            let (token, position) = (Int(id) * width, row % length * width)
            for j in 0..<width {
                x[row * width + j] = IntegerResidual.sum(tokenRows[token + j], positionRows[position + j])
            }
        }
    }

    /// The logits of tokens, the last norm of which is in the workspace.
    private func handOver(
        _ rows: Range<Int>, in workspace: IntegerTransformerWorkspace, on context: Context,
        _ body: (_ tokens: Range<Int>, _ logits: Span<Int32>) throws(KernelError) -> Void
    ) throws(KernelError) {
        let (normalized, result) = (workspace.normalized, workspace.wide)
        for first in stride(from: 0, to: rows.count, by: IntegerTransformerWorkspace.strip) {
            let count = min(IntegerTransformerWorkspace.strip, rows.count - first)
            try head.multiply(
                normalized.span(first * width..<(first + count) * width), rows: count, into: workspace.scratch,
                on: context)
            try head.requantize(rows: count, workspace.scratch, logits: result, on: context)
            let start = rows.lowerBound + first
            try body(start..<start + count, result.span(0..<count * vocabulary))
        }
    }
}
