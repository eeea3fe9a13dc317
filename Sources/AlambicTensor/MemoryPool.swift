import AlambicKernels

/// Memory that is used again as soon as nobody else holds it: steps of the same shapes allocate nothing.
///
/// Whoever holds a tensor keeps its memory; the pool hands out only what it alone refers to. Contents are left over
/// from earlier use.
final class MemoryPool<Element: BitwiseCopyable> {
    private var memories: [Int: [Memory<Element>]] = [:]
    /// How many memories have been made so far.
    private(set) var made = 0

    /// A memory of exactly `count` elements with arbitrary contents.
    func take(_ count: Int) throws(KernelError) -> Memory<Element> {
        if let free = firstFree(count) { return free }
        let memory = try Memory<Element>(count: count)
        made += 1
        memories[count, default: []].append(memory)
        return memory
    }

    private func firstFree(_ count: Int) -> Memory<Element>? {
        guard let key = memories.index(forKey: count) else { return nil }
        let candidates = memories.values[key].count
        for i in 0..<candidates where isKnownUniquelyReferenced(&memories.values[key][i]) {
            return memories.values[key][i]
        }
        return nil
    }

    /// Gives everything back to the machine that nobody else holds.
    func drain() { memories.removeAll() }
}

extension MemoryPool where Element == Float {
    /// A tensor over pooled memory with arbitrary contents.
    func tensor(_ shape: Shape) throws(KernelError) -> Tensor { Tensor(shape, storage: try take(shape.count)) }
}
