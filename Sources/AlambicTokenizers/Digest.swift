/// FNV-1a of 64 bits (Fowler, Noll and Vo): tells tokenizers apart. It is no protection against malice.
struct Digest {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }

    /// A number, as eight bytes.
    mutating func add(_ number: Int) {
        for shift in stride(from: 0, to: 64, by: 8) { add(UInt8(truncatingIfNeeded: number >> shift)) }
    }

    /// Bytes, with their count before them so that neighbours cannot run into each other.
    mutating func add(_ bytes: some Collection<UInt8>) {
        add(bytes.count)
        for byte in bytes { add(byte) }
    }

    mutating func add(_ text: String) { add(text.utf8) }
}
