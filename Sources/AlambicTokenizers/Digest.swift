/// FNV-1a of 64 bits (Fowler, Noll and Vo), over words: tells tokenizers apart. It is no protection against malice.
struct Digest {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    /// A number, as one word.
    mutating func add(_ number: Int) { value = (value ^ UInt64(bitPattern: Int64(number))) &* 0x100_0000_01B3 }

    /// Bytes, with their count before them so that neighbours cannot run into each other.
    mutating func add(_ bytes: some Collection<UInt8>) {
        add(bytes.count)
        for byte in bytes { add(Int(byte)) }
    }

    mutating func add(_ text: String) { add(text.utf8) }
}
