/// The order of logits, found without comparing them: a vocabulary has tens of thousands, and every token needs it.
enum Ranking {
    private static let digitBits = 11
    private static let digits = 3

    /// The index of the greatest, the first among equals; nil when there is none. What is not a number comes last.
    static func best(_ logits: [Float]) -> Int? {
        guard var best = logits.indices.first else { return nil }
        for i in logits.indices where logits[i] > logits[best] || (logits[best].isNaN && !logits[i].isNaN) { best = i }
        return best
    }

    /// All indices, greatest first, equal ones in increasing order; what is not a number comes last.
    ///
    /// A radix sort from the lowest digit up, in which each pass keeps the order of the one before.
    static func descending(_ logits: [Float]) -> [Int32] {
        var from = logits.indices.map { UInt64(key(logits[$0])) << 32 | UInt64($0) }
        var to = from
        for digit in 0..<digits {
            let shift = UInt64(32 + digit * digitBits), mask = UInt64(1 << digitBits - 1)
            var starts = [Int](repeating: 0, count: 1 << digitBits)
            for entry in from { starts[Int(entry >> shift & mask)] += 1 }
            var sum = 0
            for value in starts.indices { (starts[value], sum) = (sum, sum + starts[value]) }
            for entry in from {
                let value = Int(entry >> shift & mask)
                to[starts[value]] = entry
                starts[value] += 1
            }
            swap(&from, &to)
        }
        return from.map { Int32(truncatingIfNeeded: $0) }
    }

    /// A number that is the smaller the greater x is. Both zeros are one.
    private static func key(_ x: Float) -> UInt32 {
        guard !x.isNaN else { return .max }
        let bits = (x + 0).bitPattern
        return bits >> 31 == 0 ? bits ^ 0x7fff_ffff : bits
    }
}
