/// Cuts text into the pieces that GPT-2 merges bytes in (Radford et al. 2019, §2.2; `encoder.py`):
///
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///
/// Alternatives are tried in this order at every place. Text is UTF-8; a byte that belongs to no character is a character
/// that is neither letter, number nor white space, as U+FFFD is.
struct GPT2Pattern {
    /// What the pattern asks of a character. The letters of the plane that nearly all text is in are in a table.
    enum Kind: UInt8 {
        case other, letter, number, space

        init(_ scalar: UnicodeScalar) {
            switch scalar.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
            case .decimalNumber, .letterNumber, .otherNumber: self = .number
            default: self = scalar.properties.isWhitespace ? .space : .other
            }
        }

        static let table: [Kind] = (0..<0x10000).map { UnicodeScalar(UInt32($0)).map(Kind.init) ?? .other }
    }

    let text: UnsafeBufferPointer<UInt8>
    /// Where the text ends that is being cut: what follows is not seen.
    let end: Int
    let table: UnsafeBufferPointer<Kind>

    @inline(__always)
    private func kind(at place: Int) -> (kind: Kind, length: Int) {
        let first = text[place]
        if first < 0x80 { return (table[Int(first)], 1) }
        let (value, length) = scalar(in: UnsafeBufferPointer(rebasing: text[..<end]), at: place)
        guard let value else { return (.other, 1) }
        if value < 0x10000 { return (table[Int(value)], length) }
        return (UnicodeScalar(value).map(Kind.init) ?? .other, length)
    }

    /// The end of the piece that begins at `start`, which is before `end`.
    @inline(__always)
    func endOfPiece(from start: Int) -> Int {
        let first = text[start]
        if first == UInt8(ascii: "'"), let length = contraction(after: start + 1) { return start + 1 + length }
        var (kind, length) = kind(at: start)
        var at = start + length
        if first == 0x20, at < end {
            let next = self.kind(at: at)
            if next.kind != .space {
                kind = next.kind
                at += next.length
            }
        }
        var last = start
        while at < end {
            let next = self.kind(at: at)
            guard next.kind == kind else { break }
            (last, length) = (at, next.length)
            at += length
        }
        // White space leaves its last character to what follows, unless it is all there is.
        return kind == .space && at < end && last > start ? last : at
    }

    /// The length of a contraction's letters.
    private func contraction(after place: Int) -> Int? {
        guard place < end else { return nil }
        let second = place + 1 < end ? text[place + 1] : 0
        switch (text[place], second) {
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _): return 1
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return 2
        default: return nil
        }
    }
}
