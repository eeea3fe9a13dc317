/// Philox4x32-10 as section 3.3 of Salmon et al. 2011 writes it, one block at a time: the oracle of random numbers and of
/// dropout masks.
func philoxReference(counter: [UInt32], key: [UInt32]) -> [UInt32] {
    var c = counter
    var k = key
    for round in 0..<10 {
        if round > 0 {
            k[0] &+= 0x9E37_79B9
            k[1] &+= 0xBB67_AE85
        }
        let left = UInt32(0xD251_1F53).multipliedFullWidth(by: c[0])
        let right = UInt32(0xCD9E_8D57).multipliedFullWidth(by: c[2])
        c = [right.high ^ c[1] ^ k[0], right.low, left.high ^ c[3] ^ k[1], left.low]
    }
    return c
}

/// Words firstElement ..< firstElement + count of a stream.
func wordsReference(seed: UInt64, stream: UInt64, firstElement: UInt64, count: Int) -> [UInt32] {
    precondition(firstElement % 4 == 0)
    let key = [UInt32(truncatingIfNeeded: seed), UInt32(seed >> 32)]
    var words: [UInt32] = []
    words.reserveCapacity(count + 3)
    var block = firstElement / 4
    while words.count < count {
        let counter = [
            UInt32(truncatingIfNeeded: block), UInt32(block >> 32), UInt32(truncatingIfNeeded: stream),
            UInt32(stream >> 32),
        ]
        words += philoxReference(counter: counter, key: key)
        block += 1
    }
    return Array(words.prefix(count))
}

/// Where in its stream a test begins: at the start, where the block's low word overflows, and near the end of all streams.
let streamStarts: [UInt64] = [0, 8, 1 << 20, (1 << 34) - 32, (1 << 35) - 64, 0 &- (1 << 18)]
