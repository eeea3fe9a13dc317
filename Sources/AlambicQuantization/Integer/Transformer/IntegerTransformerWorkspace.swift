import AlambicKernels

/// Memory for a pass of up to so many tokens, in integers, and the steps between products. One pass at a time.
final class IntegerTransformerWorkspace: Sendable {
    /// How many tokens fit.
    let rows: Int
    /// Width of the residual stream.
    let width: Int
    /// The residual stream, [rows, width].
    let residual: Memory<Int32>
    /// What a norm made of it.
    let normalized: Memory<UInt8>
    let query: Memory<UInt8>, key: Memory<UInt8>, value: Memory<UInt8>, attended: Memory<UInt8>
    /// What layers make that pass on 32 bits.
    let wide: Memory<Int32>
    let activated: Memory<UInt8>
    let scratch: IntegerScratch

    /// - Parameter head: outputs of the last layer, or 0 where there is none.
    init(width: Int, blocks: [IntegerBlock], rows: Int, head: Int = 0) throws(KernelError) {
        (self.rows, self.width) = (rows, width)
        let attention = blocks.map(\.attention.width).max() ?? 0
        let inner = blocks.map(\.expansion.outputs).max() ?? 0
        let wide = max(rows * max(width, inner), Self.strip * head)
        residual = try Memory<Int32>(count: rows * width)
        normalized = try Memory<UInt8>(count: rows * width)
        query = try Memory<UInt8>(count: rows * attention)
        key = try Memory<UInt8>(count: rows * attention)
        value = try Memory<UInt8>(count: rows * attention)
        attended = try Memory<UInt8>(count: rows * attention)
        self.wide = try Memory<Int32>(count: wide)
        activated = try Memory<UInt8>(count: rows * inner)
        scratch = try IntegerScratch(patches: 0, sums: max(wide, rows * attention), rows: max(rows, Self.strip))
    }

    /// Rows whose logits are made together: of a large vocabulary those of all would take much memory.
    static let strip = 64

    /// What a norm makes of the stream.
    func normalize(_ norm: IntegerLayerNorm, rows: Int, on context: Context) throws(KernelError) {
        let (x, y, width) = (residual, normalized, width)
        try concurrently(rows, nanoseconds: Double(rows * width) * 10, on: context) { row in
            let range = row * width..<(row + 1) * width
            var levels = y.mutableSpan(range)
            norm(x.span(range), into: &levels)
        }
    }

    /// Adds what the last layer of a branch made to the stream.
    func addBranch(rows: Int, on context: Context) throws(KernelError) {
        let (x, branch, width) = (residual, wide, width)
        try concurrently(rows, nanoseconds: Double(rows * width), on: context) { row in
            let range = row * width..<(row + 1) * width
            let addends = branch.span(range)
            var stream = x.mutableSpan(range)
            for j in addends.indices { stream[j] = IntegerResidual.sum(stream[j], addends[j]) }
        }
    }

    /// GELU of what the first feed-forward layer made.
    func activate(
        _ activation: IntegerGELULevels, rows: Int, columns: Int, on context: Context
    ) throws(KernelError) {
        let (x, y) = (wide, activated)
        try concurrently(rows, nanoseconds: Double(rows * columns) * 4, on: context) { row in
            let range = row * columns..<(row + 1) * columns
            let arguments = x.span(range)
            var levels = y.mutableSpan(range)
            for j in arguments.indices { levels[j] = activation(arguments[j]) }
        }
    }
}
