/// Sums terms that come in any order over a fixed tree: term 2i with term 2i + 1, those sums again in pairs, and so on.
/// What comes out does not depend on the order of arrival. No more partial sums are kept than the order makes necessary.
struct TreeSum<Value> {
    let count: Int
    /// `levels[l][i]`: the sum of terms i 2^l ..< (i + 1) 2^l, as long as its neighbour is not there.
    private var levels: [[Int: Value]]
    /// The sum of all, once it is there.
    private(set) var total: Value?

    /// For terms 0 ..< `count`.
    init(count: Int) {
        precondition(count > 0, "a sum of \(count) terms")
        self.count = count
        var levels = 1
        while 1 << (levels - 1) < count { levels += 1 }
        self.levels = [[Int: Value]](repeating: [:], count: levels)
    }

    /// Adds term `index`, each once. `join(left, right)` gives their sum.
    mutating func add<E: Error>(
        _ value: Value, at index: Int, join: (Value, Value) throws(E) -> Value
    ) throws(E) {
        precondition((0..<count).contains(index), "term \(index) of \(count)")
        var (value, index, width) = (value, index, count)
        for level in levels.indices {
            guard width > 1 else { break }
            let isAlone = index == width - 1 && index.isMultiple(of: 2)
            if !isAlone {
                guard let neighbour = levels[level].removeValue(forKey: index ^ 1) else {
                    levels[level][index] = value
                    return
                }
                value = index.isMultiple(of: 2) ? try join(value, neighbour) : try join(neighbour, value)
            }
            index /= 2
            width = (width + 1) / 2
        }
        total = value
    }
}
