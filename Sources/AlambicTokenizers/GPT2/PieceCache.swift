/// Remembers which tokens a piece of the text became, so that a piece that is met again is not merged again. Both live
/// where they are, in the text and in the tokens made so far; entries are places in them.
struct PieceCache {
    private struct Entry {
        var hash: UInt64 = 0
        var start = 0
        var token = 0
        /// Bytes, 0 for a free slot, and tokens.
        var length: Int32 = 0
        var count: Int32 = 0
    }

    private var entries: [Entry]
    private var used = 0
    /// Beyond this many pieces, 40 MB, new ones are not remembered: frequent ones have been met by then.
    private static let most = 1 << 19
    /// Longer pieces hardly come twice.
    private static let longest = 48

    /// - Parameter textSize: bytes of the text; a short one gets a small table.
    init(textSize: Int) {
        var slots = 64
        while slots < textSize / 2, slots < 1 << 13 { slots *= 2 }
        entries = Array(repeating: Entry(), count: slots)
    }

    /// A hash of a piece, or nil if it is not worth remembering.
    @inline(__always)
    static func hash(_ text: UnsafeBufferPointer<UInt8>, _ piece: Range<Int>) -> UInt64? {
        guard piece.count <= longest else { return nil }
        var hash = UInt64(piece.count)
        var at = piece.lowerBound
        let raw = UnsafeRawBufferPointer(text)
        while at + 8 <= piece.upperBound {
            hash = (hash ^ raw.loadUnaligned(fromByteOffset: at, as: UInt64.self)) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 29
            at += 8
        }
        var rest: UInt64 = 0
        while at < piece.upperBound {
            rest = rest << 8 | UInt64(text[at])
            at += 1
        }
        hash = (hash ^ rest) &* 0xBF58_476D_1CE4_E5B9
        return hash ^ hash >> 32
    }

    /// The place of a piece's tokens among those made so far.
    @inline(__always)
    func find(_ hash: UInt64, _ piece: Range<Int>, in text: UnsafeBufferPointer<UInt8>) -> Range<Int>? {
        var slot = Int(truncatingIfNeeded: hash) & (entries.count - 1)
        while entries[slot].length != 0 {
            let entry = entries[slot]
            if entry.hash == hash, Int(entry.length) == piece.count {
                var same = true
                for i in 0..<piece.count where text[entry.start + i] != text[piece.lowerBound + i] {
                    same = false
                    break
                }
                if same { return entry.token..<entry.token + Int(entry.count) }
            }
            slot = (slot + 1) & (entries.count - 1)
        }
        return nil
    }

    /// Remembers a piece that is not there yet.
    mutating func add(_ hash: UInt64, _ piece: Range<Int>, tokens: Range<Int>) {
        guard used < Self.most else { return }
        if used * 2 >= entries.count {
            let old = entries
            entries = Array(repeating: Entry(), count: old.count * 4)
            for entry in old where entry.length != 0 { put(entry) }
        }
        used += 1
        put(
            Entry(
                hash: hash, start: piece.lowerBound, token: tokens.lowerBound, length: Int32(piece.count),
                count: Int32(tokens.count)))
    }

    private mutating func put(_ entry: Entry) {
        var slot = Int(truncatingIfNeeded: entry.hash) & (entries.count - 1)
        while entries[slot].length != 0 { slot = (slot + 1) & (entries.count - 1) }
        entries[slot] = entry
    }
}
