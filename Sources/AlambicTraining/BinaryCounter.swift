/// Sums a sequence as a binary counter does: equal-sized partial sums are joined as soon as there are two of them.
///
/// The tree depends on the position of the terms alone, and the sum of an aligned block of 2^k terms is a subtree of it.
/// So replicas that each sum an aligned block and are then summed in the same way give the bits of one long sum.
struct BinaryCounter<Value> {
    /// `partial[k]`: a sum of 2^k terms, or nil.
    private(set) var partial: [Value?] = []

    /// Adds a term. `join(earlier, later)` gives their sum.
    mutating func add<E: Error>(_ value: Value, join: (Value, Value) throws(E) -> Value) throws(E) {
        var value = value
        for level in partial.indices {
            guard let earlier = partial[level] else {
                partial[level] = value
                return
            }
            partial[level] = nil
            value = try join(earlier, value)
        }
        partial.append(value)
    }

    /// The sum of all terms, leaving the counter empty; nil when there were none.
    mutating func finish<E: Error>(join: (Value, Value) throws(E) -> Value) throws(E) -> Value? {
        var sum: Value?
        for level in partial.indices {
            guard let earlier = partial[level] else { continue }
            partial[level] = nil
            if let later = sum { sum = try join(earlier, later) } else { sum = earlier }
        }
        return sum
    }
}
