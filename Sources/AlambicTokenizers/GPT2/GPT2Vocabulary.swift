import Foundation

/// The tokens and merges of a byte-level byte-pair encoding.
///
/// Files write each byte as a character that can be seen (`bytes_to_unicode` of GPT-2's `encoder.py`): bytes that are
/// visible in Latin-1 as they are, the others in ascending order as U+0100 and following.
struct GPT2Vocabulary: Sendable {
    /// A token with a text of its own, which pieces never become.
    struct Special: Sendable {
        let text: [UInt8]
        let token: Int32
    }

    /// The bytes of all tokens, one after the other; those of token i from `starts[i]` to `starts[i + 1]`.
    private let allBytes: [UInt8]
    private let starts: [Int]
    /// The tokens of the 256 bytes.
    let byteTokens: [Int32]
    let merges: MergeTable
    /// The merged pairs in the order of their ranks.
    private let pairs: [(left: Int32, right: Int32)]
    /// The longest first.
    let specials: [Special]

    /// The number of tokens.
    var count: Int { starts.count - 1 }

    func bytes(of token: Int32) -> ArraySlice<UInt8> { allBytes[starts[Int(token)]..<starts[Int(token) + 1]] }

    init(_ files: TokenizerFiles) throws(TokenizerError) {
        let source = try Source(files)
        let tokens = try source.tokensByNumber()
        func malformed(_ reason: String) -> TokenizerError { .malformed(path: source.vocabularyPath, reason: reason) }

        var numbers: [[UInt8]: Int32] = [:]
        numbers.reserveCapacity(tokens.count)
        var decoded: [[UInt8]?] = []
        decoded.reserveCapacity(tokens.count)
        for (number, text) in tokens.enumerated() {
            let bytes = source.isAdded(text) ? nil : ByteAlphabet.bytes(text)
            decoded.append(bytes)
            guard let bytes else { continue }
            if numbers.updateValue(Int32(number), forKey: bytes) != nil {
                throw malformed("token \(number) is there twice")
            }
        }
        var byteTokens: [Int32] = []
        for byte in UInt8.min...UInt8.max {
            guard let token = numbers[[byte]] else { throw malformed("there is no token for byte \(byte)") }
            byteTokens.append(token)
        }
        var made = [Bool](repeating: false, count: tokens.count)
        for token in byteTokens { made[Int(token)] = true }
        var pairs: [(Int32, Int32)] = []
        pairs.reserveCapacity(source.merges.count)
        var merges = MergeTable(capacity: source.merges.count)
        for (rank, merge) in source.merges.enumerated() {
            guard let left = ByteAlphabet.bytes(merge.left), let right = ByteAlphabet.bytes(merge.right),
                let one = numbers[left], let two = numbers[right], let both = numbers[left + right]
            else {
                throw .malformed(
                    path: source.mergesPath, reason: "merge \(rank + 1) names a token that the vocabulary does not have"
                )
            }
            merges.add(one, two, rank: rank, merged: both)
            pairs.append((one, two))
            made[Int(both)] = true
        }
        var allBytes: [UInt8] = []
        var starts = [0]
        var specials: [Special] = []
        for (number, text) in tokens.enumerated() {
            let isSpecial = !made[number] && text.utf8.first == UInt8(ascii: "<") && text.utf8.last == UInt8(ascii: ">")
            guard let bytes = isSpecial ? Array(text.utf8) : decoded[number] else {
                throw malformed("token \(number) has a character that stands for no byte")
            }
            if isSpecial { specials.append(Special(text: bytes, token: Int32(number))) }
            allBytes += bytes
            starts.append(allBytes.count)
        }
        self.allBytes = allBytes
        self.starts = starts
        self.byteTokens = byteTokens
        self.merges = merges
        self.pairs = pairs
        self.specials = specials.sorted { $0.text.count > $1.text.count }
    }

    /// Tells vocabularies apart.
    var digest: UInt64 {
        var digest = Digest()
        digest.add(GPT2Tokenizer.className)
        for token in 0..<count { digest.add(bytes(of: Int32(token))) }
        for pair in pairs {
            digest.add(Int(pair.left))
            digest.add(Int(pair.right))
        }
        for special in specials { digest.add(Int(special.token)) }
        return digest.value
    }

    /// `vocab.json`.
    var json: [UInt8] {
        let special = Set(specials.map(\.token))
        var text: [UInt8] = Array("{".utf8)
        text.reserveCapacity(count * 20)
        for number in 0..<count {
            let token = Int32(number)
            text += number == 0 ? "\"".utf8 : ", \"".utf8
            let bytes = bytes(of: token)
            for byte in special.contains(token) ? Array(bytes) : ByteAlphabet.text(bytes) {
                if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { text.append(UInt8(ascii: "\\")) }
                text.append(byte)
            }
            text += "\": \(number)".utf8
        }
        text += "}\n".utf8
        return text
    }

    /// `merges.txt`.
    var mergesText: [UInt8] {
        var text: [UInt8] = Array("#version: 0.2\n".utf8)
        text.reserveCapacity(pairs.count * 10)
        for pair in pairs {
            text += ByteAlphabet.text(bytes(of: pair.left))
            text.append(0x20)
            text += ByteAlphabet.text(bytes(of: pair.right))
            text.append(0x0A)
        }
        return text
    }
}

/// The visible characters that stand for bytes.
enum ByteAlphabet {
    /// The scalar of each byte.
    private static let scalars: [UInt16] = {
        var hidden: UInt16 = 0x100
        return (UInt8.min...UInt8.max).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return UInt16(byte)
            default:
                defer { hidden += 1 }
                return hidden
            }
        }
    }()

    /// The byte of each scalar, or -1.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = Int16(byte) }
        return bytes
    }()

    /// The bytes that a text stands for, or nil if one of its characters stands for none.
    static func bytes(_ text: some StringProtocol) -> [UInt8]? {
        var result: [UInt8] = []
        for scalar in text.unicodeScalars {
            guard scalar.value < bytes.count, case let byte = bytes[Int(scalar.value)], byte >= 0 else { return nil }
            result.append(UInt8(truncatingIfNeeded: byte))
        }
        return result
    }

    /// The text, in UTF-8, that stands for bytes.
    static func text(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        for byte in bytes {
            let scalar = scalars[Int(byte)]
            if scalar < 0x80 {
                result.append(UInt8(scalar))
            } else {
                result.append(UInt8(0xC0 | scalar >> 6))
                result.append(UInt8(0x80 | scalar & 0x3F))
            }
        }
        return result
    }
}
