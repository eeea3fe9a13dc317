/// Writes numbers of a few bits each, the most significant bit of each first, into bytes filled from their most
/// significant bit.
struct BitWriter {
    private(set) var bytes: [UInt8] = []
    private var pending: UInt64 = 0
    private var count = 0

    /// Appends the lowest `bits` bits of `value`, at most 32 of them.
    mutating func write(_ value: UInt32, bits: Int) {
        pending = pending << UInt64(bits) | UInt64(value)
        count += bits
        while count >= 8 {
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: pending >> UInt64(count)))
        }
    }

    /// The bytes, the last one filled up with zeros.
    consuming func finished() -> [UInt8] {
        if count > 0 { bytes.append(UInt8(truncatingIfNeeded: pending << UInt64(8 - count))) }
        return bytes
    }
}

/// Reads what a ``BitWriter`` wrote. Past the end there are zeros to look at, and nothing to take.
struct BitReader {
    private let bytes: ArraySlice<UInt8>
    private var next: Int
    private var buffer: UInt64 = 0
    private var available = 0

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        next = bytes.startIndex
    }

    private mutating func refill() {
        while available <= 56 && next < bytes.endIndex {
            buffer |= UInt64(bytes[next]) << UInt64(56 - available)
            next += 1
            available += 8
        }
    }

    /// The next `bits` bits, at least 1 and at most 32, which stay to be read.
    mutating func peek(_ bits: Int) -> Int {
        if available < bits { refill() }
        return Int(truncatingIfNeeded: buffer >> UInt64(64 - bits))
    }

    /// Takes bits that were looked at; false where there are not as many left.
    mutating func skip(_ bits: Int) -> Bool {
        guard bits <= available else { return false }
        buffer <<= UInt64(bits)
        available -= bits
        return true
    }

    /// Whether nothing is left but the zeros that fill the last byte up.
    var isAtEnd: Bool { next == bytes.endIndex && available < 8 && buffer == 0 }
}
