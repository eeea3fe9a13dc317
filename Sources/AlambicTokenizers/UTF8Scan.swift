/// The scalar that begins at `at`, with its length in bytes; nil, of length 1, for a byte that begins no well-formed
/// sequence (Unicode, table 3-7).
@inline(__always)
func scalar(in text: UnsafeBufferPointer<UInt8>, at: Int) -> (value: UInt32?, length: Int) {
    let first = UInt32(text[at])
    if first < 0x80 { return (first, 1) }
    let left = text.count - at
    @inline(__always) func tail(_ offset: Int) -> UInt32 {
        let byte = UInt32(text[at + offset])
        return byte & 0xC0 == 0x80 ? byte & 0x3F : .max
    }
    switch first {
    case 0xC2...0xDF:
        guard left >= 2, case let a = tail(1), a != .max else { return (nil, 1) }
        return ((first & 0x1F) << 6 | a, 2)
    case 0xE0...0xEF:
        guard left >= 3, case let a = tail(1), case let b = tail(2), a != .max, b != .max else { return (nil, 1) }
        let value = (first & 0x0F) << 12 | a << 6 | b
        guard value >= 0x800, !(0xD800...0xDFFF).contains(value) else { return (nil, 1) }
        return (value, 3)
    case 0xF0...0xF4:
        guard left >= 4, case let a = tail(1), case let b = tail(2), case let c = tail(3), a != .max, b != .max,
            c != .max
        else { return (nil, 1) }
        let value = (first & 0x07) << 18 | a << 12 | b << 6 | c
        guard (0x10000...0x10FFFF).contains(value) else { return (nil, 1) }
        return (value, 4)
    default: return (nil, 1)
    }
}
