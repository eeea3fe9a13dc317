/// A shuffle of `0..<count` as a pure function: element `i` of the order is `permutation[i]`, with nothing stored, so
/// that a run can resume at any place.
///
/// A Feistel network of four rounds over the next even power of two, walked until it lands inside (Black and Rogaway
/// 2002, "Ciphers with arbitrary finite domains", cycle walking).
struct Permutation: Sendable {
    let count: Int
    private let halfBits: UInt64
    private let keys: (UInt64, UInt64, UInt64, UInt64)

    /// The order that belongs to `seed` and `stream`.
    init(count: Int, seed: UInt64, stream: UInt64) {
        precondition(count > 0, "a permutation of \(count) elements")
        self.count = count
        let bits = UInt64(max(Int.bitWidth - (count - 1).leadingZeroBitCount, 2))
        halfBits = (bits + 1) / 2
        let key = mixed(seed ^ mixed(stream &+ 0x9E37_79B9_7F4A_7C15))
        keys = (mixed(key &+ 1), mixed(key &+ 2), mixed(key &+ 3), mixed(key &+ 4))
    }

    subscript(index: Int) -> Int {
        precondition(index >= 0 && index < count, "element \(index) of a permutation of \(count)")
        var value = UInt64(index)
        repeat { value = round(value) } while value >= UInt64(count)
        return Int(value)
    }

    private func round(_ value: UInt64) -> UInt64 {
        let mask = (UInt64(1) << halfBits) - 1
        var left = value >> halfBits
        var right = value & mask
        (left, right) = (right, left ^ (mixed(right ^ keys.0) & mask))
        (left, right) = (right, left ^ (mixed(right ^ keys.1) & mask))
        (left, right) = (right, left ^ (mixed(right ^ keys.2) & mask))
        (left, right) = (right, left ^ (mixed(right ^ keys.3) & mask))
        return left << halfBits | right
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood 2014): a bijection that mixes all bits.
func mixed(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
}
