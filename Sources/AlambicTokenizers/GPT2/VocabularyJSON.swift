/// Reads `{"token": number, …}`, and nothing else: a general parser takes a quarter of a second for GPT-2's 50257.
struct VocabularyJSON {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var at = 0

    /// The entries in their order; nil for anything but an object of whole numbers that are not negative.
    static func entries(_ bytes: [UInt8]) -> [(text: String, number: Int)]? {
        bytes.withUnsafeBufferPointer { buffer in
            var reader = VocabularyJSON(bytes: buffer)
            guard let entries = reader.object() else { return nil }
            reader.skipSpace()
            return reader.at == buffer.count ? entries : nil
        }
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    private mutating func object() -> [(text: String, number: Int)]? {
        guard take(UInt8(ascii: "{")) else { return nil }
        var entries: [(text: String, number: Int)] = []
        if take(UInt8(ascii: "}")) { return entries }
        repeat {
            guard take(UInt8(ascii: "\"")), let text = string(), take(UInt8(ascii: ":")), let number = number() else {
                return nil
            }
            entries.append((text, number))
        } while take(UInt8(ascii: ","))
        return take(UInt8(ascii: "}")) ? entries : nil
    }

    private mutating func skipSpace() {
        while at < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[at]) { at += 1 }
    }

    /// Skips white space, then this byte if it comes next.
    private mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard at < bytes.count, bytes[at] == byte else { return false }
        at += 1
        return true
    }

    private mutating func number() -> Int? {
        skipSpace()
        let start = at
        var value = 0
        while at < bytes.count, (0x30...0x39).contains(bytes[at]), at - start < 12 {
            value = value * 10 + Int(bytes[at] - 0x30)
            at += 1
        }
        return at > start ? value : nil
    }

    /// The rest of a string whose opening quote was taken.
    private mutating func string() -> String? {
        var text: [UInt8] = []
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return String(validating: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let scalar = escape() else { return nil }
                text += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
            case 0..<0x20: return nil
            default: text.append(byte)
            }
        }
        return nil
    }

    private mutating func escape() -> UnicodeScalar? {
        guard at < bytes.count else { return nil }
        at += 1
        switch bytes[at - 1] {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            guard let first = hexadecimal() else { return nil }
            if let scalar = UnicodeScalar(first) { return scalar }
            // A high surrogate must be followed by a low one.
            guard first < 0xDC00, at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"),
                bytes[at + 1] == UInt8(ascii: "u")
            else { return nil }
            at += 2
            guard let second = hexadecimal(), (0xDC00..<0xE000).contains(second) else { return nil }
            return UnicodeScalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        default: return nil
        }
    }

    private mutating func hexadecimal() -> UInt32? {
        guard at + 4 <= bytes.count else { return nil }
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(UnicodeScalar(bytes[at])).hexDigitValue else { return nil }
            value = value << 4 | UInt32(digit)
            at += 1
        }
        return value
    }
}
