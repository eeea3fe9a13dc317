import AlambicKernels

/// The keys and values of the tokens that one sequence has seen, layer by layer: [capacity, width] each.
/// Used by one thread at a time.
public final class KeyValueCache {
    /// How many tokens fit.
    public let capacity: Int
    /// Heads times head width.
    public let width: Int
    /// How many tokens are in it.
    public private(set) var count = 0

    let keys: [Memory<Float>]
    let values: [Memory<Float>]

    /// An empty cache.
    public init(layers: Int, width: Int, capacity: Int) throws(KernelError) {
        self.capacity = capacity
        self.width = width
        var keys: [Memory<Float>] = []
        var values: [Memory<Float>] = []
        for _ in 0..<layers {
            keys.append(try Memory(count: capacity * width))
            values.append(try Memory(count: capacity * width))
        }
        self.keys = keys
        self.values = values
    }

    /// Forgets all tokens from number `count` on.
    public func truncate(to count: Int) {
        precondition(count >= 0 && count <= self.count, "truncating \(self.count) tokens to \(count)")
        self.count = count
    }

    /// Puts the keys and values of rows [queries, 3 width] behind the tokens already there, in one layer. They count
    /// only after `advance`, so that a pass that fails on the way leaves the cache as it was.
    func store(_ qkv: Tensor, layer: Int) {
        let rows = qkv.rows
        precondition(
            qkv.columns == 3 * width && count + rows <= capacity,
            "\(qkv.shape) into a cache of width \(width) with \(count) of \(capacity) tokens")
        let target = count * width..<(count + rows) * width
        let (layerKeys, layerValues) = (keys[layer], values[layer])
        copyColumns(width..<2 * width, of: qkv, into: layerKeys.mutableSpan(target))
        copyColumns(2 * width..<3 * width, of: qkv, into: layerValues.mutableSpan(target))
    }

    /// Counts `tokens` more.
    func advance(by tokens: Int) { count += tokens }
}

/// Copies some of the columns of every row, one row behind the other.
private func copyColumns(_ columns: Range<Int>, of source: Tensor, into target: consuming MutableSpan<Float>) {
    let width = columns.count * MemoryLayout<Float>.stride
    let distance = source.columns * MemoryLayout<Float>.stride
    let first = columns.lowerBound * MemoryLayout<Float>.stride
    target.withUnsafeMutableBytes { target in
        source.withUnsafeBytes { source in
            for row in 0..<target.count / width {
                UnsafeMutableRawBufferPointer(rebasing: target[row * width..<(row + 1) * width]).copyMemory(
                    from: UnsafeRawBufferPointer(
                        rebasing: source[row * distance + first..<row * distance + first + width]))
            }
        }
    }
}
