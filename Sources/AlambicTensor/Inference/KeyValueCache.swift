import AlambicKernels

/// The keys and values of the tokens that one sequence has seen, layer by layer, in attention's own order.
/// Used by one thread at a time.
///
/// Kernels read how many tokens there are from memory when they run, so that noted ones can run again further on. Rows
/// behind those tokens are written before they count: a pass that fails on the way leaves the cache as it was.
public final class KeyValueCache {
    /// How many tokens fit.
    public let capacity: Int
    /// Heads times head width, layer by layer.
    public let widths: [Int]
    /// How many tokens are in it.
    public var count: Int {
        let position = position
        return Int(position.span[0])
    }

    /// The count, where kernels find it.
    let position: Memory<Int64>
    let keys: [Memory<Float>]
    let values: [Memory<Float>]

    /// An empty cache for layers of equal widths.
    public convenience init(layers: Int, width: Int, capacity: Int) throws(KernelError) {
        try self.init(widths: [Int](repeating: width, count: layers), capacity: capacity)
    }

    /// An empty cache for layers of these widths.
    public init(widths: [Int], capacity: Int) throws(KernelError) {
        self.capacity = capacity
        self.widths = widths
        position = try Memory(count: 1)
        var keys: [Memory<Float>] = []
        var values: [Memory<Float>] = []
        for width in widths {
            // Heads of any width take as much.
            let elements = attentionCacheElements(capacity: capacity, kvHeads: 1, headWidth: width)
            keys.append(try Memory(count: elements))
            values.append(try Memory(count: elements))
        }
        self.keys = keys
        self.values = values
    }

    /// Forgets all tokens from number `count` on.
    public func truncate(to count: Int) {
        precondition(count >= 0 && count <= self.count, "truncating \(self.count) tokens to \(count)")
        setCount(count)
    }

    /// Counts `tokens` more.
    func advance(by tokens: Int) { setCount(count + tokens) }

    private func setCount(_ count: Int) {
        precondition(count <= capacity, "\(count) tokens in a cache for \(capacity)")
        let position = position
        var span = position.mutableSpan
        span[0] = Int64(count)
    }
}
