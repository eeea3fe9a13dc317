/// Finds the smallest of many keys without sorting them: counts of the upper 16 bits, then of the lower 16 bits of those
/// that share the upper half of the key looked for. Two passes, whatever the keys; of equal keys those that come first are
/// the smaller ones.
enum Selection {
    /// The key that has `rank` keys before or at it when all keys of all pieces are in order, and how many are smaller.
    ///
    /// - Parameters:
    ///   - rank: counted from 1.
    ///   - pieces: how many pieces there are.
    ///   - keys: the keys of a piece; asked for twice, so that they need not all be in memory.
    static func key(ofRank rank: Int, pieces: Int, keys: (Int) -> [UInt32]) -> (key: UInt32, smaller: Int) {
        precondition(rank > 0, "the key of rank \(rank), counted from 1")
        func bin(_ counts: [Int], _ before: inout Int) -> UInt32 {
            for (value, count) in counts.enumerated() {
                if before + count >= rank { return UInt32(value) }
                before += count
            }
            preconditionFailure("the key of rank \(rank) among \(before)")
        }
        var smaller = 0
        var counts = [Int](repeating: 0, count: 1 << 16)
        for piece in 0..<pieces { for key in keys(piece) { counts[Int(key >> 16)] += 1 } }
        let upper = bin(counts, &smaller)
        counts = [Int](repeating: 0, count: 1 << 16)
        for piece in 0..<pieces {
            for key in keys(piece) where key >> 16 == upper { counts[Int(key & 0xFFFF)] += 1 }
        }
        let lower = bin(counts, &smaller)
        return (upper << 16 | lower, smaller)
    }

    /// Marks the `count` smallest keys.
    static func smallest(_ count: Int, of keys: [UInt32]) -> [Bool] {
        precondition(count >= 0 && count <= keys.count, "removing \(count) of \(keys.count) weights")
        var marks = [Bool](repeating: false, count: keys.count)
        guard count > 0 else { return marks }
        let (threshold, smaller) = key(ofRank: count, pieces: 1) { _ in keys }
        var ties = count - smaller
        for (index, key) in keys.enumerated() where key <= threshold {
            if key == threshold {
                if ties == 0 { continue }
                ties -= 1
            }
            marks[index] = true
        }
        return marks
    }

    /// Marks the `count` smallest keys of every `group` consecutive ones.
    static func smallest(_ count: Int, ofEach group: Int, in keys: [UInt32]) -> [Bool] {
        precondition(
            keys.count.isMultiple(of: group) && (0...group).contains(count),
            "\(count) of each \(group) of \(keys.count) weights")
        var marks = [Bool](repeating: false, count: keys.count)
        for start in stride(from: 0, to: keys.count, by: group) {
            for index in start..<start + group {
                // Its place in order: groups are short.
                var rank = 0
                for other in start..<start + group where keys[other] < keys[index] { rank += 1 }
                for other in start..<index where keys[other] == keys[index] { rank += 1 }
                marks[index] = rank < count
            }
        }
        return marks
    }
}
